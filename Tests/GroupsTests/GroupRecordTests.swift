import Basics
import Bytes
import Groups
import Records
import Testing
import WireProtocol

@Suite struct GroupRecordTests {
    @Test func `an offset reads back as it was written`() throws {
        let key = OffsetCommitKey {
            $0.group = "g"
            $0.topic = "t"
            $0.partition = 3
        }
        for (expiry, id, version) in [(Int64(-1), Uuid.zero, 3), (9, .zero, 1), (-1, Uuid(high: 1, low: 2), 4)] {
            let value = OffsetCommitValue {
                $0.offset = 42
                $0.metadata = "m"
                $0.commitTimestamp = 7
                $0.expireTimestamp = expiry
                $0.topicId = id
            }
            let record = GroupRecord.offset(key, value)
            let plain = record.plain
            #expect(plain.value?.prefix(2) == [0, UInt8(version)])
            let read = try GroupRecord(
                key: ByteSlice(try #require(plain.key)), value: ByteSlice(try #require(plain.value)))
            #expect(read == record)
        }
    }

    @Test func `a record of another coordinator is kept as it is`() throws {
        let record = try GroupRecord(key: ByteSlice([0, 11, 0, 1, 103]), value: nil)
        #expect(record == .other(PlainRecord(key: [0, 11, 0, 1, 103], value: nil)))
    }
}
