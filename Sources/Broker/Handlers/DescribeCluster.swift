// DescribeCluster (KIP-700): the brokers that a client of this listener can reach.

internal import Basics
internal import ClusterImage
internal import WireProtocol

enum DescribeClusterHandler {
    /// What a listener leads to (KIP-919). This one leads to brokers.
    private enum EndpointType: Int8 {
        case broker = 1
        case controller = 2
    }

    static func handle(_ request: DescribeClusterRequest, _ call: Call) {
        switch EndpointType(rawValue: request.endpointType) {
        case .broker: call.answer(response(request, call))
        case .controller:
            call.answer(
                DescribeClusterResponse {
                    $0.errorCode = .mismatchedEndpointType
                    $0.errorMessage = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of"
                        + " type CONTROLLER"
                })
        case nil:
            call.answer(
                DescribeClusterResponse {
                    $0.errorCode = .unsupportedEndpointType
                    $0.errorMessage = "Unsupported endpoint type \(request.endpointType)"
                })
        }
    }

    private static func response(_ request: DescribeClusterRequest, _ call: Call) -> DescribeClusterResponse {
        let view = call.shard.view
        let brokers = view.image.brokers.values.filter { !$0.isFenced || request.includeFencedBrokers }
        return DescribeClusterResponse {
            $0.clusterId = view.image.clusterId
            $0.controllerId = view.contact(for: call.shard.broker.nodeId).rawValue
            for broker in brokers.sorted(by: { $0.id < $1.id }) {
                guard let endpoint = call.shard.broker.endpoint(of: broker, for: call.context) else { continue }
                $0.brokers.append(
                    DescribeClusterResponse.DescribeClusterBroker {
                        $0.brokerId = broker.id.rawValue
                        $0.host = endpoint.host
                        $0.port = Int32(endpoint.port)
                        $0.rack = broker.rack
                        $0.isFenced = broker.isFenced
                    })
            }
            if request.includeClusterAuthorizedOperations {
                $0.clusterAuthorizedOperations = AuthorizedOperations.cluster
            }
        }
    }
}
