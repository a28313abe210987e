// The .snapshot file: the producers of a partition as they were before the offset in its name.
//
//     version int16 (1) | CRC-32C uint32 of all that follows | count int32 | entries
//
//     entry:  producer id int64 | epoch int16 | last sequence int32 | last offset int64 | offset delta int32
//             | timestamp int64 | coordinator epoch int32 | first offset of the open transaction int64
//
// Only the newest batch of a producer is kept. A file that is cut short or whose sum is wrong is ignored and the state
// built anew from the log.

package import Basics
package import Bytes
package import Environment

package enum ProducerSnapshot {
    static let version: Int16 = 1

    package static func encode(_ states: ProducerStates) -> ByteSlice {
        var body = ByteWriter(capacity: 4 + 46 * states.producers.count)
        body.writeInteger(Int32(states.producers.count))
        for (id, producer) in states.producers.sorted(by: { $0.key < $1.key }) {
            let last = producer.batches.last
            body.writeInteger(id)
            body.writeInteger(producer.epoch)
            body.writeInteger(last?.lastSequence ?? -1)
            body.writeInteger(last?.lastOffset.rawValue ?? -1)
            body.writeInteger(last?.offsetDelta ?? 0)
            body.writeInteger(producer.lastTimestamp.milliseconds)
            body.writeInteger(producer.coordinatorEpoch)
            body.writeInteger(producer.transactionStart.rawValue)
        }
        let content = body.finishSlice()
        var writer = ByteWriter(capacity: 6 + content.count)
        writer.writeInteger(version)
        writer.writeInteger(content.crc32c())
        writer.write(content)
        return writer.finishSlice()
    }

    package static func decode(_ bytes: ByteSlice) throws(DecodeError) -> ProducerStates {
        var reader = ByteReader(bytes)
        let version = try reader.readInteger(Int16.self, "version")
        guard version == ProducerSnapshot.version else { throw reader.failure(.unsupportedVersion(version), "version") }
        let crc = try reader.readInteger(UInt32.self, "crc")
        guard bytes.dropFirst(6).crc32c() == crc else { throw reader.failure(.invalidValue("checksum"), "crc") }
        let count = try reader.readInteger(Int32.self, "count")
        guard count >= 0, Int(count) * 46 <= reader.remaining else {
            throw reader.failure(.lengthTooLarge(Int(count)), "count")
        }
        var producers: [Int64: ProducerStates.Producer] = [:]
        for _ in 0..<count {
            let id = try reader.readInteger(Int64.self, "producerId")
            producers[id] = try producer(&reader)
        }
        return ProducerStates(producers)
    }

    private static func producer(_ reader: inout ByteReader) throws(DecodeError) -> ProducerStates.Producer {
        var producer = ProducerStates.Producer(epoch: try reader.readInteger(Int16.self, "epoch"))
        let lastSequence = try reader.readInteger(Int32.self, "lastSequence")
        let lastOffset = Offset(try reader.readInteger(Int64.self, "lastOffset"))
        let delta = try reader.readInteger(Int32.self, "offsetDelta")
        producer.lastTimestamp = Timestamp(milliseconds: try reader.readInteger(Int64.self, "timestamp"))
        producer.coordinatorEpoch = try reader.readInteger(Int32.self, "coordinatorEpoch")
        producer.transactionStart = Offset(try reader.readInteger(Int64.self, "transactionStart"))
        if lastOffset >= .zero {
            let first = lastSequence < 0 ? -1 : Int32((Int64(lastSequence) - Int64(delta)) & 0x7fff_ffff)
            producer.batches = [
                ProducerStates.Batch(
                    firstSequence: first, lastSequence: lastSequence, lastOffset: lastOffset, offsetDelta: delta,
                    timestamp: producer.lastTimestamp)
            ]
        }
        return producer
    }

    /// Writes the snapshot of `states` at `offset`, durably: below a recovery point it is believed.
    package static func write(
        _ states: ProducerStates, at offset: Offset, to directory: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        try storage { () throws(FileError) in
            let path = directory + "/" + SegmentFiles.name(offset, .producerSnapshot)
            let file = try fileSystem.open(path, .replace)
            try file.write([encode(states)], at: 0)
            try file.sync()
        }
    }
}
