import Basics
import Bytes
import Testing

@Suite struct ByteReaderTests {
    @Test func `reads back every kind of value that was written`() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<2000 {
            let bits = random.next() >> UInt64.random(in: 0..<64, using: &random)
            let signed = Int64(bitPattern: bits)
            var writer = ByteWriter(capacity: 1)
            writer.writeInteger(bits)
            writer.writeUnsignedVarlong(bits)
            writer.writeVarlong(signed)
            writer.writeVarint(Int32(truncatingIfNeeded: signed))
            writer.write(utf8: "né")
            let written = writer.count
            let slice = writer.finishSlice()
            #expect(slice.count == written)
            let expected =
                8 + sizeOfUnsignedVarlong(bits) + sizeOfVarlong(signed)
                + sizeOfVarint(Int32(truncatingIfNeeded: signed)) + 3
            #expect(written == expected)
            var reader = ByteReader(slice)
            #expect(try reader.readInteger(UInt64.self, "a") == bits)
            #expect(try reader.readUnsignedVarlong("b") == bits)
            #expect(try reader.readVarlong("c") == signed)
            #expect(try reader.readVarint("d") == Int32(truncatingIfNeeded: signed))
            #expect(try reader.readText(3, "e") == "né")
            #expect(reader.remaining == 0)
        }
    }

    @Test func `refuses what is cut short, and says where`() {
        var reader = ByteReader(ByteSlice([0, 0, 1]))
        #expect(throws: DecodeError(.truncated(needed: 4, remaining: 3), position: 0, path: "Count")) {
            try reader.readInteger(Int32.self, "Count")
        }
        #expect(reader.position == 0)
        var endless = ByteReader(ByteSlice([UInt8](repeating: 0xff, count: 11)))
        #expect(throws: DecodeError(.varintTooLong, position: 0, path: "Size")) {
            try endless.readUnsignedVarlong("Size")
        }
        var text = ByteReader(ByteSlice([0xc3, 0x28]))
        #expect(throws: DecodeError(.invalidText, position: 0, path: "Name")) { try text.readText(2, "Name") }
    }

    @Test func `pieces come out in the order in which they were written`() {
        var writer = ByteWriter(capacity: 4)
        let large = ByteSlice([UInt8](repeating: 7, count: 5000))
        writer.writeInteger(UInt32(1))
        writer.splice(large)
        writer.writeInteger(UInt32(2))
        writer.splice(ByteSlice([9]))
        #expect(writer.count == 5009)
        let pieces = writer.finish()
        #expect(pieces.map(\.count) == [4, 5000, 5])
    }
}

@Suite struct Crc32cTests {
    @Test func `knows the check value of the polynomial`() {
        #expect(ByteSlice(Array("123456789".utf8)).crc32c() == 0xe306_9283)
    }

    @Test func `instruction and table agree on every length and alignment`() {
        var random = SeededRandom(seed: 3)
        let bytes = (0..<20_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let whole = ByteSlice(bytes)
        for length in [0, 1, 7, 8, 9, 63, 255, 256, 767, 768, 769, 2048, 6143, 6144, 6145, 13_000, 19_990] {
            for start in 0..<9 {
                let part = whole[start..<start + length]
                #expect(part.crc32c() == crc32cByTable(part.array))
                let middle = length / 3
                let joined = part[middle..<length].crc32c(continuing: part[0..<middle].crc32c())
                #expect(joined == part.crc32c())
            }
        }
    }
}
