import Basics
import Bytes
import Records

/// The bytes that lines of base64 spell.
func decodeBase64(_ lines: [String]) -> ByteSlice {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for character in lines.joined().utf8 {
        guard let value = alphabet.firstIndex(of: character) else { continue }
        bits = bits << 6 | UInt32(value)
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return ByteSlice(bytes)
}

func text(_ string: String) -> ByteSlice { ByteSlice(Array(string.utf8)) }

/// Bytes of which about every second can be guessed from those before.
func compressible(_ count: Int, seed: UInt64) -> ByteSlice {
    var random = SeededRandom(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
        let run = Int.random(in: 1...40, using: &random)
        if bytes.count > 100, Bool.random(using: &random) {
            let start = Int.random(in: 0..<bytes.count - 50, using: &random)
            bytes += bytes[start..<start + run]
        } else {
            bytes += (0..<run).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
    }
    return ByteSlice(bytes.prefix(count))
}

/// All records of a batch, or the error that ends them.
func readAll(_ batch: RecordBatch, limit: Int = 1 << 26) throws(RecordError) -> [Record] {
    var reader = try RecordReader(batch, expansionLimit: limit)
    var records: [Record] = []
    while let record = try reader.next() { records.append(record) }
    return records
}
