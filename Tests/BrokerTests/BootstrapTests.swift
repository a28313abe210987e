// What a cluster begins with: the levels that the format step asked for, of Kafka's earlier releases too.

import Basics
import Broker
import Configuration
import Environment
import Foundation
import Reactor
import Testing
import WireProtocol

@Suite struct BootstrapTests {
    private static func settings(_ folder: String, _ port: UInt16) -> [String: String] {
        [
            "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:\(port)", "log.dirs": folder,
            "controller.listener.names": "CONTROLLER", "controller.quorum.voters": "1@127.0.0.1:\(port)",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        ]
    }

    private static func level(_ folder: String, _ port: UInt16) throws -> Int16? {
        let broker = try TestBroker(folder: folder, settings(folder, port))
        let software = ApiVersionsRequest {
            $0.clientSoftwareName = "test"
            $0.clientSoftwareVersion = "1"
        }
        let answer = try Peer(port: broker.port).call(software, version: 4)
        try broker.stop()
        return answer.finalizedFeatures.first { $0.name == "metadata.version" }?.maxVersionLevel
    }

    /// Formats a folder at level 20, and does with what was written as `change` says.
    private func begin(_ change: (_ checkpoint: String, _ folder: String) throws -> Void) throws -> Int16? {
        var level: Int16?
        try withFolder { folder in
            let port = try Peer.freePort()
            let values = Self.settings(folder, port).sorted { $0.key < $1.key }.map {
                GivenValue(key: $0.key, value: $0.value, origin: .flag)
            }
            let real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
            _ = try Storage.format(
                real.environment, try NodeConfiguration(values), clusterId: "5L6g3nShT-eMCtK--X86sw",
                formation: Formation(voters: .none, levels: ["metadata.version": 20]), ignoresFormatted: false)
            try change(folder + "/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint", folder)
            // The lock lasts as long as the process.
            level = try Self.level(try TestBroker.copy(folder), port)
        }
        return level
    }

    @Test func `begins at the level that was formatted`() throws {
        #expect(try begin { _, _ in } == 20)
    }

    @Test func `begins with what an earlier release of Kafka wrote beside the log`() throws {
        #expect(try begin { checkpoint, folder in
            try FileManager.default.moveItem(atPath: checkpoint, toPath: folder + "/bootstrap.checkpoint")
        } == 20)
    }

    @Test func `begins at the level of this release where nothing was written`() throws {
        #expect(try begin { checkpoint, _ in try FileManager.default.removeItem(atPath: checkpoint) } == 33)
    }
}
