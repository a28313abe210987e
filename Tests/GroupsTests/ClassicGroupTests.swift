import Basics
import Groups
import Testing
import WireProtocol

@Suite struct ClassicGroupTests {
    // MARK: Joining

    @Test func `a new member is given its id first, and joins with it`() throws {
        let house = House()
        let first = house.join()
        let refused = try #require(house.joined(first))
        #expect(refused.errorCode == .memberIdRequired && refused.memberId == "c-00000000-0000-0000-0000-000000000001")
        let joined = try #require(house.joined(house.join("g", refused.memberId)))
        #expect(joined.errorCode == .none && joined.generationId == 1 && joined.leader == refused.memberId)
        #expect(joined.members.map(\.memberId) == [refused.memberId] && joined.protocolName == "range")
    }

    @Test func `old clients and static members join at once`() throws {
        let house = House()
        #expect(house.joined(house.join(version: 3))?.errorCode == ErrorCode.none)
        let other = House()
        let joined = other.joined(other.join(instance: "i"))
        #expect(joined?.errorCode == ErrorCode.none && joined?.memberId.hasPrefix("i-") == true)
    }

    @Test func `the group is written as soon as it is there, and when it is empty again`() throws {
        let house = House()
        let (id, _) = house.joinWithId()
        guard case .classicGroup(_, let creation?) = house.log.first else { throw Unexpected() }
        #expect(creation.members.isEmpty && creation.generation == 0 && creation.protocolType.isEmpty)
        _ = house.sync(id, 1, [id: "all"])
        guard case .classicGroup(_, let stable?) = house.log.last else { throw Unexpected() }
        #expect(stable.generation == 1 && stable.leader == id && stable.members.map(\.assignment) == [bytes("all")])
        #expect(house.leave((id, nil)) == [.none])
        guard case .classicGroup(_, let empty?) = house.log.last else { throw Unexpected() }
        #expect(empty.generation == 2 && empty.members.isEmpty && empty.protocol == nil && empty.leader == nil)
        #expect(empty.protocolType == "consumer" && house.log.count == 3)
    }

    @Test func `a new group waits for more members as long as they come`() throws {
        let house = House { $0.initialRebalanceDelay = .seconds(3) }
        let one = house.joinWithId()
        house.pass(.seconds(2))
        let two = house.joinWithId()
        house.pass(.seconds(3))
        #expect(house.joined(one.number) == nil)
        house.pass(.seconds(1))
        #expect(house.joined(one.number)?.members.count == 2)
        #expect(house.joined(two.number)?.generationId == 1)
    }

    @Test func `refuses what does not fit the group`() throws {
        let house = House { $0.sizeMax = 1 }
        func code(_ number: UInt64) -> ErrorCode? { house.joined(number)?.errorCode }
        _ = house.stable()
        #expect(code(house.join("")) == .invalidGroupId)
        #expect(code(house.join(session: 5000)) == .invalidSessionTimeout)
        #expect(code(house.join(session: 1_800_001)) == .invalidSessionTimeout)
        #expect(code(house.join("g", "nobody")) == .groupMaxSizeReached)
        #expect(code(house.join("h", "nobody")) == .unknownMemberId)
        #expect(code(house.join("h", protocols: [])) == .inconsistentGroupProtocol)
        #expect(code(house.join("h", type: "")) == .inconsistentGroupProtocol)
        house.core.settings.sizeMax = 5
        #expect(code(house.join(protocols: ["sticky"])) == .inconsistentGroupProtocol)
        #expect(code(house.join(type: "connect")) == .inconsistentGroupProtocol)
    }

    @Test func `an id that nobody comes back with is forgotten after the session timeout`() throws {
        let house = House()
        let id = try #require(house.joined(house.join(session: 6000))?.memberId)
        house.pass(.seconds(7))
        #expect(house.joined(house.join("g", id))?.errorCode == .unknownMemberId)
    }

