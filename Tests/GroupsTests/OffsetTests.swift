import Basics
import Coordination
import Groups
import Testing
import WireProtocol

@Suite struct OffsetTests {
    private static let hour: Duration = .seconds(3600)

    // MARK: Commit and fetch

    @Test func `who is no member commits to a group without members only`() throws {
        let house = House()
        #expect(house.commit(5) == .none)
        #expect(house.fetch() == "5" && house.fetch("t", 1) == "-1" && house.fetch(group: "none") == "-1")
        let one = house.stable()
        #expect(house.commit(6) == .unknownMemberId)
        #expect(house.commit(6, member: one, generation: 1) == .none)
        #expect(house.commit(7, member: one, generation: 0) == .illegalGeneration)
        #expect(house.fetch() == "6")
    }

    @Test func `nothing is committed while assignments are under way`() throws {
        let house = House()
        let one = try #require(house.joined(house.join(version: 3))?.memberId)
        #expect(house.commit(1, member: one, generation: 1) == .rebalanceInProgress)
        _ = house.sync(one, 1, [one: "all"])
        #expect(house.commit(1, member: one, generation: 1) == .none)
    }

    @Test func `a group that is not there is told as such to new clients`() throws {
        let house = House()
        #expect(house.commit(1, member: "m", generation: 3) == .groupIdNotFound)
        #expect(house.commit(1, member: "m", generation: 3, version: 8) == .illegalGeneration)
        #expect(house.log.isEmpty)
    }

    @Test func `texts and commits have a limit`() throws {
        let house = House {
            $0.offsetMetadataBytesMax = 4
            $0.recordBytesMax = 300
        }
        #expect(house.commit(1, metadata: "äöüß") == .none)
        #expect(house.commit(1, metadata: "äöüßx") == .offsetMetadataTooLarge)
        #expect(house.commit(1, group: String(repeating: "g", count: 200)) == .invalidCommitOffsetSize)
    }

    @Test func `an offset is written with the id of its topic, and with the time of an old client`() throws {
        let house = House()
        #expect(house.commit(1, retention: 500, version: 4) == .none)
        guard case .offset(let key, let value?) = house.log.last else { throw Unexpected() }
        #expect(key.topic == "t" && value.topicId == Uuid(high: 1, low: 1))
        #expect(value.expireTimestamp == value.commitTimestamp + 500)
    }

    @Test func `a time beyond all clocks is the last there is`() throws {
        let house = House()
        #expect(house.commit(1, retention: .max, version: 4) == .none)
        guard case .offset(_, let value?) = house.log.last else { throw Unexpected() }
        #expect(value.expireTimestamp == .max)
    }

    @Test func `offsets are deleted unless the group reads the topic`() throws {
        let house = House()
        let one = house.stable(topics: ["t"])
        #expect(house.commit(1, member: one, generation: 1) == .none)
        #expect(house.commit(2, topic: "u", member: one, generation: 1) == .none)
        #expect(house.deleteOffset("t")?.part == .groupSubscribedToTopic)
        #expect(house.deleteOffset("u")?.part == ErrorCode.none)
        #expect(house.fetch("t") == "1" && house.fetch("u") == "-1")
        #expect(house.deleteOffset("t", group: "none")?.whole == .groupIdNotFound)
        #expect(house.deleteOffset("t", group: "")?.whole == .invalidGroupId)
    }

    @Test func `offsets of a deleted topic go, also if another has taken its name`() throws {
        let house = House()
        #expect(house.commit(1) == .none)
        #expect(house.commit(2, topic: "u") == .none)
        house.take(house.core.take(House.image(["u", "t"]), house.moment))
        #expect(house.fetch("t") == "-1" && house.fetch("u") == "-1")
        #expect(house.log.suffix(2).allSatisfy { if case .offset(_, nil) = $0 { true } else { false } })
    }

    // MARK: Transactions

    private static func transactional(_ offset: Int64, topic: String = "t") -> GroupRecord {
        let key = OffsetCommitKey {
            $0.group = "g"
            $0.topic = topic
        }
        return .offset(key, OffsetCommitValue { $0.offset = offset })
    }

