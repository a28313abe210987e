// Incremental fetch sessions (KIP-227): a consumer names its partitions once, later only what changes, and is told only
// of partitions that have news.
//
// Sessions belong to the loop whose connection made them; a client that comes back elsewhere is told that its session
// is not known and begins a new one. Limit: when the table is full, the session unused for longest gives way if it has
// been idle for `evictionAge`, or a consumer's if a broker wants its place, else the client goes on without a session.

internal import Basics
internal import WireProtocol

/// What a consumer wants of one partition, and what it was told last.
struct FetchedPartition {
    var topicId: Uuid
    var topicName: String
    var partition: Int32
    var fetchOffset: Int64 = 0
    var bytesMax: Int32 = 0
    var currentLeaderEpoch: Int32 = -1
    var lastFetchedEpoch: Int32 = -1
    var logStartOffset: Int64 = -1
    /// The high watermark that a follower knows; the greatest number if it is not to be told of a higher one at once.
    var knownHighWatermark: Int64 = .max
    /// Told last; -2 when nothing was told yet.
    var toldHighWatermark: Int64 = -2
    var toldStartOffset: Int64 = -2
    var hadError = false
}

struct PartitionKey: Hashable {
    var topicId: Uuid
    var topicName: String
    var partition: Int32
}

/// One session. The order of partitions is the order in which they are served; one that gave data goes to the end.
final class FetchSession {
    let id: Int32
    /// A broker's, not a consumer's.
    let isFollower: Bool
    var epoch: Int32 = 1
    var lastUsed: Instant
    var partitions: [PartitionKey: FetchedPartition] = [:]
    var order: [PartitionKey] = []

    init(id: Int32, isFollower: Bool = false, now: Instant) {
        self.id = id
        self.isFollower = isFollower
        lastUsed = now
    }

    func set(_ key: PartitionKey, _ fresh: FetchedPartition) {
        guard var known = partitions[key] else {
            partitions[key] = fresh
            order.append(key)
            return
        }
        known.fetchOffset = fresh.fetchOffset
        known.bytesMax = fresh.bytesMax
        known.currentLeaderEpoch = fresh.currentLeaderEpoch
        known.lastFetchedEpoch = fresh.lastFetchedEpoch
        known.logStartOffset = fresh.logStartOffset
        known.knownHighWatermark = fresh.knownHighWatermark
        partitions[key] = known
    }

    func forget(_ key: PartitionKey) {
        guard partitions.removeValue(forKey: key) != nil else { return }
        order.removeAll { $0 == key }
    }

    /// Puts partitions that were served behind the others, so that none starves.
    func rotate(_ served: Set<PartitionKey>) {
        guard !served.isEmpty, served.count < order.count else { return }
        order = order.filter { !served.contains($0) } + order.filter { served.contains($0) }
    }
}

/// The sessions of one loop.
struct FetchSessions {
    static let evictionAge: Duration = .seconds(120)
    /// An epoch that opens a session, and one that closes it or does without.
    static let initialEpoch: Int32 = 0
    static let finalEpoch: Int32 = -1

    private var sessions: [Int32: FetchSession] = [:]
    private let max: Int

    init(max: Int) { self.max = max }

    subscript(id: Int32) -> FetchSession? { sessions[id] }

    /// A new session, or nil if there is no room. A follower takes the place of a consumer, however young (KIP-227).
    mutating func open(now: Instant, isFollower: Bool = false, random: () -> UInt64) -> FetchSession? {
        guard max > 0 else { return nil }
        if sessions.count >= max {
            let candidates = sessions.values.filter { session in
                now - session.lastUsed > FetchSessions.evictionAge || (isFollower && !session.isFollower)
            }
            guard let oldest = candidates.min(by: { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }) else { return nil }
            sessions[oldest.id] = nil
        }
        while true {
            let id = Int32(truncatingIfNeeded: random() & 0x7fff_ffff)
            guard id != 0, sessions[id] == nil else { continue }
            let session = FetchSession(id: id, isFollower: isFollower, now: now)
            sessions[id] = session
            return session
        }
    }

    mutating func close(_ id: Int32) { sessions[id] = nil }

    /// The epoch after `epoch`; it wraps to 1.
    static func next(_ epoch: Int32) -> Int32 { epoch < 0 ? finalEpoch : epoch == .max ? 1 : epoch + 1 }
}
