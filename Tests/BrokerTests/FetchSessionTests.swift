// Incremental fetch sessions (KIP-227), as a consumer sees them.

import Bytes
import Testing
import WireProtocol

@Suite struct FetchSessionTests {
    @Test func `tells only what is new, once the session is open`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            _ = try peer.produce(batch(), to: "t")
            let full = try peer.fetch("t", from: 3, epoch: 0)
            #expect(full.sessionId != 0 && full.responses[0].partitions[0].highWatermark == 3)
            let nothing = try peer.fetch("t", from: 3, sessionId: full.sessionId, epoch: 1, names: false)
            #expect(nothing.errorCode == .none && nothing.responses.isEmpty && nothing.sessionId == full.sessionId)
            _ = try peer.produce(batch(), to: "t")
            let news = try peer.fetch("t", from: 3, sessionId: full.sessionId, epoch: 2, names: false)
            #expect(news.responses[0].partitions[0].highWatermark == 6)
            #expect(news.responses[0].partitions[0].records.count > 0)
        }
    }

    @Test func `refuses epochs out of order and sessions that are not there`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            let id = try peer.fetch("t", from: 0, epoch: 0).sessionId
            #expect(try peer.fetch("t", from: 0, sessionId: id, epoch: 5).errorCode == .invalidFetchSessionEpoch)
            #expect(try peer.fetch("t", from: 0, sessionId: id ^ 1, epoch: 1).errorCode == .fetchSessionIdNotFound)
            #expect(try peer.fetch("t", from: 0, sessionId: id, epoch: 1).errorCode == .none)
            // Closed by the epoch that says so.
            #expect(try peer.fetch("t", from: 0, sessionId: id, epoch: -1).sessionId == 0)
            #expect(try peer.fetch("t", from: 0, sessionId: id, epoch: 2).errorCode == .fetchSessionIdNotFound)
        }
    }

    @Test func `forgets partitions that the consumer gave up, and takes new offsets`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            _ = try peer.produce(batch(), to: "t")
            let id = try peer.fetch("t", from: 3, epoch: 0).sessionId
            let moved = try peer.fetch("t", from: 0, sessionId: id, epoch: 1)
            #expect(moved.responses[0].partitions[0].records.count > 0)
            let left = try peer.fetch("t", from: 0, sessionId: id, epoch: 2, names: false, forget: true)
            #expect(left.responses.isEmpty)
            _ = try peer.produce(batch(), to: "t")
            #expect(try peer.fetch("t", from: 0, sessionId: id, epoch: 3, names: false).responses.isEmpty)
        }
    }

    @Test func `a follower takes the place of a consumer where there is no room, and no consumer another's`() throws {
        try withBroker(["max.incremental.fetch.session.cache.slots": "2"]) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            // Each of the two loops has room for one.
            let first = try peer.fetch("t", from: 0, epoch: 0).sessionId
            #expect(first != 0)
            #expect(try peer.fetch("t", from: 0, epoch: 0).sessionId == 0)
            #expect(try peer.fetch("t", from: 0, epoch: 0, replica: 9).sessionId != 0)
            #expect(try peer.fetch("t", from: 0, sessionId: first, epoch: 1).errorCode == .fetchSessionIdNotFound)
            #expect(try peer.fetch("t", from: 0, epoch: 0, replica: 8).sessionId == 0, "nor does a follower another's")
        }
    }

    @Test func `does not wait for more bytes than it may have`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            _ = try peer.produce(batch(), to: "t")
            let answer = try peer.fetch("t", from: 0, maxWait: 60_000, minBytes: .max, maxBytes: 10)
            #expect(answer.responses[0].partitions[0].records.count > 0)
        }
    }

    @Test func `goes on without a session where there is no room for one`() throws {
        try withBroker(["max.incremental.fetch.session.cache.slots": "0"]) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            let response = try peer.fetch("t", from: 0, epoch: 0)
            #expect(response.errorCode == .none && response.sessionId == 0 && response.responses.count == 1)
        }
    }
}
