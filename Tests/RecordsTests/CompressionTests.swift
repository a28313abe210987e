import Basics
import Bytes
import Records
import Testing

@Suite struct CompressionTests {
    @Test(arguments: CompressionType.allCases)
    func `gives back what it took, at every level and size`(type: CompressionType) throws {
        let levels: [Int?] = [nil] + (type.levels.map { [-99, 1, 5, 9, 12, 17, 22, 99, $0.lowerBound] } ?? [1])
        for size in [0, 1, 7, 4096, 32_768, 65_537, 300_000] {
            let bytes = compressible(size, seed: UInt64(size))
            for level in levels where size < 100_000 || level == nil {
                let small = try type.compress(bytes, level: level)
                #expect(try type.decompress(small, limit: size) == bytes)
                if type != .none, size > 10_000, level ?? 1 > 0 { #expect(small.count < bytes.count) }
            }
        }
    }

    @Test(arguments: ForeignStream.all)
    func `reads streams of other libraries in unusual forms`(stream: ForeignStream) throws {
        let bytes = decodeBase64(stream.base64)
        #expect(try stream.compression.decompress(bytes, limit: 1 << 20) == text(ForeignStream.content))
    }

    @Test(arguments: CompressionType.allCases)
    func `gives the same bytes however small the blocks are`(type: CompressionType) throws {
        let bytes = compressible(200_000, seed: 5)
        let small = try type.compress(bytes)
        for capacity in [1, 13, 4096, 1 << 20] {
            let decompressor = try Decompressor(type, small, limit: bytes.count)
            let block = Memory(capacity: capacity)
            let whole = Memory(capacity: bytes.count)
            var count = 0
            while true {
                let added = try decompressor.read(into: block, at: 0)
                if added == 0 { break }
                whole.copy(ByteSlice(block, offset: 0, count: added), to: count)
                count += added
            }
            #expect(ByteSlice(whole, offset: 0, count: count) == bytes)
        }
    }

    @Test(arguments: CompressionType.allCases.dropFirst())
    func `refuses a bomb at the limit, without taking memory for it`(type: CompressionType) throws {
        let zeros = ByteSlice([UInt8](repeating: 0, count: 20_000_000))
        let bomb = try type.compress(zeros)
        #expect(throws: CompressionError.tooLarge(limit: 1_000_000)) { try type.decompress(bomb, limit: 1_000_000) }
        #expect(try type.decompress(bomb, limit: 20_000_000).count == 20_000_000)
    }

    @Test func `refuses a snappy block that claims more than it can hold`() {
        let liar = ByteSlice([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1])
        #expect(throws: CompressionError.malformed(.snappy, "a block longer than it can be")) {
            try CompressionType.snappy.decompress(liar, limit: .max - 1)
        }
    }

    @Test(arguments: CompressionType.allCases.dropFirst())
    func `a stream that is cut short never passes for a whole one`(type: CompressionType) throws {
        let bytes = compressible(70_000, seed: 3)
        let small = try type.compress(bytes)
        for count in Array(0..<40) + stride(from: 40, to: small.count, by: 997) + [small.count - 1] {
            let cut = try? type.decompress(small.prefix(count), limit: 1 << 20)
            // Framed snappy says nothing of the end: cut between blocks it is a shorter stream, which the count of
            // records in the batch then contradicts.
            #expect(cut == nil || (cut?.count ?? 0) < bytes.count)
            if type != .snappy, count > 0 { #expect(cut == nil, "\(count) of \(small.count) bytes") }
        }
    }

    @Test(arguments: CompressionType.allCases.dropFirst())
    func `changed streams end in an error or in other bytes, never in a crash`(type: CompressionType) throws {
        var random = SeededRandom(seed: 77)
        let bytes = compressible(5000, seed: 9)
        let small = try type.compress(bytes)
        for _ in 0..<2000 {
            var changed = small.array
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? type.decompress(ByteSlice(changed), limit: 1 << 20)
        }
        for _ in 0..<1000 {
            let noise = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let start = Bool.random(using: &random) ? small.prefix(Int.random(in: 0...20, using: &random)).array : []
            _ = try? type.decompress(ByteSlice(start + noise), limit: 1 << 20)
        }
        // The contexts that errors left behind are as good as new.
        #expect(try type.decompress(small, limit: 5000) == bytes)
    }
}
