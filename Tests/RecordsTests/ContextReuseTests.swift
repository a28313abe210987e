import Bytes
import Records
import Testing

@Suite struct ContextReuseTests {
    /// An lz4 frame whose head promises 256 bytes of content, cut off behind the head.
    private static let promising: [UInt8] = [
        0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 0, 1, 0, 0, 0, 0, 0, 0, 0xba, 0x04, 0, 0, 0x80,
    ]

    @Test(arguments: CompressionType.allCases)
    func `a stream that broke off leaves nothing behind for the next`(_ type: CompressionType) throws {
        guard type != .none else { return }
        let content = ByteSlice((0..<5000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        let whole = try type.compress(content)
        for cut in 1..<whole.count {
            _ = try? type.decompress(whole.prefix(cut), limit: 1 << 20)
            #expect(try type.decompress(whole, limit: 1 << 20) == content)
        }
        var damaged = whole.array
        for index in damaged.indices {
            damaged[index] ^= 0x55
            _ = try? type.decompress(ByteSlice(damaged), limit: 1 << 20)
            damaged[index] ^= 0x55
            #expect(try type.decompress(whole, limit: 1 << 20) == content)
        }
    }

    @Test func `a promise of content that was not kept is not held against the next`() throws {
        let whole = try CompressionType.lz4.compress(ByteSlice([1, 2, 3]))
        for length in 7...Self.promising.count {
            for check in UInt8.min...UInt8.max {
                var head = Self.promising
                head[14] = check
                _ = try? CompressionType.lz4.decompress(ByteSlice(Array(head.prefix(length))), limit: 1 << 20)
            }
            #expect(try CompressionType.lz4.decompress(whole, limit: 1 << 20) == ByteSlice([1, 2, 3]))
        }
    }
}
