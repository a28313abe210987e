// The small files of a data folder. What is read must be written and read again as the same.

import Basics
import Bytes
import Environment
import FuzzDriver
import Log

func fuzzOffsetIndex(_ bytes: [UInt8]) {
    let index = OffsetIndex(decoding: ByteSlice(bytes))
    precondition(OffsetIndex(decoding: index.encoded()).entries == index.entries, "an offset index reads as written")
    let whole = MemoryFile("i", MemoryFiles(["i": bytes]))
    guard let window = try? whole.window(count: bytes.count - bytes.count % OffsetIndex.entrySize) else { return }
    for asked in [Int64(0), 1, 100, Int64(Int32.max), .max] {
        _ = try? index.position(atOrBelow: asked)
        _ = try? OffsetIndex(window: window).position(atOrBelow: asked)
    }
}

func fuzzTimeIndex(_ bytes: [UInt8]) {
    let index = TimeIndex(decoding: ByteSlice(bytes))
    precondition(TimeIndex(decoding: index.encoded()).entries == index.entries, "a time index reads as written")
    let whole = MemoryFile("i", MemoryFiles(["i": bytes]))
    guard let window = try? whole.window(count: bytes.count - bytes.count % TimeIndex.entrySize) else { return }
    for asked in [Int64.min, 0, 1_795_000_000_000, .max] {
        _ = try? index.relativeOffset(below: Timestamp(milliseconds: asked), mayWait: true)
        _ = try? TimeIndex(window: window).relativeOffset(below: Timestamp(milliseconds: asked), mayWait: true)
    }
}

func fuzzLeaderEpochs(_ bytes: [UInt8]) {
    let files = MemoryFiles(["d/" + LeaderEpochs.fileName: bytes])
    guard let epochs = try? LeaderEpochs(reading: "d", files), (try? epochs.write(to: "d", files)) != nil else { return }
    guard let again = try? LeaderEpochs(reading: "d", files) else { preconditionFailure("epochs read as written") }
    precondition(again == epochs, "epochs read as written")
    var changed = epochs
    for epoch in [Int32.min, 0, 7, .max] {
        _ = changed.endOffset(for: LeaderEpoch(epoch), end: Offset(100))
        changed.begin(LeaderEpoch(epoch), at: Offset(50))
        changed.trim(to: Offset(60))
        changed.truncate(to: Offset(55))
    }
}

func fuzzOffsets(_ bytes: [UInt8]) {
    let files = MemoryFiles(["d/c": bytes])
    guard let offsets = try? CheckpointFile.readOffsets("d/c", files),
        (try? CheckpointFile.writeOffsets(offsets, to: "c", in: "d", files)) != nil
    else { return }
    precondition((try? CheckpointFile.readOffsets("d/c", files)) == offsets, "a checkpoint reads as written")
}

func fuzzProducerSnapshot(_ bytes: [UInt8], mending: Bool) {
    let slice = ByteSlice(bytes)
    if mending, slice.count >= 6 {
        slice.patch(Int16(1), at: 0)
        slice.patch(slice.dropFirst(6).crc32c(), at: 2)
    }
    guard let states = try? ProducerSnapshot.decode(slice) else { return }
    guard let again = try? ProducerSnapshot.decode(ProducerSnapshot.encode(states)) else {
        preconditionFailure("a producer snapshot reads as written")
    }
    precondition(again.producers == states.producers, "a producer snapshot reads as written")
}

func fuzzIdentity(_ bytes: [UInt8]) {
    let partition = TopicPartition("t", 0)
    let files = MemoryFiles([
        "d/meta.properties": bytes, "d/t-0/partition.metadata": bytes, "d/.kafka_cleanshutdown": bytes,
        "d/recovery-point-offset-checkpoint": bytes,
    ])
    if let identity = try? MetaProperties(reading: "d", files), (try? identity.write(to: "d", files)) != nil {
        precondition((try? MetaProperties(reading: "d", files)) == identity, "an identity reads as written")
    }
    guard let folder = try? LogFolder("d", files) else { return }
    _ = folder.previousBrokerEpoch
    _ = try? folder.readCheckpoints()
    if let id = try? folder.topicId(of: partition) {
        precondition((try? folder.createPartitions([partition], topicId: id)) != nil, "a partition can be made")
        precondition((try? folder.topicId(of: partition)) == id, "a topic id reads as written")
    }
}
