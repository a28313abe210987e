// What a fetch brought of one partition, and the walk over its records.
//
// Batches stay as they came until they are walked over, which any one thread may do: decompression is not the loop's
// work. The walk leaves out what the consumer did not ask for: control batches, records below the wanted offset (a
// batch is given whole, KIP-74), and records of aborted transactions when only committed ones are wanted (KIP-98).

package import Basics
package import Bytes
package import Records

/// Batches of one partition, from a wanted offset on.
package struct FetchedRecords: Sendable {
    package var partition: TopicPartition
    /// Records below it are not given.
    package var from: Offset
    /// The first offset after these batches.
    package var next: Offset
    package var highWatermark: Offset
    /// The end for readers of committed records, -1 if not told.
    package var lastStableOffset: Offset
    package var logStartOffset: Offset
    /// Whole batches, one after the other.
    package var batches: ByteSlice
    /// Producers and the first offsets of their aborted transactions; empty when all records are wanted.
    package var aborted: [AbortedRange]

    package struct AbortedRange: Hashable, Sendable {
        package var producerId: Int64
        package var firstOffset: Offset
    }
}

/// Why the records of a fetch cannot be read.
package struct FetchedRecordsError: Error, Hashable, Sendable, CustomStringConvertible {
    package var partition: TopicPartition
    package var offset: Offset
    package var reason: String

    package var description: String { "\(partition) at offset \(offset): \(reason)" }
}

/// Walks over the records of a fetch.
package struct RecordWalk {
    /// Bytes that one compressed batch may become.
    package static let expansionLimit = 1 << 30

    private let fetched: FetchedRecords
    private var batches: RecordBatchSequence
    private var reader: RecordReader?
    private var current = Offset.none
    private var pendingAborts: [FetchedRecords.AbortedRange]
    private var abortedProducers: Set<Int64> = []

    package init(_ fetched: FetchedRecords) {
        self.fetched = fetched
        batches = RecordBatchSequence(fetched.batches)
        pendingAborts = fetched.aborted.sorted { $0.firstOffset < $1.firstOffset }
    }

    /// The next record, nil behind the last. Throws for a batch whose checksum or records are wrong.
    package mutating func next() throws(FetchedRecordsError) -> Record? {
        while true {
            do throws(RecordError) {
                while let record = try reader?.next() {
                    if record.offset >= fetched.from { return record }
                }
            } catch {
                throw failure("\(error)")
            }
            guard try openNextBatch() else { return nil }
        }
    }

    private func failure(_ reason: String) -> FetchedRecordsError {
        FetchedRecordsError(partition: fetched.partition, offset: current, reason: reason)
    }

    private mutating func openNextBatch() throws(FetchedRecordsError) -> Bool {
        while let batch = batches.next() {
            let header = batch.header
            current = header.baseOffset
            guard header.magic == BatchHeader.currentMagic else { throw failure("format \(header.magic) is not known") }
            guard batch.hasValidChecksum else { throw failure("the checksum does not match") }
            noteTransactions(batch)
            if header.isControl || header.lastOffset < fetched.from { continue }
            if header.isTransactional, abortedProducers.contains(header.producerId) { continue }
            do throws(RecordError) {
                reader = try RecordReader(batch, expansionLimit: RecordWalk.expansionLimit)
            } catch {
                throw failure("\(error)")
            }
            return true
        }
        reader = nil
        return false
    }

    /// Aborted transactions begin at the offsets that the broker told, and end with their marker.
    private mutating func noteTransactions(_ batch: RecordBatch) {
        while let first = pendingAborts.first, first.firstOffset <= batch.header.lastOffset {
            abortedProducers.insert(first.producerId)
            pendingAborts.removeFirst()
        }
        if batch.header.isControl, batch.isAbortMarker { abortedProducers.remove(batch.header.producerId) }
    }
}

extension RecordBatch {
    /// Whether a control batch says that a transaction was aborted: its key is version int16, type int16, and 0 is abort.
    fileprivate var isAbortMarker: Bool {
        guard var reader = try? RecordReader(self, expansionLimit: 1 << 16), let record = try? reader.next(),
            let key = record.key, key.count >= 4
        else { return false }
        return key.load(Int16.self, at: 2) == 0
    }
}
