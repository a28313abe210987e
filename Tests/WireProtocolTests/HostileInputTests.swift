// Bytes from outside can be anything. They decode or they are refused with a place; they never trap, and they never take
// much more memory than they have bytes.

import Basics
import Bytes
import Testing
import WireProtocol

@Suite struct HostileInputTests {
    /// Decodes and, where that works, encodes again; the outcome does not matter.
    private func attempt<Body: Message>(_ type: Body.Type, _ bytes: ByteSlice, _ version: Int16) {
        guard let message = try? Body(decoding: bytes, version: version) else { return }
        let encoded = message.encoded(version: version)
        #expect(encoded.count == message.encodedSize(version: version))
    }

    private func bodies() throws -> [(frame: GoldenFrame, body: ByteSlice)] {
        try GoldenFrame.all.get().map { frame in
            var reader = ByteReader(frame.bytes)
            if frame.isRequest {
                _ = try RequestHeader(from: &reader, version: frame.headerVersion)
            } else {
                _ = try ResponseHeader(from: &reader, version: frame.headerVersion)
            }
            return (frame, frame.bytes.dropFirst(reader.position))
        }
    }

    @Test func `a frame that is cut short is refused or read, at any length`() throws {
        for (frame, body) in try bodies() {
            let step = max(1, body.count / 40)
            for length in stride(from: 0, to: body.count, by: step) {
                attempt(frame.messageType, body.prefix(length), frame.bodyVersion)
            }
        }
    }

    @Test func `a frame with flipped bits is refused or read, in any version`() throws {
        var random = SeededRandom(seed: 4)
        for (frame, body) in try bodies() where !body.isEmpty {
            for _ in 0..<12 {
                var bytes = body.array
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
                let version = Int16.random(in: frame.messageType.versions, using: &random)
                attempt(frame.messageType, ByteSlice(bytes), version)
            }
        }
    }

    @Test func `random bytes are refused or read as any message`() {
        var random = SeededRandom(seed: 5)
        for type in Messages.all {
            for version in type.versions {
                for _ in 0..<5 {
                    let count = Int.random(in: 0..<120, using: &random)
                    let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() >> UInt64.random(in: 0..<64, using: &random)) }
                    attempt(type, ByteSlice(bytes), version)
                }
            }
        }
    }

    @Test func `an array longer than the bytes behind it is refused before anything is allocated`() {
        var writer = ByteWriter(capacity: 64)
        writer.writeInteger(Int16(-1))
        writer.writeInteger(Int16(1))
        writer.writeInteger(Int32(0))
        writer.writeInteger(Int32.max)
        let bytes = writer.finishSlice()
        #expect(throws: DecodeError(.lengthTooLarge(Int(Int32.max)), position: 12, path: "TopicData")) {
            try ProduceRequest(decoding: bytes, version: 3)
        }
    }

    @Test func `a large frame of tiny elements cannot take more memory than the budget`() {
        // A hundred million empty topic names of one byte each would be 1.6 GB of strings.
        var writer = ByteWriter(capacity: 100_000_016)
        let header = [UInt8](repeating: 0, count: 0)
        writer.write(header)
        writer.writeUnsignedVarint(100_000_001)
        for _ in 0..<12_500_000 { writer.writeInteger(UInt64(0x0101_0101_0101_0101)) }
        let bytes = writer.finishSlice()
        let error = #expect(throws: DecodeError.self) { try DescribeGroupsRequest(decoding: bytes, version: 5) }
        #expect(error?.reason == .lengthTooLarge(1_600_000_000))
    }

    @Test func `an error names the field with the indexes of the arrays around it`() throws {
        let request = ProduceRequest {
            $0.topicData = (0..<3).map { topic in
                ProduceRequest.TopicProduceData {
                    $0.name = "t\(topic)"
                    $0.partitionData = (0..<2).map { partition in
                        ProduceRequest.PartitionProduceData {
                            $0.index = Int32(partition)
                            $0.records = .bytes(ByteSlice([1, 2, 3]))
                        }
                    }
                }
            }
        }
        let bytes = request.encoded(version: 7)
        let error = #expect(throws: DecodeError.self) { try ProduceRequest(decoding: bytes.prefix(bytes.count - 1), version: 7) }
        #expect(error?.path == "TopicData[2].PartitionData[1].Records")
        #expect(error?.position == bytes.count - 3)
        #expect(error?.reason == .truncated(needed: 3, remaining: 2))
    }

    @Test func `tags out of order are refused`() {
        let tags: [UInt8] = [2, 5, 0, 5, 0]
        let error = #expect(throws: DecodeError.self) { try UnregisterControllerRequest(decoding: ByteSlice([0, 0, 0, 1] + tags), version: 0) }
        #expect(error?.reason == .tagOutOfOrder(5))
    }

    @Test func `a version that a message does not have is refused`() {
        let error = #expect(throws: DecodeError.self) { try FetchRequest(decoding: .empty, version: 3) }
        #expect(error?.reason == .unsupportedVersion(3))
    }
}
