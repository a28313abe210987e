// DescribeConfigs: every key of a topic, a broker, a group or a client metrics subscription, with its effective value
// and where that is from. What the layers say is in `ConfigurationDescription`.

internal import Basics
internal import ClusterImage
internal import Controller
internal import WireProtocol

enum DescribeConfigsHandler {
    /// The resource type by which `martlet cluster metrics` asks for figures (Docs/decisions/0006).
    static let metricsType: Int8 = 121

    static func handle(_ request: DescribeConfigsRequest, _ call: Call) {
        let groups = request.resources.filter { $0.resourceType == GroupExplanations.type }.map(\.resourceName)
        GroupExplanations.collect(groups, call) { explanations in
            guard request.resources.contains(where: { $0.resourceType == metricsType }) else {
                return answer(request, nil, explanations, call)
            }
            Metrics.collect(call.shard.broker, on: call.loop) { answer(request, $0, explanations, call) }
        }
    }

    private static func answer(
        _ request: DescribeConfigsRequest, _ metrics: Metrics?, _ explanations: [String: GroupExplanations.Result],
        _ call: Call
    ) {
        let description = ConfigurationDescription(
            image: call.shard.view.image, node: call.shard.broker.node, includesSynonyms: request.includeSynonyms,
            includesDocumentation: request.includeDocumentation)
        call.answer(
            DescribeConfigsResponse {
                $0.results = request.resources.map { resource in
                    if resource.resourceType == GroupExplanations.type, let told = explanations[resource.resourceName] {
                        return told
                    }
                    guard resource.resourceType == metricsType, let metrics else {
                        return describe(resource, description, call)
                    }
                    return describe(metrics, resource.resourceName)
                }
            })
    }

    private static func describe(
        _ resource: DescribeConfigsRequest.DescribeConfigsResource, _ description: ConfigurationDescription,
        _ call: Call
    ) -> DescribeConfigsResponse.DescribeConfigsResult {
        var result = DescribeConfigsResponse.DescribeConfigsResult {
            $0.resourceType = resource.resourceType
            $0.resourceName = resource.resourceName
        }
        guard let kind = ConfigurationResource.Kind(rawValue: resource.resourceType) else {
            result.errorCode = .invalidRequest
            result.errorMessage = "Unsupported resource type: \(resource.resourceType)"
            return result
        }
        if let (code, message) = objection(kind, resource.resourceName, call) {
            result.errorCode = code
            result.errorMessage = message
            return result
        }
        var entries = description.entries(kind, resource.resourceName)
        if let asked = resource.configurationKeys {
            let wanted = Set(asked)
            entries.removeAll { !wanted.contains($0.name) }
        }
        result.configs = entries
        return result
    }

    private static func describe(
        _ metrics: Metrics, _ name: String
    ) -> DescribeConfigsResponse.DescribeConfigsResult {
        DescribeConfigsResponse.DescribeConfigsResult {
            $0.resourceType = metricsType
            $0.resourceName = name
            $0.configs = metrics.figures.map { figure in
                DescribeConfigsResponse.DescribeConfigsResourceResult {
                    $0.name = figure.name
                    $0.value = figure.value
                    $0.readOnly = true
                    $0.documentation = figure.help
                }
            }
        }
    }

    private static func objection(
        _ kind: ConfigurationResource.Kind, _ name: String, _ call: Call
    ) -> (ErrorCode, String)? {
        let id = call.shard.broker.nodeId
        switch kind {
        case .topic:
            if TopicName.objection(to: name) != nil { return (.invalidTopicException, "Topic name is invalid") }
            return call.shard.view.topic(name) == nil ? (.unknownTopicOrPartition, "") : nil
        case .broker where name.isEmpty: return nil
        case .broker:
            guard let number = Int32(name) else {
                return (.invalidRequest, "Broker id must be an integer, but it is: \(name)")
            }
            guard number != id.rawValue else { return nil }
            return (.invalidRequest, "Unexpected broker id, expected \(id) or empty string, but received \(name)")
        case .brokerLogger:
            if name.isEmpty { return (.invalidRequest, "Broker id must not be empty") }
            guard Int32(name) != id.rawValue else { return nil }
            return (.invalidRequest, "Unexpected broker id, expected \(id) but received \(name)")
        case .group where name.isEmpty: return (.invalidRequest, "Group name must not be empty")
        case .clientMetrics where name.isEmpty:
            return (.invalidRequest, "Client metrics subscription name must not be empty")
        case .group, .clientMetrics: return nil
        }
    }
}
