// How fast compaction is: fills a log with keyed records, cleans it once, and prints the speed.
//
//     compaction-bench [folder] [megabytes] [codec]
//
// Records have 1,000 bytes and stand in batches of 64; each key comes twice, so that half of the records go.

import Basics
import Bytes
import Environment
import Log
import Reactor
import Records

let arguments = CommandLine.arguments
let folder = (arguments.count > 1 ? arguments[1] : "/tmp") + "/compaction-bench"
let megabytes = arguments.count > 2 ? Int(arguments[2]) ?? 1024 : 1024
let codecs: [String: CompressionType] = ["gzip": .gzip, "snappy": .snappy, "lz4": .lz4, "zstd": .zstd]
let codec = arguments.count > 3 ? codecs[arguments[3]] ?? .none : .none
let recordsPerBatch = 64

/// A log of `megabytes`, each key twice, in a random order.
func filled(_ fileSystem: RealFileSystem) throws -> PartitionLog {
    var configuration = LogConfiguration()
    configuration.isCompacted = true
    configuration.segmentBytes = 128 << 20
    var loader = LogLoader(
        partition: TopicPartition("bench", 0), directory: folder, fileSystem: fileSystem,
        configuration: configuration, isClean: true, recoveryPoint: .zero)
    let log = try loader.load()
    var random = SeededRandom(seed: 1)
    let count = megabytes * 1000 / recordsPerBatch * recordsPerBatch
    let keys = (0..<count).map { $0 / 2 }.shuffled(using: &random)
    let value = ByteSlice((0..<960).map { _ in UInt8.random(in: 97...122, using: &random) })
    for start in stride(from: 0, to: count, by: recordsPerBatch) {
        var builder = RecordBatchBuilder(capacity: 70_000)
        for index in start..<start + recordsPerBatch {
            builder.append(
                timestamp: Timestamp(milliseconds: Int64(index)), key: ByteSlice(Array("user-\(keys[index])".utf8)),
                value: value)
        }
        guard let batch = RecordBatch(try builder.finish(codec)) else { continue }
        var plan = log.plan([batch], epoch: LeaderEpoch(0), at: Instant(nanoseconds: 0))
        try log.write(&plan)
        log.publish(plan)
    }
    try log.rollActive()
    try log.sync()
    return log
}

let fileSystem = RealFileSystem()
try fileSystem.createDirectory(folder)
for entry in try fileSystem.entries(folder) { try fileSystem.remove(folder + "/" + entry.name) }
let log = try filled(fileSystem)
let before = log.size
let now = Timestamp(milliseconds: Int64(megabytes) * 2000)
let clock = ContinuousClock()
let begin = clock.now
let range = try log.cleanableRange(stable: log.endOffset, now: now)
let run = try CompactionRun(
    log, range, CompactionRun.Table(bytes: 128 << 20, loadFactor: 0.9, seed: (1, 2)), now: now)
while try run.step().cleaned == nil {}
let elapsed = begin.duration(to: clock.now)
let seconds = Double(elapsed.wholeNanoseconds) / 1e9
let speed = Int(Double(before) / seconds / 1e6)
print("\(before / 1_000_000) MB cleaned to \(log.size / 1_000_000) MB in \(seconds) s: \(speed) MB/s on one thread")
for entry in try fileSystem.entries(folder) { try fileSystem.remove(folder + "/" + entry.name) }