    @Test func `an offset of a transaction counts when it is committed`() throws {
        let house = House()
        house.core.replay(Self.transactional(5), ofTransaction: 7, house.moment)
        #expect(house.fetch() == "-1" && house.fetch(stable: true) == "UNSTABLE_OFFSET_COMMIT")
        house.core.endTransaction(of: 7, isCommitted: true, house.moment)
        #expect(house.fetch(stable: true) == "5")
    }

    @Test func `an offset of a transaction that is aborted never counts`() throws {
        let house = House()
        #expect(house.commit(3) == .none)
        house.core.replay(Self.transactional(5), ofTransaction: 7, house.moment)
        house.core.endTransaction(of: 7, isCommitted: false, house.moment)
        #expect(house.fetch(stable: true) == "3")
    }

    @Test func `a later commit beats an earlier transaction that ends after it`() throws {
        let house = House()
        house.core.replay(Self.transactional(5), ofTransaction: 7, house.moment)
        #expect(house.commit(9) == .none)
        house.core.endTransaction(of: 7, isCommitted: true, house.moment)
        #expect(house.fetch() == "9")
        house.core.replay(Self.transactional(11), ofTransaction: 8, house.moment)
        house.core.endTransaction(of: 8, isCommitted: true, house.moment)
        #expect(house.fetch() == "11")
    }

    @Test func `a deleted group takes the offsets of open transactions with it`() throws {
        let house = House()
        house.core.replay(Self.transactional(5), ofTransaction: 7, house.moment)
        let token = house.token()
        house.take(house.core.deleteGroup("g", token, house.moment))
        house.core.endTransaction(of: 7, isCommitted: true, house.moment)
        #expect(house.fetch() == "-1" && house.describe()?.errorCode == .groupIdNotFound)
    }

    // MARK: Expiry

    private static func expiring(_ hours: Int64 = 2) -> House {
        House {
            $0.offsetsRetention = .seconds(hours * 3600)
            $0.offsetsRetentionCheckInterval = .seconds(600)
        }
    }

    @Test func `offsets without a group go at their own age`() throws {
        let house = Self.expiring()
        #expect(house.commit(1) == .none)
        house.pass(Self.hour)
        #expect(house.commit(2, topic: "u") == .none)
        house.pass(Self.hour + .seconds(600))
        #expect(house.fetch("t") == "-1" && house.fetch("u") == "2")
        house.pass(Self.hour)
        #expect(house.describe()?.errorCode == .groupIdNotFound)
        #expect(house.reloaded().core.nextDeadline != nil && house.reloaded().state == "Dead")
    }

    @Test func `offsets of an empty group go when it has been empty for so long`() throws {
        let house = Self.expiring()
        let one = house.stable()
        #expect(house.commit(1, member: one, generation: 1) == .none)
        for _ in 0..<(4 * 3600 / 8) {
            house.pass(.seconds(8))
            _ = house.heartbeat(one, 1)
        }
        #expect(house.fetch() == "1")
        #expect(house.leave((one, nil)) == [.none])
        house.pass(Self.hour)
        #expect(house.fetch() == "1")
        house.pass(Self.hour + .seconds(600))
        #expect(house.fetch() == "-1")
        #expect(house.describe()?.errorCode == .groupIdNotFound)
    }

    @Test func `a living group loses the offsets of topics that it does not read any more`() throws {
        let house = Self.expiring(1)
        let one = house.stable(topics: ["t"])
        #expect(house.commit(1, member: one, generation: 1) == .none)
        #expect(house.commit(2, topic: "u", member: one, generation: 1) == .none)
        for _ in 0..<(2 * 3600 / 8) {
            house.pass(.seconds(8))
            _ = house.heartbeat(one, 1)
        }
        #expect(house.fetch("t") == "1" && house.fetch("u") == "-1")
    }

    @Test func `an old client's own retention counts`() throws {
        let house = Self.expiring()
        #expect(house.commit(1, retention: 60_000, version: 2) == .none)
        house.pass(.seconds(700))
        #expect(house.fetch() == "-1")
    }

    @Test func `an offset that a transaction may change does not go`() throws {
        let house = Self.expiring()
        #expect(house.commit(1) == .none)
        house.core.replay(Self.transactional(5), ofTransaction: 7, house.moment)
        house.pass(Self.hour * 4)
        #expect(house.fetch() == "1" && house.state == "Empty")
    }
}
