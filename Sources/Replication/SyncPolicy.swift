// When a partition's records are made durable on their own disk, beyond what replication does for them.

/// From the topic keys `durability`, `flush.messages` and `flush.ms`.
package struct SyncPolicy: Hashable, Sendable {
    /// The append that makes so many records unsynced waits for the sync: its acknowledgement, and the high watermark.
    /// At 1 no record is acknowledged or read that a loss of power could take. The waiting ones share a sync.
    package var recordsMax: Int64
    /// Records are synced when they are so old. Nobody waits for it.
    package var ageMax: Duration?

    package init(recordsMax: Int64 = .max, ageMax: Duration? = nil) {
        self.recordsMax = recordsMax
        self.ageMax = ageMax
    }

    /// Whether every record is synced before it counts.
    package var isStrict: Bool { recordsMax <= 1 }
}
