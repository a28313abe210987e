// What the fuzzers share: the way into libFuzzer's loop, and a cursor over an input.

import Bytes

/// SwiftPM names the entry of an executable itself, so libFuzzer's own main is not used.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Hands the loop to libFuzzer, with the arguments of the process.
package func drive(_ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt) {
    var count = CommandLine.argc
    // Safety: the process's own arguments, which live as long as it does.
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
    _ = unsafe runDriver(&count, &arguments, body)
}

/// An input, eaten from the front.
package struct Input {
    package private(set) var rest: ArraySlice<UInt8>

    /// The `count` bytes from `start` on, which must live during the call.
    package init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        // Safety: libFuzzer gives so many bytes that live during the call; they are copied.
        rest = unsafe Array(UnsafeBufferPointer(start: start, count: count))[...]
    }

    /// The next byte, 0 behind the end.
    package mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// A number below `count`.
    package mutating func choice(_ count: Int) -> Int { Int(byte()) % count }

    /// The next bytes, as many as two bytes before them say.
    package mutating func part() -> [UInt8] {
        let count = Int(byte()) << 8 | Int(byte())
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// All that is left.
    package mutating func all() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }

    package mutating func text() -> String { String(decoding: all(), as: UTF8.self) }
}
