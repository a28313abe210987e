// Small records of key and value alone: what the metadata log and the coordinators' logs are made of. They are written
// and read by the same builder and reader as everybody's records.

package import Basics
internal import Bytes

/// A key and a value; null is nil.
@usableFromInline
package struct PlainRecord: Hashable, Sendable {
    @usableFromInline package var key: [UInt8]?
    @usableFromInline package var value: [UInt8]?

    package init(key: [UInt8]?, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

extension RecordBatch {
    /// An uncompressed batch of `records`, at least one, that begins at `baseOffset`.
    package init(
        plain records: [PlainRecord], at baseOffset: Offset, epoch: LeaderEpoch, timestamp: Timestamp, isControl: Bool
    ) {
        precondition(!records.isEmpty, "a batch has at least one record")
        let capacity = records.reduce(0) { $0 + 32 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) }
        var builder = RecordBatchBuilder(baseOffset: baseOffset, capacity: capacity)
        builder.leaderEpoch = epoch
        builder.isControl = isControl
        for record in records {
            builder.append(
                timestamp: timestamp, key: record.key.map { ByteSlice($0) }, value: record.value.map { ByteSlice($0) })
        }
        guard let bytes = try? builder.finish(), let batch = RecordBatch(bytes) else {
            preconditionFailure("an uncompressed batch that was just built is one")
        }
        self = batch
    }

    /// All records with their offsets, headers left out. For batches of the broker's own making, which are small:
    /// `expansionLimit` bounds what a compressed one may become.
    package func plainRecords(
        expansionLimit: Int = 1 << 26
    ) throws(RecordError) -> [(offset: Offset, record: PlainRecord)] {
        var reader = try RecordReader(self, expansionLimit: expansionLimit)
        var records: [(offset: Offset, record: PlainRecord)] = []
        while let record = try reader.next() {
            records.append((record.offset, PlainRecord(key: record.key?.array, value: record.value?.array)))
        }
        return records
    }
}