    @Test func `the protocol that most prefer of those that all know is taken`() throws {
        let house = House { $0.initialRebalanceDelay = .seconds(1) }
        let numbers = [["a", "b"], ["b", "a"], ["c", "b", "a"]].map { house.join(protocols: $0, version: 3) }
        house.pass(.seconds(30))
        #expect(numbers.map { house.joined($0)?.protocolName } == ["b", "b", "b"])
    }

    // MARK: Rebalance

    @Test func `members rejoin, and who does not come in time is left out`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        #expect(house.heartbeat(one, 1) == .rebalanceInProgress)
        #expect(house.joined(two.number) == nil)
        // It says that it lives, but does not join.
        for _ in 0..<4 {
            house.pass(.seconds(5))
            _ = house.heartbeat(one, 1)
        }
        let joined = try #require(house.joined(two.number))
        #expect(joined.generationId == 2 && joined.members.map(\.memberId) == [two.id])
        #expect(house.heartbeat(one, 1) == .unknownMemberId)
    }

    @Test func `an assignment is told when all of it is known, and to all`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        let again = house.join("g", one)
        #expect(house.joined(again)?.members.count == 2 && house.joined(two.number)?.members.isEmpty == true)
        let waiting = house.sync(two.id, 2)
        #expect(house.synced(waiting) == nil)
        let leading = house.sync(one, 2, [one: "left", two.id: "right", "nobody": "x"])
        #expect(house.synced(leading)?.assignment == bytes("left") && house.synced(waiting)?.assignment == bytes("right"))
        #expect(house.synced(house.sync(two.id, 2))?.assignment == bytes("right"))
        #expect(house.state == "Stable")
    }

    @Test func `who asks for no assignment is taken out`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        _ = house.join("g", one)
        #expect(house.joined(two.number)?.generationId == 2)
        _ = house.sync(one, 2, [one: "left"])
        for _ in 0..<3 {
            house.pass(.seconds(7))
            _ = house.heartbeat(one, 2)
            _ = house.heartbeat(two.id, 2)
        }
        #expect(house.heartbeat(one, 2) == .rebalanceInProgress)
        #expect(house.heartbeat(two.id, 2) == .unknownMemberId)
    }

    @Test func `a silent member goes after its session timeout, one that waits does not`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        house.pass(.seconds(11))
        #expect(house.joined(two.number)?.members.map(\.memberId) == [two.id])
        #expect(house.heartbeat(one, 1) == .unknownMemberId)
        house.pass(.seconds(11))
        #expect(house.heartbeat(two.id, 2) == .unknownMemberId && house.state == "Empty")
    }

    @Test func `a commit keeps its member alive`() throws {
        let house = House()
        let one = house.stable()
        for _ in 0..<5 {
            house.pass(.seconds(8))
            #expect(house.commit(1, member: one, generation: 1) == .none)
        }
        #expect(house.heartbeat(one, 1) == .none)
    }

    @Test func `a follower that asks again hears the same, a leader begins a rebalance`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        _ = house.join("g", one)
        _ = house.sync(one, 2, [:])
        _ = house.sync(two.id, 2)
        let follower = try #require(house.joined(house.join("g", two.id)))
        #expect(follower.generationId == 2 && follower.members.isEmpty && house.state == "Stable")
        let leader = house.join("g", one)
        #expect(house.joined(leader) == nil && house.state == "PreparingRebalance")
        #expect(house.joined(house.join("g", two.id))?.generationId == 3)
        #expect(house.joined(leader)?.generationId == 3)
    }

    @Test func `only members of the generation are listened to`() throws {
        let house = House()
        let one = house.stable()
        #expect(house.heartbeat("nobody", 1) == .unknownMemberId)
        #expect(house.heartbeat(one, 0) == .illegalGeneration)
        #expect(house.synced(house.sync(one, 9))?.errorCode == .illegalGeneration)
        #expect(house.synced(house.sync("nobody", 1))?.errorCode == .unknownMemberId)
        #expect(house.synced(house.sync(one, 1, group: "none"))?.errorCode == .unknownMemberId)
    }

    @Test func `several members leave at once, static ones by their instance`() throws {
        let house = House()
        let one = house.stable(instance: "i")
        #expect(house.leave(("nobody", nil), ("", "i"), ("", "j")) == [.unknownMemberId, .none, .unknownMemberId])
        #expect(house.state == "Empty" && house.heartbeat(one, 1) == .unknownMemberId)
    }

    @Test func `an assignment that the log would not take is refused, and the group goes on`() throws {
        let house = House { $0.recordBytesMax = 2000 }
        let one = try #require(house.joined(house.join(version: 3))?.memberId)
        let refused = house.sync(one, 1, [one: String(repeating: "x", count: 3000)])
        #expect(house.synced(refused)?.errorCode == .unknownServerError)
        #expect(house.joined(house.join("g", one))?.generationId == 2)
        #expect(house.synced(house.sync(one, 2, [one: "small"]))?.assignment == bytes("small"))
    }

    // MARK: Static members

    @Test func `a static member that comes back goes on with its assignment`() throws {
        let house = House()
        let old = house.stable(instance: "i")
        let records = house.log.count
        let back = try #require(house.joined(house.join(instance: "i")))
        #expect(back.errorCode == .none && back.generationId == 1 && back.memberId != old)
        #expect(back.leader == back.memberId && back.skipAssignment && back.members.count == 1)
        #expect(house.log.count == records + 1)
        #expect(house.synced(house.sync(back.memberId, 1))?.assignment == bytes("all"))
        #expect(house.heartbeat(old, 1, instance: "i") == .fencedInstanceId)
        #expect(house.commit(3, member: old, generation: 1) == .unknownMemberId)
    }

    @Test func `an old client that comes back as the static leader is not told to lead`() throws {
        let house = House()
        let old = house.stable(instance: "i")
        let back = try #require(house.joined(house.join(instance: "i", version: 8)))
        #expect(back.leader == old && back.members.isEmpty && !back.skipAssignment)
    }

    @Test func `who waits under the name of an instance is fenced by the next of that name`() throws {
        let house = House { $0.initialRebalanceDelay = .seconds(3) }
        let first = house.join(instance: "i")
        let second = house.join(instance: "i")
        #expect(house.joined(first)?.errorCode == .fencedInstanceId)
        house.pass(.seconds(30))
        #expect(house.joined(second)?.generationId == 1 && house.joined(second)?.members.count == 1)
    }

    @Test func `a static member is waited for until its session ends`() throws {
        let house = House()
        let one = house.join(instance: "i", session: 60_000)
        let id = try #require(house.joined(one)?.memberId)
        _ = house.sync(id, 1, [id: "all"])
        let two = house.joinWithId()
        house.pass(.seconds(20))
        // The rebalance is over; it is a member yet, with nothing to do.
        #expect(house.joined(two.number)?.generationId == 2)
        #expect(house.describe()?.members.count == 2)
    }

    // MARK: Failover

    @Test func `a group is read back with its members, and watched anew`() throws {
        let house = House()
        let one = house.stable()
        #expect(house.commit(5, member: one, generation: 1) == .none)
        let other = house.reloaded()
        #expect(other.describe() == house.describe())
        #expect(other.heartbeat(one, 1) == .none && other.fetch() == "5")
        other.pass(.seconds(11))
        #expect(other.state == "Empty")
    }

    @Test func `a group that became smaller by configuration is rebalanced when it is loaded`() throws {
        let house = House()
        let one = house.stable()
        let two = house.joinWithId()
        _ = house.join("g", one)
        _ = house.sync(one, 2, [:])
        _ = house.sync(two.id, 2)
        house.core.settings.sizeMax = 1
        #expect(house.reloaded().state == "PreparingRebalance")
    }
}

struct Unexpected: Error {}
