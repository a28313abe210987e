// Logs that a node finds on its disk and the cluster knows no more: what was deleted while it was down.

import Foundation
import Testing
import WireProtocol

@Suite struct StrayTests {
    private static func folders(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasPrefix("gone-") || $0.hasPrefix("kept-") }.sorted()
    }

    @Test(arguments: [false, true])
    func `a log whose topic is gone is put aside whole, and one of the same name has none of it`(isMadeAgain: Bool) throws {
        try withFolder { folder in
            let first = try TestBroker(folder: folder)
            let writer = try Peer(port: first.port)
            for topic in ["gone", "kept"] {
                try writer.create(topic)
                #expect(try writer.produce(try batch(), to: topic).errorCode == .none)
            }
            try first.stop()

            // The lock lasts as long as the process.
            let deleted = try TestBroker.copy(folder)
            let second = try TestBroker(folder: deleted)
            let admin = try Peer(port: second.port)
            let request = DeleteTopicsRequest {
                $0.topics = [DeleteTopicsRequest.DeleteTopicState { $0.name = "gone" }]
                $0.timeoutMs = 10_000
            }
            #expect(try admin.call(request, version: 6).responses[0].errorCode == .none)
            if isMadeAgain { try admin.create("gone") }
            try second.stop()

            // As if this node had been down meanwhile.
            let back = try TestBroker.copy(deleted)
            let files = FileManager.default
            for name in try Self.folders(back) where name.hasPrefix("gone-") { try files.removeItem(atPath: back + "/" + name) }
            try files.copyItem(atPath: folder + "/gone-0", toPath: back + "/gone-0")
            let third = try TestBroker(folder: back)
            let reader = try Peer(port: third.port)
            #expect(try reader.records("kept").count == 3)
            if isMadeAgain {
                #expect(try reader.produce(try batch(), to: "gone").baseOffset == 0)
                #expect(try reader.records("gone").count == 3)
            }
            try third.stop()
            let left = try Self.folders(back)
            #expect(left.filter { !$0.hasSuffix("-stray") } == (isMadeAgain ? ["gone-0", "kept-0"] : ["kept-0"]))
            let stray = try #require(left.first { $0.hasPrefix("gone-0.") && $0.hasSuffix("-stray") })
            let name = "/00000000000000000000.log"
            #expect(files.contents(atPath: back + "/" + stray + name) == files.contents(atPath: folder + "/gone-0" + name))
        }
    }
}
