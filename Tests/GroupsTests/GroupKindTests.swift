// Groups of both kinds in one coordinator: what becomes of a group, and what its members and offsets see of it.

import Basics
import Coordination
import Groups
import Testing
import WireProtocol

extension House {
    /// A heartbeat of the new protocol; epoch 0 joins.
    fileprivate func beat(_ member: String, _ epoch: Int32, group: String = "g") -> ConsumerGroupHeartbeatResponse? {
        let request = ConsumerGroupHeartbeatRequest {
            $0.groupId = group
            $0.memberId = member
            $0.memberEpoch = epoch
            if epoch == 0 {
                $0.rebalanceTimeoutMs = 10_000
                $0.subscribedTopicNames = ["t"]
                $0.topicPartitions = []
            }
        }
        let token = token()
        take(core.consumerGroupHeartbeat(request, client(1), token, moment))
        guard case .consumerGroupHeartbeat(let response) = replies[token.number] else { return nil }
        return response
    }

    fileprivate func listed() -> [String] {
        let token = token()
        take(core.listGroups(ListGroupsRequest(), token, moment))
        guard case .listGroups(let response) = replies[token.number] else { return [] }
        return response.groups.map { "\($0.groupId) \($0.groupType) \($0.groupState)" }
    }

    fileprivate func delete(_ group: String = "g") -> ErrorCode {
        let token = token()
        take(core.deleteGroup(group, token, moment))
        guard case .deleteGroup(let result) = replies[token.number] else { return House.unanswered }
        return result.errorCode
    }
}

@Suite struct GroupKindTests {
    @Test func `a member of the new protocol makes a group, which is read back`() throws {
        let house = House()
        #expect(house.beat("m", 0)?.memberEpoch == 2)
        #expect(house.listed() == ["g consumer Stable"])
        #expect(house.describe()?.errorMessage == "Group g is not a classic group.")
        #expect(house.commit(5, member: "m", generation: 2) == .none)
        let other = house.reloaded()
        #expect(other.listed() == house.listed() && other.fetch() == "5" && other.beat("m", 2)?.errorCode == ErrorCode.none)
        other.pass(.seconds(46))
        #expect(other.listed() == ["g consumer Empty"])
    }

    @Test func `one who names a member and no epoch commits nothing for it`() throws {
        let house = House()
        #expect(house.beat("m", 0)?.memberEpoch == 2)
        #expect(house.commit(5, member: "m", generation: 2) == .none)
        for epoch in [Int32(-1), -2, .min, 0] {
            // What the member has, and what it has not.
            #expect(house.commit(1, member: "m", generation: epoch) == .staleMemberEpoch)
            #expect(house.commit(1, topic: "u", member: "m", generation: epoch) == .staleMemberEpoch)
        }
        #expect(house.fetch() == "5")
    }

    @Test func `what is refused leaves no group behind`() throws {
        let house = House()
        #expect(house.beat("m", 3)?.errorCode == .groupIdNotFound)
        #expect(house.beat("", 0)?.errorCode == .invalidRequest)
        #expect(house.listed() == [] && house.log.isEmpty)
    }

    @Test func `offsets of a consumer group are its members' business`() throws {
        let house = House()
        _ = house.beat("m", 0)
        #expect(house.commit(5) == .unknownMemberId)
        #expect(house.commit(5, member: "m", generation: 7) == .staleMemberEpoch)
        #expect(house.commit(5, member: "m", generation: 2, version: 8) == .unsupportedVersion)
        #expect(house.commit(5, member: "m", generation: 2) == .none)
        #expect(house.deleteOffset("t")?.part == .groupSubscribedToTopic && house.delete() == .nonEmptyGroup)
        #expect(house.beat("m", -1)?.errorCode == ErrorCode.none)
        #expect(house.fetch() == "5" && house.commit(6) == .none)
        #expect(house.delete() == .none && house.listed() == [] && house.fetch() == "-1")
        #expect(house.reloaded().listed() == [])
    }

    @Test func `an empty group becomes one of the kind that joins, and keeps its offsets`() throws {
        let house = House()
        #expect(house.commit(5) == .none)
        #expect(house.beat("m", 0)?.errorCode == ErrorCode.none)
        #expect(house.listed() == ["g consumer Stable"] && house.fetch() == "5")
        #expect(house.beat("m", -1)?.errorCode == ErrorCode.none)
        let one = house.stable()
        #expect(house.listed() == ["g classic Stable"] && house.fetch() == "5")
        let other = house.reloaded()
        #expect(other.listed() == ["g classic Stable"] && other.fetch() == "5" && other.heartbeat(one, 1) == .none)
    }

    @Test func `a group with members changes its kind, and who waits is told to join anew`() throws {
        let house = House()
        let one = house.stable()
        _ = house.sync(one, 1, [one: "all"])
        let waiting = house.joinWithId()
        let upgraded = house.beat("m", 0)
        // The assignment of the classic member is no consumer's.
        #expect(upgraded?.errorCode == .groupIdNotFound)
        #expect(house.joined(waiting.number) == nil && house.listed() == ["g classic PreparingRebalance"])
    }

    @Test func `offsets of an empty consumer group go with their age, and the group with them`() throws {
        let house = House {
            $0.offsetsRetention = .seconds(3600)
            $0.offsetsRetentionCheckInterval = .seconds(600)
        }
        _ = house.beat("m", 0)
        #expect(house.commit(5, member: "m", generation: 2) == .none)
        house.pass(.seconds(1800))
        #expect(house.listed() == ["g consumer Empty"])
        house.pass(.seconds(3600))
        #expect(house.listed() == [])
    }
}
