// A small batch whose one record is larger than a broker may let it become.

import Basics
import Bytes
import Records

enum CompressedBomb {
    /// A batch with one record of `value`, compressed by zstd.
    static func batch(_ value: ByteSlice) throws -> ByteSlice {
        var builder = RecordBatchBuilder(capacity: value.count + 100)
        builder.append(timestamp: Timestamp(milliseconds: now()), key: text("k"), value: value)
        return try builder.finish(.zstd)
    }
}
