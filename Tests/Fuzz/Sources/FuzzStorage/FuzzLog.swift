// A log's folder with any bytes in its files: scanned, verified, opened, and read to its end. And the frames of a stream.

import Basics
import Bytes
import Environment
import FuzzDriver
import Log
import Records

/// Batches of the input's making, each with length and checksum mended, one after the other.
private func segment(_ input: inout Input) -> [UInt8] {
    var bytes: [UInt8] = []
    while !input.rest.isEmpty, bytes.count < 4096 {
        let part = input.part()
        bytes += mended(part) ?? part
    }
    return bytes
}

func fuzzScanner(_ bytes: [UInt8]) {
    let file = MemoryFile("s", MemoryFiles(["s": bytes]))
    var scanner = SegmentScanner(file, offset: .zero, fileSize: bytes.count)
    var end = 0
    while let batch = try? scanner.next() {
        precondition(batch.hasValidChecksum && scanner.position == end + batch.bytes.count, "batches follow each other")
        end = scanner.position
    }
    precondition(scanner.fault != nil || end == bytes.count, "a scan ends with the file or at a fault")
}

func fuzzLog(_ input: inout Input) {
    let isClean = input.choice(2) == 1
    let recoveryPoint = Offset(Int64(input.byte()))
    let base = String(repeating: "0", count: 20)
    var files = [
        "d/\(base).index": input.part(), "d/\(base).timeindex": input.part(), "d/\(base).snapshot": input.part(),
        "d/leader-epoch-checkpoint": input.part(),
    ]
    let content = segment(&input)
    fuzzScanner(content)
    files["d/\(base).log"] = content
    let verified = MemoryFiles(files)
    verify(verified, isClean, recoveryPoint, "d/\(base).log", content)
    let opened = MemoryFiles(files)
    var loader = LogLoader(
        partition: TopicPartition("t", 0), directory: "d", fileSystem: opened, configuration: LogConfiguration(),
        isClean: isClean, recoveryPoint: recoveryPoint)
    guard let log = try? loader.load() else { return }
    read(log)
    _ = try? log.close()
}

/// A refusal changes nothing; what is cut was never durable.
private func verify(
    _ files: MemoryFiles, _ isClean: Bool, _ recoveryPoint: Offset, _ path: String, _ content: [UInt8]
) {
    do {
        let verification = try LogVerification(
            directory: "d", fileSystem: files, recoveryPoint: recoveryPoint, isClean: isClean, epochMax: LeaderEpoch(100))
        let cut = try verification.run()
        precondition(cut.map { !isClean && $0.offset >= recoveryPoint } ?? true, "nothing durable is cut off")
        precondition(files[path]?.count == cut?.position ?? content.count, "it is cut where it says")
    } catch {
        precondition(files[path] == content, "a refused log stays as it is")
    }
}

/// Every fetch comes further, until the end.
private func read(_ log: PartitionLog) {
    var offset = log.startOffset
    while offset < log.endOffset {
        guard let answer = try? log.read(from: offset, limit: log.endOffset, countMax: 1 << 20, wholeFirst: true),
            let region = answer.region, let file = region.source as? any File,
            let bytes = try? file.read(at: region.position, count: region.count)
        else { return }
        var next = offset
        for batch in RecordBatchSequence(bytes) { next = batch.header.nextOffset }
        precondition(next > offset, "a fetch comes further")
        offset = next
    }
    _ = try? log.maxTimestamp(limit: log.endOffset)
}

/// Frames come out as they stand in the stream, however it is cut into pieces.
func fuzzFrames(_ input: inout Input) {
    let step = input.choice(64) + 1
    let stream = input.all()
    var expected: [ArraySlice<UInt8>] = []
    var position = 0
    while position + 4 <= stream.count {
        let length = Int(Int32(truncatingIfNeeded: stream[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }))
        guard length >= 0, length <= 1 << 16, position + 4 + length <= stream.count else { break }
        expected.append(stream[position + 4..<position + 4 + length])
        position += 4 + length
    }
    var assembler = FrameAssembler(lengthMax: 1 << 16, buffers: BufferPool(idleBytesMax: 1 << 20))
    var frames: [[UInt8]] = []
    do {
        for start in stride(from: 0, to: stream.count, by: step) {
            try assembler.receive(ByteSlice(stream[start..<min(start + step, stream.count)])) { frames.append($0.array) }
        }
    } catch {}
    precondition(frames.elementsEqual(expected) { $0.elementsEqual($1) }, "the frames are those of the stream")
}
