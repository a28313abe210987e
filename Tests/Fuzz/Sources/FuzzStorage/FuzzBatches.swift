// Record batches: as they come, with the checksum mended so that the fields behind it are reached, and with records that
// we compressed ourselves so that those are reached, too.

import Basics
import Bytes
import FuzzDriver
import Records

/// Bytes that a batch may become here.
let expansionLimit = 1 << 20

/// Makes length and checksum of the batch that begins at `start` right; answers its bytes. Nil if there is no header.
func mended(_ bytes: [UInt8], at start: Int = 0, count: Int? = nil) -> [UInt8]? {
    let count = count ?? bytes.count - start
    guard count >= BatchHeader.size, start + count <= bytes.count else { return nil }
    let batch = ByteSlice(bytes[start..<start + count])
    batch.patch(Int32(count - BatchHeader.logOverhead), at: 8)
    batch.patch(BatchHeader.currentMagic, at: 16)
    batch.patch(batch.dropFirst(21).crc32c(), at: 17)
    return batch.array
}

/// A batch as a producer sends it: everything that the broker does with it.
func fuzzBatch(_ bytes: [UInt8]) {
    guard let batch = RecordBatch(ByteSlice(bytes)) else { return }
    var rules = BatchRules()
    rules.expansionLimit = expansionLimit
    let found = try? batch.validate(rules)
    var records: [Record] = []
    do {
        var reader = try RecordReader(batch, expansionLimit: expansionLimit)
        while let record = try reader.next() {
            records.append(record)
            _ = record.headers
        }
    } catch {
        precondition(found == nil, "what was validated does not read: \(error)")
        return
    }
    guard found != nil else { return }
    precondition(records.count == Int(batch.header.recordCount), "a validated batch has the records that it says")
    guard batch.header.baseOffset == .zero else { return }
    for type in CompressionType.allCases {
        guard let bytes = try? batch.recompressed(type, level: nil, expansionLimit: expansionLimit),
            let again = RecordBatch(bytes), (try? again.validate(rules)) != nil,
            let reread = try? again.plainRecords(expansionLimit: expansionLimit)
        else { preconditionFailure("a validated batch is one in \(type), too") }
        precondition(
            reread.map(\.record) == records.map { PlainRecord(key: $0.key?.array, value: $0.value?.array) },
            "the records are others in \(type)")
    }
}

/// Records of the input's making in a stream of ours.
func fuzzCompressedRecords(_ input: inout Input) {
    let type = CompressionType.allCases[input.choice(5)]
    let count = Int32(input.byte())
    var header = [UInt8](repeating: 0, count: BatchHeader.size)
    for index in 27..<57 { header[index] = 0xff }
    header[22] = UInt8(type.rawValue)
    header[60] = UInt8(count)
    header[26] = UInt8(max(0, count - 1))
    guard let payload = try? type.compress(ByteSlice(input.all())),
        let bytes = mended(header + payload.array)
    else { return }
    fuzzBatch(bytes)
}

/// A stream of any codec.
func fuzzStream(_ input: inout Input) {
    let type = CompressionType.allCases[input.choice(5)]
    let bytes = ByteSlice(input.all())
    guard let plain = try? type.decompress(bytes, limit: expansionLimit) else { return }
    precondition(plain.count <= expansionLimit, "no more than the limit comes out")
    guard let packed = try? type.compress(plain), let again = try? type.decompress(packed, limit: expansionLimit) else {
        preconditionFailure("\(type): what was compressed does not decompress")
    }
    precondition(again == plain, "\(type): other bytes")
}
