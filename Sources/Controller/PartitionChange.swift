// A change of one partition as the controller makes it: what is asked for goes in, the record that brings it about comes
// out, with the election, the eligible leaders (KIP-966) and the end of a reassignment (KIP-455) that follow from it.
//
// Rules: a leader is in the ISR, or, where that is empty, an eligible leader; the last known leader comes next, if it
// lives; one that is neither leads only by an unclean election, which leaves it alone in sync and recovering (KIP-704).
// ISR and eligible leaders are disjoint, and there are none of the latter while enough are in sync.

package import Basics
internal import ClusterImage
internal import WireProtocol

/// One change of one partition, to be built.
package struct PartitionChange: Sendable {
    package enum Election: Hashable, Sendable {
        /// Another leader only where the present one cannot lead.
        case online
        /// The first of the replicas, if it can lead.
        case preferred
        /// As `online`, and a replica that is out of sync where no other is left.
        case unclean
    }

    private let before: PartitionImage
    private let cluster: PartitionChangeContext
    package var election = Election.online
    package var inSync: [NodeId]
    package var replicas: [NodeId]
    package var removing: [NodeId]
    package var adding: [NodeId]
    package var isRecovering: Bool
    /// Folders of replicas that differ from the image's.
    package var directories: [NodeId: Uuid] = [:]
    /// Replicas whose broker may have lost records: they are not eligible any more.
    package var uncleanlyStopped: [NodeId] = []
    private var eligible: [NodeId]

    init(of partition: PartitionImage, in cluster: PartitionChangeContext) {
        before = partition
        self.cluster = cluster
        inSync = partition.inSync
        replicas = partition.replicas
        removing = partition.removing
        adding = partition.adding
        isRecovering = partition.isRecovering
        eligible = partition.eligibleLeaders
    }

    /// The record of the change to partition `index` of `topic`; nil if nothing changes.
    func record(_ topic: Uuid, _ index: Int32) -> PartitionChangeRecord? {
        var change = self
        return change.build(topic, index)
    }

    private mutating func build(_ topic: Uuid, _ index: Int32) -> PartitionChangeRecord? {
        var record = PartitionChangeRecord()
        record.topicId = topic
        record.partitionId = index
        completeReassignment()
        findEligible()
        let isUnclean = elect(&record)
        beginEpochWhereNeeded(&record)
        noteEligible(&record, isUnclean: isUnclean)
        if record.isr == nil, !inSync.isEmpty || cluster.hasEligibleLeaders, inSync != before.inSync {
            record.isr = inSync.map(\.rawValue)
        }
        beginEpochOfShrink(&record)
        noteLastKnownLeader(&record)
        noteAssignment(&record)
        if !isUnclean, isRecovering != before.isRecovering { record.leaderRecoveryState = isRecovering ? 1 : 0 }
        let none = PartitionChangeRecord {
            $0.topicId = topic
            $0.partitionId = index
        }
        return record == none ? nil : record
    }

    // MARK: Steps

    /// A reassignment has come to its end when all replicas that stay are in sync.
    private mutating func completeReassignment() {
        guard !removing.isEmpty || !adding.isEmpty else { return }
        let staying = replicas.filter { !removing.contains($0) }
        let left = inSync.filter { !removing.contains($0) }
        guard !left.isEmpty, !staying.isEmpty, staying.allSatisfy(left.contains) else { return }
        inSync = left
        replicas = staying
        removing = []
        adding = []
    }

    /// Replicas that leave the ISR while too few are in sync stay eligible: nothing is committed without them.
    private mutating func findEligible() {
        guard cluster.hasEligibleLeaders else { return }
        guard inSync.count < cluster.minimumInSync else { return eligible = [] }
        eligible = Set(eligible).union(before.inSync)
            .filter { !inSync.contains($0) && !uncleanlyStopped.contains($0) && replicas.contains($0) }.sorted()
    }

    /// Elects; whether the new leader may lack committed records.
    private mutating func elect(_ record: inout PartitionChangeRecord) -> Bool {
        let (leader, isUnclean) = elected
        guard leader != before.leader else { return false }
        record.leader = leader.rawValue
        if eligible.contains(leader) {
            inSync = [leader]
            eligible.removeAll { $0 == leader }
        }
        guard isUnclean else { return false }
        record.isr = [leader.rawValue]
        if !before.isRecovering { record.leaderRecoveryState = 1 }
        return true
    }

    private var elected: (leader: NodeId, isUnclean: Bool) {
        if election == .preferred, let first = replicas.first, canLead(first) { return (first, false) }
        if canLead(before.leader) { return (before.leader, false) }
        if let next = replicas.first(where: canLead) { return (next, false) }
        if let last = lastKnownLeader { return (last, true) }
        if election == .unclean, let any = replicas.first(where: cluster.isAcceptable) { return (any, true) }
        return (.none, false)
    }

    private func canLead(_ id: NodeId) -> Bool {
        (inSync.contains(id) || (inSync.isEmpty && eligible.contains(id))) && cluster.isAcceptable(id)
    }

    private var lastKnownLeader: NodeId? {
        guard cluster.hasEligibleLeaders, inSync.isEmpty, eligible.isEmpty, before.lastKnownEligible.count == 1,
            replicas.contains(before.lastKnownEligible[0]), cluster.isAcceptable(before.lastKnownEligible[0])
        else { return nil }
        return before.lastKnownEligible[0]
    }

    /// Naming the leader, even the same, begins a new epoch: a replica that is not assigned any more must be fenced.
    private func beginEpochWhereNeeded(_ record: inout PartitionChangeRecord) {
        guard record.leader == PartitionImage.unchangedLeader else { return }
        if !before.replicas.allSatisfy(replicas.contains) { record.leader = before.leader.rawValue }
    }

    /// Brokers of levels before 3.6 forget a shrink without it (KAFKA-15021).
    private func beginEpochOfShrink(_ record: inout PartitionChangeRecord) {
        guard cluster.epochRisesWithShrink, record.leader == PartitionImage.unchangedLeader, let ids = record.isr else {
            return
        }
        if !before.inSync.allSatisfy({ ids.contains($0.rawValue) }) { record.leader = before.leader.rawValue }
    }

    private mutating func noteEligible(_ record: inout PartitionChangeRecord, isUnclean: Bool) {
        if isUnclean || !cluster.hasEligibleLeaders { eligible = [] }
        if eligible != before.eligibleLeaders { record.eligibleLeaderReplicas = eligible.map(\.rawValue) }
    }

    /// The last leader is kept from when the ISR gets empty until there is a leader again.
    private func noteLastKnownLeader(_ record: inout PartitionChangeRecord) {
        guard cluster.hasEligibleLeaders else { return }
        if let ids = record.isr, ids.isEmpty {
            // A partition that has lost its leader already keeps the one that it lost, or else the last that was in sync.
            let isNoted = !before.lastKnownEligible.isEmpty || before.inSync.count != 1
            let last = before.leader != .none ? before.leader : isNoted ? .none : before.inSync[0]
            if last != .none, before.lastKnownEligible != [last] { record.lastKnownElr = [last.rawValue] }
            return
        }
        let leads = record.leader >= 0 || (record.leader == PartitionImage.unchangedLeader && before.leader != .none)
        if leads, !before.lastKnownEligible.isEmpty { record.lastKnownElr = [] }
    }

    private func noteAssignment(_ record: inout PartitionChangeRecord) {
        if cluster.hasDirectories {
            let folders = replicas.map { id in
                directories[id] ?? before.recordedDirectory(of: id) ?? cluster.defaultDirectory(id)
            }
            if folders != before.directories { record.directories = folders }
        }
        if replicas != before.replicas { record.replicas = replicas.map(\.rawValue) }
        if removing != before.removing { record.removingReplicas = removing.map(\.rawValue) }
        if adding != before.adding { record.addingReplicas = adding.map(\.rawValue) }
    }
}

/// What the cluster says about a change.
struct PartitionChangeContext: Sendable {
    /// Who may lead this partition: its broker lives, and the folder of the replica serves.
    var acceptable: Set<NodeId>
    /// `min.insync.replicas`, no more than there are replicas.
    var minimumInSync: Int
    /// `eligible.leader.replicas.version` is on.
    var hasEligibleLeaders: Bool
    var hasDirectories: Bool
    var epochRisesWithShrink: Bool
    var defaultDirectories: [NodeId: Uuid]

    func isAcceptable(_ id: NodeId) -> Bool { acceptable.contains(id) }
    func defaultDirectory(_ id: NodeId) -> Uuid { defaultDirectories[id] ?? .zero }
}

extension PartitionImage {
    /// What the records say of the replica's folder; nil for one that is not assigned to the partition.
    func recordedDirectory(of id: NodeId) -> Uuid? {
        guard let position = replicas.firstIndex(of: id), position < directories.count else { return nil }
        return directories[position]
    }
}
