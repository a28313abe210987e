// Metadata records in batches of the log, and the control records of the quorum (KIP-595, KIP-630, KIP-853).
//
//     control record key:  version int16 (0) | type int16
//                          2 leader change, 3 snapshot header, 4 snapshot footer, 5 kraft version, 6 voters

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Records
internal import WireProtocol

/// The types of control records that concern the quorum.
enum ControlType: Int16 {
    case leaderChange = 2
    case snapshotHeader = 3
    case snapshotFooter = 4
    case kraftVersion = 5
    case voters = 6

    func record(_ message: some Message) -> PlainRecord {
        var key = ByteWriter(capacity: 4)
        key.writeInteger(Int16(0))
        key.writeInteger(rawValue)
        return PlainRecord(key: key.finishSlice().array, value: message.encoded(version: 0).array)
    }

    init?(key: [UInt8]?) {
        guard let key, key.count >= 4 else { return nil }
        self.init(rawValue: ByteSlice(key).load(Int16.self, at: 2))
    }
}

extension VersionedRecord {
    var plain: PlainRecord { PlainRecord(key: nil, value: record.encoded(version: version).array) }
}
