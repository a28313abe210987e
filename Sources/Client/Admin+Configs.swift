// Configurations of topics, brokers and others: reading with origins, and changing single entries.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// What a configuration belongs to; the raw value is the protocol's.
package enum ConfigResource: Hashable, Sendable {
    case topic(String)
    /// Nil stands for the default of all brokers.
    case broker(NodeId?)
    case group(String)
    /// What a Martlet broker counts and measures of itself.
    case metrics(NodeId)

    var type: Int8 {
        switch self {
        case .topic: 2
        case .broker: 4
        case .group: 32
        case .metrics: 121
        }
    }

    package var name: String {
        switch self {
        case .topic(let name), .group(let name): name
        case .broker(let id): id.map { "\($0)" } ?? ""
        case .metrics(let id): "\(id)"
        }
    }

    /// Brokers answer for themselves; anything else any broker knows.
    var destination: Destination {
        switch self {
        case .broker(let id?), .metrics(let id): .node(id)
        case .topic, .group, .broker: .any
        }
    }
}

/// One entry of a configuration.
package struct ConfigEntry: Hashable, Sendable {
    package var name: String
    /// Nil for passwords, and for keys without a value.
    package var value: String?
    package var isReadOnly: Bool
    package var isSensitive: Bool
    /// The protocol's number of the origin: 1 topic, 2 broker, 3 cluster default, 4 static, 5 default; -1 not told.
    package var source: Int8

    /// The origin in words.
    package var sourceName: String {
        switch source {
        case 1: "topic"
        case 2: "broker"
        case 3: "cluster"
        case 4: "static"
        case 5: "default"
        case 6: "logger"
        case 7: "client-metrics"
        case 8: "group"
        default: "unknown"
        }
    }
}

/// A change of one entry.
package struct ConfigChange: Hashable, Sendable {
    package enum Operation: Int8, Sendable {
        case set = 0
        case delete = 1
        case append = 2
        case subtract = 3
    }

    package var name: String
    package var operation: Operation
    package var value: String?

    package init(_ name: String, _ operation: Operation, _ value: String?) {
        self.name = name
        self.operation = operation
        self.value = value
    }
}

extension Admin {
    /// The entry `key` of several groups, by group; those without a value of their own are left out.
    package func groupConfigs(
        _ groups: [String], key: String, deadline: Instant,
        completion: @escaping (Result<[String: String], ClientError>) -> Void
    ) {
        guard !groups.isEmpty else { return completion(.success([:])) }
        let request = DescribeConfigsRequest {
            $0.resources = groups.map { group in
                DescribeConfigsRequest.DescribeConfigsResource {
                    $0.resourceType = ConfigResource.group(group).type
                    $0.resourceName = group
                    $0.configurationKeys = [key]
                }
            }
        }
        retrying(request, to: { _ in .any }, deadline: deadline) { $0.results.first?.errorCode } completion: { result in
            completion(
                result.map { response in
                    let found = response.results.compactMap { answer in
                        answer.configs.first { $0.name == key }?.value.map { (answer.resourceName, $0) }
                    }
                    return Dictionary(found) { first, _ in first }
                })
        }
    }

    /// The entries of a resource, sorted by name.
    package func describeConfigs(
        _ resource: ConfigResource, deadline: Instant,
        completion: @escaping (Result<[ConfigEntry], ClientError>) -> Void
    ) {
        let request = DescribeConfigsRequest {
            $0.resources = [
                DescribeConfigsRequest.DescribeConfigsResource {
                    $0.resourceType = resource.type
                    $0.resourceName = resource.name
                    $0.configurationKeys = nil
                }
            ]
        }
        retrying(request, to: { _ in resource.destination }, deadline: deadline) { response in
            response.results.first.map(\.errorCode).flatMap { $0 == .unknownTopicOrPartition ? nil : $0 }
        } completion: { result in
            completion(
                result.flatMap { response in
                    guard let answer = response.results.first else { return .success([]) }
                    if let error = Self.error(answer.errorCode, resource.name, answer.errorMessage) {
                        return .failure(error)
                    }
                    return .success(Self.entries(answer))
                })
        }
    }

    private static func entries(_ answer: DescribeConfigsResponse.DescribeConfigsResult) -> [ConfigEntry] {
        answer.configs.map { config in
            ConfigEntry(
                name: config.name, value: config.value, isReadOnly: config.readOnly, isSensitive: config.isSensitive,
                source: config.configSource)
        }.sorted { $0.name < $1.name }
    }

    /// Changes single entries of a resource.
    package func alterConfigs(
        _ resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool = false, deadline: Instant,
        completion: @escaping (Result<Void, ClientError>) -> Void
    ) {
        let request = IncrementalAlterConfigsRequest {
            $0.validateOnly = validateOnly
            $0.resources = [
                IncrementalAlterConfigsRequest.AlterConfigsResource {
                    $0.resourceType = resource.type
                    $0.resourceName = resource.name
                    $0.configs = changes.map { change in
                        IncrementalAlterConfigsRequest.AlterableConfig {
                            $0.name = change.name
                            $0.configOperation = change.operation.rawValue
                            $0.value = change.value
                        }
                    }
                }
            ]
        }
        retrying(request, to: { _ in resource.destination }, deadline: deadline) { response in
            response.responses.first.map(\.errorCode).flatMap { $0 == .unknownTopicOrPartition ? nil : $0 }
        } completion: { result in
            completion(
                result.flatMap { response in
                    let answer = response.responses.first
                    let error = Self.error(
                        answer?.errorCode ?? .unknownServerError, resource.name, answer?.errorMessage)
                    return error.map { .failure($0) } ?? .success(())
                })
        }
    }
}
