// Why an answer may differ from the recorded one: the recorded cluster was another one, in another state, with features
// that are not built here, or ours does it otherwise on purpose. What fits none of these is a fault.

import WireProtocol

struct Reason {
    /// The name of the API.
    var api: String
    /// Errors of the recorded answer, one of which it must hold; empty for any answer.
    var errors: Set<Int64> = []
    /// What the path of the difference begins with; empty for any.
    var path = ""
    var why: String

    func covers(_ api: String, _ errors: Set<Int64>, _ path: String) -> Bool {
        (self.api.isEmpty || api == self.api) && (self.errors.isEmpty || !self.errors.isDisjoint(with: errors))
            && path.hasPrefix(self.path)
    }

    /// The first that covers a difference is its reason.
    static let known = [
        Reason(api: "InitProducerId", errors: [14], why: "Kafka was still fetching a block of ids; ours waits for it"),
        Reason(api: "InitProducerId", why: "a transactional id, and no transaction coordinator yet"),
        Reason(api: "Produce", errors: [19, 49, 120], why: "a transaction, and no transaction coordinator yet"),
        Reason(api: "", errors: [29, 31], why: "not authorized there; no authorizer yet"),
        Reason(api: "DeleteTopics", errors: [7], why: "not authorized there; no authorizer yet"),
        Reason(api: "Produce", errors: [6], why: "another broker led"),
        Reason(api: "DescribeProducers", errors: [6], why: "another broker led"),
        Reason(api: "Fetch", errors: [6], why: "another broker led, or a replica asked"),
        Reason(api: "DeleteRecords", errors: [6, 1], why: "another broker led, or the log was shorter"),
        Reason(api: "Metadata", errors: [5], why: "the topic had just been created"),
        Reason(api: "Fetch", errors: [71], why: "in the middle of a fetch session"),
        Reason(api: "Fetch", errors: [74, 75], why: "leaders had other epochs"),
        Reason(api: "Metadata", errors: [3], why: "Kafka creates the topic and says so later; ours waits for it"),
        Reason(api: "Metadata", errors: [100], path: "topics", why: "ids that are not known stand in another order"),
        Reason(api: "Metadata", path: "topics.partitions.", why: "a broker was down"),
        Reason(api: "ListGroups", path: "groups", why: "a tool asked, and other groups were there"),
        Reason(api: "DescribeGroups", path: "groups", why: "a tool asked, and the group was there"),
        Reason(api: "ConsumerGroupDescribe", path: "groups", why: "a tool asked, and the group was there"),
        Reason(api: "DeleteGroups", path: "results", why: "a tool asked, and the group was there"),
        Reason(api: "OffsetFetch", path: "groups.topics", why: "a tool asked, and the group had offsets"),
        Reason(api: "AlterPartitionReassignments", path: "responses.partitions.error", why: "other brokers were there"),
        Reason(api: "OffsetCommit", errors: [25], why: "a tool asked, and the group had members"),
    ]

    /// Reasons that only single exchanges have, for whose state nobody cared.
    static let ofSingles = [
        Reason(api: "DescribeProducers", path: "topics.partitions.activeProducers", why: "others had produced"),
        Reason(api: "DescribeQuorum", path: "topics.partitions", why: "a quorum of several nodes was asked"),
        Reason(api: "UnregisterBroker", why: "the broker is not there"),
        Reason(api: "UnregisterController", why: "the controller is not there"),
        Reason(api: "RemoveRaftVoter", why: "the voter is not there"),
        Reason(api: "Produce", path: "responses.partitionResponses", why: "a transaction, and no coordinator yet"),
        Reason(api: "Fetch", path: "errorCode", why: "in the middle of a fetch session, or asked by a replica"),
        Reason(api: "Fetch", path: "responses", why: "in the middle of a session, of a transaction, or of a topic gone"),
        Reason(api: "CreatePartitions", path: "results", why: "topics have their last number of partitions here"),
        Reason(api: "ListPartitionReassignments", path: "topics", why: "partitions were on the move"),
        Reason(api: "ElectLeaders", path: "replicaElectionResults.partitionResult", why: "the topic is not there"),
        Reason(api: "DescribeLogDirs", path: "results.topics", why: "other partitions stood in the folders"),
        Reason(api: "AlterReplicaLogDirs", path: "results.partitions", why: "the broker had other folders"),
        Reason(api: "DeleteTopics", path: "responses", why: "the topic is not there"),
        Reason(api: "DescribeConfigs", path: "results.configs", why: "the node had advertised.listeners set"),
        Reason(api: "ListConfigResources", path: "configResources", why: "other resources had configurations"),
        Reason(api: "AlterConfigs", path: "responses", why: "the topic is not there"),
        Reason(api: "DescribeTopicPartitions", path: "topics", why: "the topic is not there"),
        Reason(api: "Metadata", path: "topics", why: "other topics were there"),
        Reason(api: "FindCoordinator", errors: [15], why: "the topic of groups was not there yet"),
        Reason(api: "FindCoordinator", why: "no transaction or share coordinator yet"),
        Reason(api: "JoinGroup", errors: [16, 79], why: "the group had not been there, or another broker had it"),
    ] + [
        "ConsumerGroupHeartbeat", "JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch",
        "OffsetDelete",
    ].map {
        Reason(api: $0, why: "the group had members or offsets")
    }
}
