// The record of a control batch that ends a transaction (KIP-98).
//
//     key:    version int16 (0) | type int16 (0 abort, 1 commit)
//     value:  version int16 (0) | coordinator epoch int32
//
// Later versions may add fields behind these; the types behind 1 are no markers (leader change and snapshot records of
// the metadata log).

package import Bytes
package import Records

/// What a marker says.
package struct TransactionMarker: Hashable, Sendable {
    package var isCommit: Bool
    package var coordinatorEpoch: Int32

    package init(isCommit: Bool, coordinatorEpoch: Int32) {
        self.isCommit = isCommit
        self.coordinatorEpoch = coordinatorEpoch
    }

    /// The marker that `batch` holds; nil if it is no control batch, has no record left, or holds something else.
    package init?(_ batch: RecordBatch) {
        guard batch.header.isControl, batch.header.recordCount > 0, batch.header.compressionId == 0,
            var reader = try? RecordReader(batch, expansionLimit: 0), let record = try? reader.next(),
            let key = record.key, key.count >= 4, let value = record.value, value.count >= 6
        else { return nil }
        let type = key.load(Int16.self, at: 2)
        guard type == 0 || type == 1 else { return nil }
        isCommit = type == 1
        coordinatorEpoch = value.load(Int32.self, at: 2)
    }

    package var key: ByteSlice {
        var writer = ByteWriter(capacity: 4)
        writer.writeInteger(Int16(0))
        writer.writeInteger(Int16(isCommit ? 1 : 0))
        return writer.finishSlice()
    }

    package var value: ByteSlice {
        var writer = ByteWriter(capacity: 6)
        writer.writeInteger(Int16(0))
        writer.writeInteger(coordinatorEpoch)
        return writer.finishSlice()
    }
}
