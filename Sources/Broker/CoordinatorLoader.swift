// Reads a coordinator's partition from the beginning to its end, piece by piece, on the pool: each piece is replayed in
// the loop before the next one is read, so that loading takes little memory and holds up nobody.
//
// Control batches end transactions; records of transactions are given with the id of their producer. A record that
// cannot be understood is passed over and told of, since all others would be lost with it; a damaged batch ends the
// loading with an error.

internal import Basics
internal import Bytes
internal import Coordination
internal import Environment
internal import Log
internal import Records

/// What the log says to a coordinator.
enum LoadedRecord<Record: CoordinatorRecord>: Sendable {
    case record(Record, transaction: Int64?)
    case end(transaction: Int64, isCommitted: Bool)
}

/// A place in a log, and what is ahead of it.
struct CoordinatorLoader<Record: CoordinatorRecord>: Sendable {
    /// Bytes of batches that make a piece, about.
    private static var pieceBytes: Int { 512 << 10 }
    /// What one batch may become when it is decompressed.
    private static var expansionMax: Int { 64 << 20 }

    private let log: PartitionLog
    private let topic: String
    private let view: PartitionLog.Published
    private var segment = 0
    private var position = 0
    private var nextOffset: Offset
    /// Where the log ended when the loading began; nobody else appends.
    let end: Offset

    init(_ log: PartitionLog, topic: String) {
        self.log = log
        self.topic = topic
        view = log.view
        end = view.end
        nextOffset = view.segments[0].base
    }

    var isAtEnd: Bool { segment >= view.segments.count }

    /// The next piece. May block.
    mutating func next(_ logger: Logger) throws(StorageError) -> [LoadedRecord<Record>] {
        var piece: [LoadedRecord<Record>] = []
        var bytes = 0
        while bytes < CoordinatorLoader.pieceBytes, !isAtEnd {
            let file = try view.segments[segment].file()
            var scanner = SegmentScanner(file, from: position, offset: nextOffset, fileSize: view.size(of: segment))
            while bytes < CoordinatorLoader.pieceBytes, let batch = try scanner.next() {
                bytes += batch.bytes.count
                nextOffset = batch.header.nextOffset
                try take(batch, &piece, logger)
            }
            position = scanner.position
            if let fault = scanner.fault {
                throw .corrupt(path: file.path, position: scanner.position, reason: fault.description)
            }
            if position >= view.size(of: segment) {
                segment += 1
                position = 0
            }
        }
        return piece
    }

    private func take(
        _ batch: RecordBatch, _ piece: inout [LoadedRecord<Record>], _ logger: Logger
    ) throws(StorageError) {
        let header = batch.header
        if header.isControl {
            guard let marker = TransactionMarker(batch) else { return }
            return piece.append(.end(transaction: header.producerId, isCommitted: marker.isCommit))
        }
        let producerId = header.isTransactional ? header.producerId : nil
        do {
            var reader = try RecordReader(batch, expansionLimit: CoordinatorLoader.expansionMax)
            while let record = try reader.next() {
                guard let key = record.key else {
                    tell("a record has no key", record.offset, logger)
                    continue
                }
                decode(key, record.value, record.offset, logger).map { piece.append(.record($0, transaction: producerId)) }
            }
        } catch {
            throw .malformed(path: log.directory, reason: "the batch at \(header.baseOffset): \(error)")
        }
    }

    private func decode(_ key: ByteSlice, _ value: ByteSlice?, _ offset: Offset, _ logger: Logger) -> Record? {
        do throws(DecodeError) {
            return try Record(key: key, value: value)
        } catch {
            tell(error.description, offset, logger)
            return nil
        }
    }

    private func tell(_ reason: String, _ offset: Offset, _ logger: Logger) {
        logger.error(
            "coordinator", "passes over a record",
            [("partition", "\(log.partition)"), ("offset", "\(offset)"), ("reason", reason)])
    }
}
