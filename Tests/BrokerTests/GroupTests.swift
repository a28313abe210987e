// Groups through the whole house: from the socket to `__consumer_offsets` and back, across restarts.

import Basics
import Broker
import Bytes
import Testing
import WireProtocol

@Suite struct GroupTests {
    private static let settings = [
        "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "3", "group.min.session.timeout.ms": "100",
    ]

    @Test func `the first question for a coordinator makes the topic that remembers groups`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            let found = try peer.findCoordinator("g")
            #expect(found.errorCode == .none && found.nodeId == 1 && found.port == Int32(broker.port))
            let metadata = try peer.call(
                MetadataRequest {
                    $0.topics = [MetadataRequest.MetadataRequestTopic { $0.name = "__consumer_offsets" }]
                }, version: 12)
            #expect(metadata.topics[0].partitions.count == 3 && metadata.topics[0].isInternal)
        }
    }

    @Test func `other coordinators are not there, and keys that are none are refused`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            func code(_ type: Int8, _ key: String) throws -> ErrorCode {
                let request = FindCoordinatorRequest {
                    $0.keyType = type
                    $0.coordinatorKeys = [key]
                }
                return try peer.call(request, version: 6).coordinators[0].errorCode
            }
            #expect(try code(1, "t") == .coordinatorNotAvailable)
            #expect(try code(2, "g:1TUiAkgjT2SwstVfLL_FYA:0") == .coordinatorNotAvailable)
            #expect(try code(2, "bad") == .invalidRequest)
            #expect(try code(9, "x") == .invalidRequest)
        }
    }

    @Test func `committed offsets are there after a crash`() throws {
        try withFolder { folder in
            let first = try TestBroker(folder: folder, Self.settings)
            let peer = try Peer(port: first.port)
            try peer.create("t", partitions: 2)
            for group in ["a", "b", "c", "d"] {
                try peer.findCoordinator(group)
                #expect(try peer.commit(group, "t", 7, metadata: group) == .none)
                #expect(try peer.commit(group, "t", 8, partition: 1) == .none)
            }
            #expect(try peer.commit("a", "t", 9) == .none)
            first.kill()
            let second = try TestBroker(folder: try TestBroker.copy(folder), Self.settings)
            let again = try Peer(port: second.port)
            for group in ["b", "c", "d"] {
                #expect(try again.committed(group) == ["t-0": "7 \(group)", "t-1": "8 "])
            }
            #expect(try again.committed("a") == ["t-0": "9 ", "t-1": "8 "])
            try second.stop()
        }
    }

    @Test func `refuses commits for what is not there, and texts that are too long`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            try peer.findCoordinator("g")
            #expect(try peer.commit("g", "nosuch", 1) == .unknownTopicOrPartition)
            #expect(try peer.commit("g", "t", 1, partition: 5) == .unknownTopicOrPartition)
            let long = String(repeating: "x", count: 4097)
            #expect(try peer.commit("g", "t", 1, metadata: long) == .offsetMetadataTooLarge)
            #expect(try peer.commit("g", "t", 1, generation: 3, member: "m") == .groupIdNotFound)
            #expect(try peer.commit("g", "t", 1, generation: 3, member: "m", version: 8) == .illegalGeneration)
            #expect(try peer.committed("g") == [:])
        }
    }

    @Test func `two members share a group, and one that falls silent is replaced`() throws {
        try withBroker(Self.settings) { broker in
            let one = try Peer(port: broker.port)
            let two = try Peer(port: broker.port)
            try one.create("t")
            try one.findCoordinator("g")
            let first = try one.joined("g")
            #expect(first.leader == first.memberId && first.members.count == 1)
            let own = try one.call(
                Peer.sync("g", first.memberId, first.generationId, [first.memberId: "all"]), version: 5)
            #expect(own.assignment == text("all"))
            #expect(try one.heartbeat("g", first.memberId, first.generationId) == .none)
            let id = try two.call(Peer.join("g"), version: 9).memberId
            two.send(Peer.join("g", id), version: 9)
            while try one.heartbeat("g", first.memberId, first.generationId) != .rebalanceInProgress {}
            // It never says another word.
            let short = Peer.join("g", first.memberId, sessionTimeout: 6000)
            let rejoined = try one.call(short, version: 9)
            let other = try two.answer(to: JoinGroupRequest.self, version: 9)
            #expect(rejoined.generationId == 2 && other.generationId == 2 && rejoined.members.count == 2)
            two.send(Peer.sync("g", id, 2), version: 5)
            let half = try one.call(
                Peer.sync("g", first.memberId, 2, [first.memberId: "left", id: "right"]), version: 5)
            #expect(half.assignment == text("left"))
            #expect(try two.answer(to: SyncGroupRequest.self, version: 5).assignment == text("right"))
            #expect(try one.commit("g", "t", 4, generation: 2, member: first.memberId) == .none)
            #expect(try one.commit("g", "t", 5, generation: 1, member: first.memberId) == .illegalGeneration)
            #expect(try one.leave("g", first.memberId) == .none)
            #expect(try two.heartbeat("g", id, 2) == .rebalanceInProgress)
            let alone = try two.call(Peer.join("g", id), version: 9)
            #expect(alone.generationId == 3 && alone.leader == id && alone.members.count == 1)
        }
    }

    @Test func `a member that is silent for its session is taken out`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.findCoordinator("g")
            let first = try peer.whenLoaded {
                let response = try peer.call(Peer.join("g", sessionTimeout: 300), version: 3)
                return (response, response.errorCode)
            }
            _ = try peer.call(Peer.sync("g", first.memberId, 1, [first.memberId: "all"]), version: 5)
            #expect(try peer.describeGroup("g").groupState == "Stable")
            while try peer.describeGroup("g").groupState != "Empty" {}
            #expect(try peer.heartbeat("g", first.memberId, 1) == .unknownMemberId)
        }
    }

    @Test func `a group survives the restart of its coordinator with its members`() throws {
        try withFolder { folder in
            let first = try TestBroker(folder: folder, Self.settings)
            let peer = try Peer(port: first.port)
            try peer.findCoordinator("g")
            let member = try peer.joined("g")
            _ = try peer.call(Peer.sync("g", member.memberId, 1, [member.memberId: "all"]), version: 5)
            first.kill()
            let second = try TestBroker(folder: try TestBroker.copy(folder), Self.settings)
            let again = try Peer(port: second.port)
            let described = try again.describeGroup("g")
            #expect(described.groupState == "Stable" && described.members.map(\.memberAssignment) == [text("all")])
            #expect(try again.heartbeat("g", member.memberId, 1) == .none)
            #expect(try again.leave("g", member.memberId) == .none)
            #expect(try again.describeGroup("g").groupState == "Empty")
            try second.stop()
        }
    }

    @Test func `a stopping broker does not wait for members that wait for others`() throws {
        try withFolder { folder in
            let broker = try TestBroker(folder: folder, Self.settings.merging(["group.initial.rebalance.delay.ms": "60000"]) { $1 })
            let peer = try Peer(port: broker.port)
            try peer.findCoordinator("g")
            let id = try peer.whenLoaded {
                let response = try peer.call(Peer.join("g"), version: 9)
                return (response.memberId, response.errorCode)
            }
            peer.send(Peer.join("g", id, rebalanceTimeout: 60000), version: 9)
            _ = try Peer(port: broker.port).describeGroup("g")
            try broker.stop()
            #expect(try peer.answer(to: JoinGroupRequest.self, version: 9).errorCode == .notCoordinator)
        }
    }

    @Test func `groups are listed by state and type, described and deleted`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            for group in ["one", "two", "three"] {
                try peer.findCoordinator(group)
                #expect(try peer.commit(group, "t", 1) == .none)
            }
            let member = try peer.joined("three")
            func listed(_ states: [String], _ types: [String]) throws -> [String] {
                let request = ListGroupsRequest {
                    $0.statesFilter = states
                    $0.typesFilter = types
                }
                return try peer.call(request, version: 5).groups.map(\.groupId)
            }
            #expect(try listed([], []) == ["one", "three", "two"])
            #expect(try listed(["empty"], ["Classic"]) == ["one", "two"])
            #expect(try listed(["CompletingRebalance"], []) == ["three"])
            #expect(try listed([], ["consumer"]) == [])
            let deletion = DeleteGroupsRequest { $0.groupsNames = ["one", "three", "nosuch"] }
            let codes = try peer.call(deletion, version: 3).results.map(\.errorCode)
            #expect(codes == [.none, .nonEmptyGroup, .groupIdNotFound])
            #expect(try peer.committed("one") == [:])
            #expect(try peer.leave("three", member.memberId) == .none)
            #expect(try peer.describeGroup("one").errorCode == .groupIdNotFound)
        }
    }

    @Test func `offsets of a deleted topic are gone, also when it is made again`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            try peer.create("u")
            try peer.findCoordinator("g")
            #expect(try peer.commit("g", "t", 5) == .none)
            #expect(try peer.commit("g", "u", 6) == .none)
            _ = try peer.call(DeleteTopicsRequest { $0.topicNames = ["t"] }, version: 4)
            #expect(try peer.committed("g") == ["u-0": "6 "])
            try peer.create("t")
            #expect(try peer.committed("g") == ["u-0": "6 "])
        }
    }
}
