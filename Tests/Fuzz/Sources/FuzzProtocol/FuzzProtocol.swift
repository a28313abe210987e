// The fuzzer of the decoders: the first two bytes choose one of all messages, the third its version, the rest is decoded.
// What decodes must be written in exactly the size that was promised, and must decode again to the same value.

import Bytes
import FuzzDriver
import WireProtocol

private func check<Body: Message>(_ type: Body.Type, _ bytes: ByteSlice, _ version: Int16) {
    guard let message = try? Body(decoding: bytes, version: version) else { return }
    let encoded = message.encoded(version: version)
    precondition(encoded.count == message.encodedSize(version: version), "\(Body.messageName) v\(version): size")
    guard let again = try? Body(decoding: encoded, version: version) else {
        preconditionFailure("\(Body.messageName) v\(version): what was written cannot be read")
    }
    precondition(again.encoded(version: version) == encoded, "\(Body.messageName) v\(version): other bytes")
    _ = message.dump(version: version)
}

@main
enum FuzzProtocol {
    static func main() { drive { unsafe fuzz($0, $1) } }
}

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 3 else { return 0 }
    let whole = unsafe ByteSlice(Input(start, count).rest)
    var input = unsafe Input(start, count)
    let type = Messages.all[(Int(input.byte()) << 8 | Int(input.byte())) % Messages.all.count]
    let versions = type.versions
    let version = versions.lowerBound + Int16(input.byte()) % Int16(versions.count)
    check(type, ByteSlice(input.rest), version)
    _ = try? MetadataRecord(decoding: whole)
    return 0
}
