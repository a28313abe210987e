// The one table of the APIs that this broker serves: dispatch, ApiVersions, metrics names and the support page of the
// documentation all follow from it.

internal import Bytes
internal import WireProtocol

/// An API as this broker serves it.
struct Api: Sendable {
    let key: ApiKey
    /// Versions that are served.
    let versions: ClosedRange<Int16>
    /// The lowest version that ApiVersions announces, where it differs from what is served.
    let announcedMin: Int16
    let handle: @Sendable (inout ByteReader, Call) throws(DecodeError) -> Void

    init<Request: RequestMessage>(
        _ type: Request.Type, upTo latest: Int16? = nil, announcedMin: Int16? = nil,
        _ handler: @escaping @Sendable (Request, Call) -> Void
    ) {
        key = Request.apiKey
        versions = Request.versions.lowerBound...(latest ?? Request.versions.upperBound)
        self.announcedMin = announcedMin ?? Request.versions.lowerBound
        handle = { (reader, call) throws(DecodeError) in
            handler(try Request(checking: &reader, version: call.version), call)
        }
    }

    /// A version that is not served closes the connection; but ApiVersions tells which are (KIP-511).
    func refuseVersion(_ call: Call) {
        guard key == .apiVersions else { return call.fail("unsupported version \(call.version) of \(key)") }
        ApiVersionsHandler.refuseVersion(call)
    }
}

enum ApiTable {
    /// All served APIs in the order of their keys.
    static let all: [Api] = [
        Api(ProduceRequest.self, announcedMin: 0, ProduceHandler.handle),
        Api(FetchRequest.self) { request, call in
            if call.context.origin.kind == .controller {
                QuorumHandler.fetch(request, call)
            } else {
                FetchHandler.handle(request, call)
            }
        },
        Api(VoteRequest.self, QuorumHandler.vote),
        Api(BeginQuorumEpochRequest.self, QuorumHandler.begin),
        Api(EndQuorumEpochRequest.self, QuorumHandler.end),
        Api(FetchSnapshotRequest.self, QuorumHandler.fetchSnapshot),
        Api(DescribeQuorumRequest.self, ControllerHandler.handle),
        Api(AddRaftVoterRequest.self, ControllerHandler.handle),
        Api(RemoveRaftVoterRequest.self, ControllerHandler.handle),
        Api(UpdateRaftVoterRequest.self, ControllerHandler.handle),
        Api(EnvelopeRequest.self, ControllerHandler.handle),
        Api(BrokerRegistrationRequest.self, ControllerHandler.handle),
        Api(BrokerHeartbeatRequest.self, ControllerHandler.handle),
        Api(UnregisterBrokerRequest.self, ControllerHandler.handle),
        Api(UnregisterControllerRequest.self, ControllerHandler.handle),
        Api(ControllerRegistrationRequest.self, ControllerHandler.handle),
        Api(UpdateFeaturesRequest.self, ControllerHandler.handle),
        Api(AllocateProducerIdsRequest.self, ControllerHandler.handle),
        Api(AssignReplicasToDirsRequest.self, ControllerHandler.handle),
        Api(ListOffsetsRequest.self, ListOffsetsHandler.handle),
        Api(MetadataRequest.self, MetadataHandler.handle),
        Api(OffsetCommitRequest.self, OffsetCommitHandler.handle),
        Api(OffsetFetchRequest.self, OffsetFetchHandler.handle),
        Api(FindCoordinatorRequest.self, FindCoordinatorHandler.handle),
        Api(JoinGroupRequest.self, JoinGroupHandler.handle),
        Api(HeartbeatRequest.self, HeartbeatHandler.handle),
        Api(LeaveGroupRequest.self, LeaveGroupHandler.handle),
        Api(SyncGroupRequest.self, SyncGroupHandler.handle),
        Api(DescribeGroupsRequest.self, DescribeGroupsHandler.handle),
        Api(ListGroupsRequest.self, ListGroupsHandler.handle),
        Api(DeleteGroupsRequest.self, DeleteGroupsHandler.handle),
        Api(OffsetDeleteRequest.self, OffsetDeleteHandler.handle),
        Api(ApiVersionsRequest.self, ApiVersionsHandler.handle),
        Api(CreateTopicsRequest.self, CreateTopicsHandler.handle),
        Api(DeleteTopicsRequest.self, DeleteTopicsHandler.handle),
        Api(DeleteRecordsRequest.self, DeleteRecordsHandler.handle),
        Api(InitProducerIdRequest.self, upTo: InitProducerIdHandler.latestVersion, InitProducerIdHandler.handle),
        Api(OffsetForLeaderEpochRequest.self, OffsetForLeaderEpochHandler.handle),
        Api(DescribeConfigsRequest.self, DescribeConfigsHandler.handle),
        Api(AlterConfigsRequest.self, AlterConfigsHandler.handle),
        Api(AlterReplicaLogDirsRequest.self, AlterReplicaLogDirsHandler.handle),
        Api(DescribeLogDirsRequest.self, DescribeLogDirsHandler.handle),
        Api(CreatePartitionsRequest.self, CreatePartitionsHandler.handle),
        Api(IncrementalAlterConfigsRequest.self, IncrementalAlterConfigsHandler.handle),
        Api(DescribeProducersRequest.self, DescribeProducersHandler.handle),
        Api(DescribeClusterRequest.self, DescribeClusterHandler.handle),
        Api(ListConfigResourcesRequest.self, ListConfigResourcesHandler.handle),
        Api(ConsumerGroupHeartbeatRequest.self, ConsumerGroupHeartbeatHandler.handle),
        Api(ConsumerGroupDescribeRequest.self, ConsumerGroupDescribeHandler.handle),
        Api(DescribeTopicPartitionsRequest.self, DescribeTopicPartitionsHandler.handle),
        Api(AlterPartitionRequest.self, ControllerHandler.handle),
        Api(ElectLeadersRequest.self, ElectLeadersHandler.handle),
        Api(AlterPartitionReassignmentsRequest.self, AlterPartitionReassignmentsHandler.handle),
        Api(ListPartitionReassignmentsRequest.self, ListPartitionReassignmentsHandler.handle),
    ].sorted { $0.key.rawValue < $1.key.rawValue }

    private static let byNumber: [Api?] = {
        var table: [Api?] = []
        for api in all {
            while table.count <= Int(api.key.rawValue) { table.append(nil) }
            table[Int(api.key.rawValue)] = api
        }
        return table
    }()

    static subscript(key: ApiKey) -> Api? {
        let number = Int(key.rawValue)
        return number < byNumber.count ? byNumber[number] : nil
    }

    /// The APIs that a listener of this kind serves.
    static func served(on kind: ListenerKinds) -> [Api] { all.filter { $0.key.listeners.contains(kind) } }
}
