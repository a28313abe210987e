// ListConfigResources (KIP-1142): what there is that has, or could have, a configuration. Version 0 knows client metrics
// subscriptions alone (KIP-714).

internal import Basics
internal import ClusterImage
internal import WireProtocol

enum ListConfigResourcesHandler {
    private typealias Kind = ConfigurationResource.Kind

    static func handle(_ request: ListConfigResourcesRequest, _ call: Call) {
        let everything: [Kind] = [.group, .clientMetrics, .brokerLogger, .broker, .topic]
        let asked = call.version == 0 ? [Kind.clientMetrics.rawValue] : request.resourceTypes
        guard asked.allSatisfy({ Kind(rawValue: $0) != nil }) else {
            return call.answer(ListConfigResourcesResponse { $0.errorCode = .unsupportedVersion })
        }
        let image = call.shard.view.image
        call.answer(
            ListConfigResourcesResponse {
                for kind in everything where asked.isEmpty || asked.contains(kind.rawValue) {
                    $0.configResources += names(kind, image).map { name in
                        ListConfigResourcesResponse.ConfigResource {
                            $0.resourceName = name
                            $0.resourceType = kind.rawValue
                        }
                    }
                }
            })
    }

    private static func names(_ kind: Kind, _ image: ClusterImage) -> [String] {
        switch kind {
        case .topic: image.topicIds.keys.sorted()
        case .broker, .brokerLogger: image.brokers.keys.sorted().map(\.description)
        case .group, .clientMetrics: image.configurations.keys.filter { $0.kind == kind }.map(\.name).sorted()
        }
    }
}
