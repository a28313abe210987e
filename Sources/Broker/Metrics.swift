// What a node counts and measures of itself, under the names that its metrics have everywhere: Prometheus style, units
// last. Counters live where they are counted (loops, folders, logs) and are read only when somebody asks.

internal import Basics
internal import Bytes
internal import Environment
internal import Log
internal import Replication
internal import Synchronization
internal import WireProtocol

/// The figures of a node at one moment, sorted by name.
struct Metrics: Sendable {
    struct Figure: Hashable, Sendable {
        /// With labels, as in `martlet_requests_total{api="Produce"}`.
        var name: String
        var value: String
        /// What it means, and its unit.
        var help: String
    }

    private(set) var figures: [Figure] = []

    private mutating func add(_ name: String, _ value: some BinaryInteger, _ help: String) {
        figures.append(Figure(name: "martlet_" + name, value: "\(value)", help: help))
    }

    /// Asks all loops and folders of `broker`, and calls back on `loop`.
    static func collect(_ broker: Broker, on loop: any EventLoop, completion: @escaping (Metrics) -> Void) {
        let shards = broker.withState { $0.shards }
        let gathering = Confined(Gathering(shards.count, completion), to: loop)
        let now = loop.now
        for shard in shards {
            shard.confinement.post {
                let (counters, connections) = (shard.value.counters, shard.value.connectionCount)
                loop.post { gathering.value.take(counters, connections, of: broker, now: now) }
            }
        }
    }

    /// What came in of the loops so far.
    private final class Gathering {
        private var counters = Counters()
        private var connections = 0
        private var remaining: Int
        private let completion: (Metrics) -> Void

        init(_ count: Int, _ completion: @escaping (Metrics) -> Void) {
            remaining = count
            self.completion = completion
        }

        func take(_ other: Counters, _ connections: Int, of broker: Broker, now: Instant) {
            counters.add(other)
            self.connections += connections
            remaining -= 1
            if remaining == 0 { completion(Metrics(broker, counters, self.connections, now: now)) }
        }
    }

    private init(_ broker: Broker, _ counters: Counters, _ connections: Int, now: Instant) {
        for (number, count) in counters.requests.enumerated() where count > 0 {
            let name = ApiKey(rawValue: Int16(number))?.name ?? "\(number)"
            add("requests_total{api=\"\(name)\"}", count, "Requests by API.")
        }
        add("received_bytes_total", counters.bytesIn, "Bytes of requests.")
        add("connections", connections, "Open connections.")
        add("connections_accepted_total", counters.connectionsAccepted, "Connections since the start.")
        addStorage(broker, now: now)
        figures.sort { $0.name < $1.name }
    }

    private mutating func addStorage(_ broker: Broker, now: Instant) {
        let partitions = broker.withState { $0.view }.replicas
        add("partitions", partitions.count, "Replicas on this node.")
        add("partitions_led", partitions.count { $0.leader != nil }, "Replicas on this node that lead.")
        add("log_bytes", partitions.reduce(0) { $0 + $1.log.size }, "Bytes of all segments.")
        add(
            "log_unsynced_bytes", partitions.reduce(0) { $0 + $1.log.unsyncedBytes },
            "Bytes that were appended and are not known to be on the disk.")
        let oldest = partitions.compactMap(\.log.unsyncedSince).min() ?? now
        figures.append(
            Figure(
                name: "martlet_log_unsynced_age_seconds", value: Metrics.seconds(max(now - oldest, .zero)),
                help: "How long the oldest of them waits for a sync."))
        add("log_segments_open", broker.replicas.handles.count, "Sealed segments with open files.")
        for (folder, syncs) in zip(broker.replicas.folders, broker.replicas.syncs) {
            let label = "{folder=\"\(folder.path)\"}"
            let standing = folder.standing
            add("folder_syncs_total" + label, syncs.count.load(ordering: .relaxed), "Syncs for acknowledgements.")
            add("folder_free_bytes" + label, standing.freeBytes.load(ordering: .relaxed), "Free bytes of the disk.")
            add("folder_offline" + label, standing.isOffline ? 1 : 0, "1 if the folder has failed.")
            add(
                "folder_refused_total" + label, standing.refusedCount.load(ordering: .relaxed),
                "Appends refused for want of room.")
            add(
                "folder_throttled_total" + label, standing.throttledCount.load(ordering: .relaxed),
                "Answers that asked a producer to wait.")
        }
    }

    private static func seconds(_ duration: Duration) -> String {
        let milliseconds = duration.wholeMilliseconds
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
