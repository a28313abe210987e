// The .txnindex file of a segment: the transactions whose abort marker lies in the segment (KIP-98). A fetch that asks for
// committed records is told of those that touch what it gets, so that the client drops their records.
//
//     entry:  version int16 (0) | producer id int64 | first offset int64 | last offset int64
//             | last stable offset int64                                     34 bytes, big-endian
//
// Entries stand in the order of their markers. A segment without an aborted transaction has no such file.

package import Basics
package import Bytes

/// A transaction that was taken back.
package struct AbortedTransaction: Hashable, Sendable {
    package var producerId: Int64
    /// The first offset that it wrote.
    package var firstOffset: Offset
    /// The offset of its abort marker.
    package var lastOffset: Offset
    /// The first offset of any transaction that was still open behind the marker, else the offset behind it. Markers of
    /// transactions that began below it stand in this segment or an earlier one.
    package var lastStableOffset: Offset

    package init(producerId: Int64, firstOffset: Offset, lastOffset: Offset, lastStableOffset: Offset) {
        self.producerId = producerId
        self.firstOffset = firstOffset
        self.lastOffset = lastOffset
        self.lastStableOffset = lastStableOffset
    }
}

package enum TransactionIndex {
    package static let entrySize = 34
    static let version: Int16 = 0

    package static func encode(_ entries: [AbortedTransaction]) -> ByteSlice {
        var writer = ByteWriter(capacity: entries.count * entrySize)
        for entry in entries {
            writer.writeInteger(version)
            writer.writeInteger(entry.producerId)
            writer.writeInteger(entry.firstOffset.rawValue)
            writer.writeInteger(entry.lastOffset.rawValue)
            writer.writeInteger(entry.lastStableOffset.rawValue)
        }
        return writer.finishSlice()
    }

    /// The entries of a file. One that is cut short, of another version, or out of order is an error.
    package static func decode(_ bytes: ByteSlice) throws(DecodeError) -> [AbortedTransaction] {
        var reader = ByteReader(bytes)
        var entries: [AbortedTransaction] = []
        entries.reserveCapacity(bytes.count / entrySize)
        while reader.remaining > 0 {
            let version = try reader.readInteger(Int16.self, "version")
            guard version == TransactionIndex.version else {
                throw reader.failure(.unsupportedVersion(version), "version")
            }
            let entry = AbortedTransaction(
                producerId: try reader.readInteger(Int64.self, "producerId"),
                firstOffset: Offset(try reader.readInteger(Int64.self, "firstOffset")),
                lastOffset: Offset(try reader.readInteger(Int64.self, "lastOffset")),
                lastStableOffset: Offset(try reader.readInteger(Int64.self, "lastStableOffset")))
            guard entry.firstOffset >= .zero, entry.lastOffset >= entry.firstOffset,
                entry.lastOffset > entries.last?.lastOffset ?? .none
            else { throw reader.failure(.invalidValue("offsets"), "lastOffset") }
            entries.append(entry)
        }
        return entries
    }
}
