// The files that tell of producers: .snapshot, and .txnindex with the transactions that were taken back.

import Basics
import Bytes
import Log

extension SegmentDump {
    mutating func dumpTransactions() throws {
        let bytes = try content()
        if !json { try output.write("Dumping \(path)\n") }
        do {
            for entry in try TransactionIndex.decode(bytes) {
                try write([
                    ("version", .int(0)), ("producerId", .int(entry.producerId)),
                    ("firstOffset", .int(entry.firstOffset.rawValue)), ("lastOffset", .int(entry.lastOffset.rawValue)),
                    ("lastStableOffset", .int(entry.lastStableOffset.rawValue)),
                ])
            }
        } catch let error as DecodeError {
            try fault("\(error)")
        }
    }

    mutating func dumpProducers() throws {
        let bytes = try content()
        if !json { try output.write("Dumping \(path)\n") }
        do {
            for (id, producer) in try ProducerSnapshot.decode(bytes).producers.sorted(by: { $0.key < $1.key }) {
                try show(id, producer)
            }
        } catch let error as DecodeError {
            try fault("\(error)")
        }
    }

    private func show(_ id: Int64, _ producer: ProducerStates.Producer) throws {
        let start = producer.transactionStart
        var fields: [(String, Json)] = [
            ("producerId", .int(id)), ("producerEpoch", .int(producer.epoch)),
            ("coordinatorEpoch", .int(producer.coordinatorEpoch)),
            ("currentTxnFirstOffset", optional(start == .none ? nil : start.rawValue)),
            ("lastTimestamp", .int(producer.lastTimestamp.milliseconds)),
        ]
        if let last = producer.batches.last {
            fields += [
                ("firstSequence", .int(last.firstSequence)), ("lastSequence", .int(last.lastSequence)),
                ("lastOffset", .int(last.lastOffset.rawValue)), ("offsetDelta", .int(last.offsetDelta)),
                ("timestamp", .int(last.timestamp.milliseconds)),
            ]
        }
        try write(fields)
    }
}
