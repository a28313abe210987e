// The fuzzer of everything that is read from disk, and of the batches and frames that come from peers. The first byte
// chooses the decoder, the rest is its input.

import Bytes
import FuzzDriver

@main
enum FuzzStorage {
    static func main() { drive { unsafe fuzz($0, $1) } }
}

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    switch input.choice(15) {
    case 0: fuzzBatch(input.all())
    case 1: if let bytes = mended(input.all()) { fuzzBatch(bytes) }
    case 2: fuzzCompressedRecords(&input)
    case 3: fuzzStream(&input)
    case 4: fuzzOffsetIndex(input.all())
    case 5: fuzzTimeIndex(input.all())
    case 6: fuzzLeaderEpochs(input.all())
    case 7: fuzzOffsets(input.all())
    case 8: fuzzProducerSnapshot(input.all(), mending: false)
    case 9: fuzzProducerSnapshot(input.all(), mending: true)
    case 10: fuzzIdentity(input.all())
    case 11: fuzzScanner(input.all())
    case 12, 13: fuzzLog(&input)
    default: fuzzFrames(&input)
    }
    return 0
}
