import Basics
import Bytes
import Environment
import Testing

@Suite struct FrameAssemblerTests {
    private func framed(_ payloads: [[UInt8]]) -> [UInt8] {
        payloads.flatMap { payload -> [UInt8] in
            let length = UInt32(payload.count)
            return [UInt8(length >> 24), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)]
                + payload
        }
    }

    @Test func `cuts the same frames however the stream is cut into chunks`() throws {
        var random = SeededRandom(seed: 11)
        for round in 0..<300 {
            let sizes = (0..<Int.random(in: 1...8, using: &random)).map { _ in
                Int.random(in: 0...(round % 3 == 0 ? 3000 : 9), using: &random)
            }
            let payloads = sizes.map { size in (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ size) } }
            let stream = framed(payloads)
            var assembler = FrameAssembler(lengthMax: 5000, buffers: BufferPool(idleBytesMax: 1 << 20))
            var frames: [[UInt8]] = []
            var position = 0
            while position < stream.count {
                let count = min(Int.random(in: 1...700, using: &random), stream.count - position)
                if let target = assembler.receiveTarget, Bool.random(using: &random) {
                    let fitting = min(count, target.capacity)
                    let chunk = ByteSlice(Array(stream[position..<position + fitting]))
                    target.memory.copy(chunk, to: target.offset)
                    let placed = ByteSlice(target.memory, offset: target.offset, count: fitting)
                    try assembler.receive(placed) { frames.append($0.array) }
                    position += fitting
                } else {
                    let chunk = ByteSlice(Array(stream[position..<position + count]))
                    try assembler.receive(chunk) { frames.append($0.array) }
                    position += count
                }
            }
            #expect(frames == payloads)
            #expect(assembler.heldCount == 0)
        }
    }

    @Test func `refuses lengths below zero and beyond the limit before it allocates`() {
        var assembler = FrameAssembler(lengthMax: 100, buffers: BufferPool(idleBytesMax: 0))
        #expect(throws: FrameAssembler.Failure.tooLong(101)) {
            try assembler.receive(ByteSlice([0, 0, 0, 101])) { _ in }
        }
        var negative = FrameAssembler(lengthMax: 100, buffers: BufferPool(idleBytesMax: 0))
        #expect(throws: FrameAssembler.Failure.negativeLength(-1)) {
            try negative.receive(ByteSlice([255, 255, 255, 255])) { _ in }
        }
    }

    @Test func `memory follows what arrived, not what a length claims`() throws {
        var assembler = FrameAssembler(lengthMax: 1 << 30, buffers: BufferPool(idleBytesMax: 0))
        try assembler.receive(ByteSlice([0x3f, 0, 0, 0, 1, 2, 3])) { _ in }
        #expect(assembler.heldCount <= 2 * FrameAssembler.trustedLength)
    }
}
