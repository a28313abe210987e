// What batches of the metadata log and of its snapshots say, taken in order: the image, the voters, the level of kraft.version.
// Used at start, after a cut, and by those who only look at a folder.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

struct MetadataReplay: Sendable {
    private(set) var image: ClusterImage
    /// The voters that the configuration or the snapshot names, and those of the log.
    private(set) var voters: VoterHistory
    private(set) var kraftVersion: Int16 = 0
    /// Named by errors.
    private let directory: String

    init(_ image: ClusterImage, voters: VoterHistory, directory: String) {
        self.image = image
        self.voters = voters
        self.directory = directory
    }

    /// Takes a batch of the log.
    mutating func take(_ batch: RecordBatch) throws(StorageError) {
        for (offset, record) in try decode(batch) {
            if batch.header.isControl {
                try control(record, at: offset)
                image.skip(to: offset + 1)
            } else if let value = record.value {
                image.replay(try metadata(value), at: offset)
            }
        }
    }

    /// Takes a snapshot of all below `end`; offsets inside of it are its own. What formatting wrote, the snapshot of nothing, is
    /// answered and not replayed: the first leader writes it to the log.
    mutating func take(_ snapshot: [RecordBatch], endingAt end: Offset) throws(StorageError) -> [VersionedRecord] {
        var formatted: [VersionedRecord] = []
        for batch in snapshot {
            for (_, record) in try decode(batch) {
                if batch.header.isControl {
                    try control(record, at: nil)
                } else if let value = record.value, end == .zero {
                    formatted.append(
                        VersionedRecord(try metadata(value), MetadataRecord.version(of: ByteSlice(value)) ?? 0))
                } else if let value = record.value {
                    image.replay(try metadata(value), at: .none)
                }
            }
        }
        image.skip(to: end)
        return formatted
    }

    /// `offset`: where the record stands in the log; nil in a snapshot.
    private mutating func control(_ record: PlainRecord, at offset: Offset?) throws(StorageError) {
        guard let value = record.value else { return }
        do {
            switch ControlType(key: record.key) {
            case .voters:
                let found = VoterSet(try VotersRecord(decoding: ByteSlice(value), version: 0))
                if let offset { voters.append(found, at: offset) } else { voters = VoterHistory(found) }
            case .kraftVersion:
                kraftVersion = try KRaftVersionRecord(decoding: ByteSlice(value), version: 0).kRaftVersion
            case .leaderChange, .snapshotHeader, .snapshotFooter, nil: break
            }
        } catch {
            throw malformed(error)
        }
    }

    private func decode(_ batch: RecordBatch) throws(StorageError) -> [(offset: Offset, record: PlainRecord)] {
        do {
            return try batch.plainRecords()
        } catch {
            throw .malformed(path: directory, reason: "a batch at \(batch.header.baseOffset): \(error)")
        }
    }

    private func metadata(_ value: [UInt8]) throws(StorageError) -> MetadataRecord {
        do {
            return try MetadataRecord(decoding: ByteSlice(value))
        } catch {
            throw malformed(error)
        }
    }

    private func malformed(_ error: DecodeError) -> StorageError { .malformed(path: directory, reason: error.description) }
}
