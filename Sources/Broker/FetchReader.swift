// What a fetch reads of the logs: a value that may run on any thread, so that what is not in memory is read on the pool
// and a reader of old data holds up nobody on its loop.
//
// Sizes follow KIP-74: partitions are served in the order of the request up to the limits; the first one that has data
// gives at least one whole batch, however large.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

/// What one partition answers.
struct Fetched: Sendable {
    var data: FetchResponse.PartitionData
    var count = 0
    var replica: Partition?
    var ahead: ReadAhead?
    /// Of a follower's fetch: where it stands.
    var follows: (offset: Offset, highWatermark: Offset)?

    init(data: FetchResponse.PartitionData, replica: Partition? = nil) {
        self.data = data
        self.replica = replica
    }

    /// An error.
    init(_ state: FetchedPartition, _ code: ErrorCode, _ image: PartitionImage? = nil) {
        data = FetchResponse.PartitionData {
            $0.partitionIndex = state.partition
            $0.errorCode = code
            $0.highWatermark = -1
            // What is not known at all has an empty list, other errors have none, as in Kafka's answers.
            let isUnknown = code == .unknownTopicOrPartition || code == .unknownTopicId
            $0.abortedTransactions = isUnknown ? [] : nil
            $0.records = .bytes(.empty)
            if let image, code == .notLeaderOrFollower || code == .fencedLeaderEpoch {
                $0.currentLeader.leaderId = image.leader.rawValue
                $0.currentLeader.leaderEpoch = image.leaderEpoch.rawValue
            }
        }
    }

    /// The client must hear of it without waiting.
    var isUrgent: Bool {
        if data.errorCode.isError || data.divergingEpoch.epoch >= 0 || data.preferredReadReplica >= 0 { return true }
        return follows.map { $0.highWatermark.rawValue < data.highWatermark } ?? false
    }
}

/// One look at the partitions of a fetch.
struct FetchReader: Sendable {
    /// Bytes that one job of the pool brings into memory, so that it does not keep others from the pool for long.
    static let coldBytesMax = 8 << 20

    enum Subject: Sendable {
        case settled(Fetched)
        case log(FetchedPartition, Partition, isLed: Bool)
    }

    /// How far the reader may see.
    enum Limit {
        /// Everything: a follower.
        case logEnd
        case highWatermark
        case lastStable
    }

    let subjects: [Subject]
    let limit: Limit
    let bytesMax: Int
    let logger: Logger

    /// What all partitions answer; nil if that is not in memory and the caller may not wait.
    func read(_ wait: DiskWait) -> [Fetched]? {
        var budget = wait == .allowed ? min(bytesMax, FetchReader.coldBytesMax) : bytesMax
        var found: [Fetched] = []
        found.reserveCapacity(subjects.count)
        var isFirst = true
        for subject in subjects {
            switch subject {
            case .settled(let answer): found.append(answer)
            case .log(let state, let replica, let isLed):
                if !isLed, state.fetchOffset > replica.highWatermark.rawValue,
                    state.fetchOffset <= replica.log.endOffset.rawValue
                {
                    // The leader may have committed it, and this follower not heard of it (KIP-392).
                    found.append(Fetched(state, .offsetNotAvailable))
                    continue
                }
                guard let answer = read(state, replica, budget: budget, isFirst: isFirst, wait) else { return nil }
                budget = max(0, budget - answer.count)
                isFirst = isFirst && answer.count == 0
                found.append(answer)
            }
        }
        return found
    }

    private func read(
        _ state: FetchedPartition, _ replica: Partition, budget: Int, isFirst: Bool, _ wait: DiskWait
    ) -> Fetched? {
        let highWatermark = replica.highWatermark
        let lastStable = replica.lastStableOffset
        let limit =
            switch self.limit {
            case .logEnd: replica.log.endOffset
            case .highWatermark: highWatermark
            case .lastStable: lastStable
            }
        var found = Fetched(
            data: FetchResponse.PartitionData { $0.partitionIndex = state.partition }, replica: replica)
        found.data.records = .bytes(.empty)
        found.data.abortedTransactions = nil
        found.data.highWatermark = highWatermark.rawValue
        found.data.lastStableOffset = lastStable.rawValue
        if self.limit == .logEnd {
            found.follows = (Offset(state.fetchOffset), Offset(state.knownHighWatermark))
        }
        if let diverging = replica.divergence(state) {
            found.data.divergingEpoch = diverging
            found.data.logStartOffset = replica.log.startOffset.rawValue
            return found
        }
        do throws(ReadFailure) {
            let read = try replica.log.read(
                from: Offset(state.fetchOffset), limit: limit, countMax: min(Int(max(0, state.bytesMax)), budget),
                wholeFirst: isFirst, wait)
            found.data.logStartOffset = read.startOffset.rawValue
            if self.limit == .lastStable {
                found.data.abortedTransactions = try aborted(read, from: Offset(state.fetchOffset), replica, wait)
            }
            found.count = read.count
            found.ahead = read.ahead
            if let region = read.region { found.data.records = .pieces([.file(region)]) }
            if wait == .allowed { found.ahead?.begin() }
            return found
        } catch {
            return refused(state, replica, error)
        }
    }

    /// The answer to a read that failed; nil if it is to be made where it may wait.
    private func refused(_ state: FetchedPartition, _ replica: Partition, _ failure: ReadFailure) -> Fetched? {
        switch failure {
        case .offsetOutOfRange: return Fetched(state, .offsetOutOfRange)
        case .storage(.file(let error)) where error.kind == .wouldWait: return nil
        case .damaged(let damage, let path):
            logger.error(
                "fetch", "the log is damaged",
                [
                    ("partition", "\(replica.id)"), ("file", path), ("position", "\(damage.bytes.lowerBound)"),
                    ("offset", "\(state.fetchOffset)"), ("until", "\(damage.offsets.upperBound)"),
                    ("reason", damage.fault.description),
                ])
            // Clients throw this one at their user and stay where they are. KAFKA_STORAGE_ERROR they would retry for ever
            // without a word, and no answer at all they would take for the end.
            return Fetched(state, .corruptMessage)
        case .storage(let error):
            logger.error("fetch", "cannot read", [("partition", "\(replica.id)"), ("reason", "\(error)")])
            return Fetched(state, .kafkaStorageError)
        }
    }

    /// The transactions whose records the client must drop from what was read.
    private func aborted(
        _ read: LogRead, from offset: Offset, _ replica: Partition, _ wait: DiskWait
    ) throws(ReadFailure) -> [FetchResponse.AbortedTransaction] {
        guard read.count > 0 else { return [] }
        let range = offset..<read.deliveredEnd
        do {
            return try replica.log.abortedTransactions(in: range, mayWait: wait == .allowed).map { transaction in
                FetchResponse.AbortedTransaction {
                    $0.producerId = transaction.producerId
                    $0.firstOffset = transaction.firstOffset.rawValue
                }
            }
        } catch {
            throw .storage(error)
        }
    }
}

extension Partition {
    /// Where the log of the fetcher departs from this one; nil if they agree.
    func divergence(_ state: FetchedPartition) -> FetchResponse.EpochEndOffset? {
        guard state.lastFetchedEpoch >= 0 else { return nil }
        let found = divergence(of: LeaderEpoch(state.lastFetchedEpoch), before: Offset(state.fetchOffset))
        return found.map { found in
            FetchResponse.EpochEndOffset {
                $0.epoch = found.epoch.rawValue
                $0.endOffset = found.end.rawValue
            }
        }
    }
}
