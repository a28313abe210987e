// What a controller says of where it listens.

import Broker
import Configuration
import Raft
import Testing

@Suite struct QuorumConfigurationTests {
    private func endpoints(_ host: String, _ settings: (String, String)...) throws -> [Voter.Endpoint] {
        let given = [
            ("listeners", "PLAINTEXT://\(host):9092,CONTROLLER://\(host):9093"), ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"), ("log.dirs", "/data"),
        ]
        return try NodeConfiguration((given + settings).map { GivenValue(key: $0.0, value: $0.1, origin: .flag) })
            .ownQuorumEndpoints
    }

    @Test(arguments: ["", "0.0.0.0"])
    func `an address that means any is told to nobody, and is this host for a node alone`(host: String) throws {
        #expect(try endpoints(host).map(\.host) == ["localhost"])
        #expect(try endpoints(host, ("controller.quorum.bootstrap.servers", "a:9093")).isEmpty)
    }

    @Test func `any other address is told as it stands`() throws {
        let told = try endpoints("b", ("controller.quorum.bootstrap.servers", "a:9093"))
        #expect(told == [Voter.Endpoint(name: "CONTROLLER", host: "b", port: 9093)])
    }
}
