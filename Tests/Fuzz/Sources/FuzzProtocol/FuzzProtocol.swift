// The fuzzer of the decoders: the first two bytes choose one of all messages, the third its version, the rest is decoded.
// What decodes must be written in exactly the size that was promised, and must decode again to the same value.

import Bytes
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

/// Hands the loop to libFuzzer. SwiftPM names the entry of an executable itself, so libFuzzer's own main is not used.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main
enum FuzzProtocol {
    static func main() {
        var count = CommandLine.argc
        // Safety: the process's own arguments, which live as long as it does.
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        _ = unsafe runDriver(&count, &arguments, { unsafe fuzz($0, $1) })
    }
}

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 3 else { return 0 }
    // Safety: libFuzzer gives `count` bytes from `start` that live during the call.
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let type = Messages.all[(Int(input[0]) << 8 | Int(input[1])) % Messages.all.count]
    let versions = type.versions
    let version = versions.lowerBound + Int16(input[2]) % Int16(versions.count)
    check(type, ByteSlice(input[3...]), version)
    _ = try? MetadataRecord(decoding: ByteSlice(input))
    return 0
}
