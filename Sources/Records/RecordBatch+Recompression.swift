// A batch with its records compressed otherwise: for topics whose `compression.type` is not the producer's.

internal import Basics
package import Bytes

extension RecordBatch {
    /// The same records, compressed as `target`, in a batch that keeps all else of the header. The expanded records
    /// are in memory once, `expansionLimit` bytes at most.
    package func recompressed(
        _ target: CompressionType, level: Int?, expansionLimit: Int
    ) throws(RecordError) -> ByteSlice {
        guard let source = CompressionType(rawValue: header.compressionId) else {
            throw .unknownCompression(header.compressionId)
        }
        do throws(CompressionError) {
            let records = try target.compress(try source.decompress(payload, limit: expansionLimit), level: level)
            var writer = ByteWriter(capacity: BatchHeader.size + records.count)
            writer.write(bytes.prefix(BatchHeader.size))
            writer.write(records)
            let batch = writer.finishSlice()
            batch.patch(Int32(batch.count - BatchHeader.logOverhead), at: 8)
            batch.patch(header.attributes & ~7 | Int16(target.rawValue), at: 21)
            batch.patch(batch.dropFirst(21).crc32c(), at: 17)
            return batch
        } catch {
            throw .compression(error)
        }
    }
}
