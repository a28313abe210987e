// Random values of every message in every version, made from the schema by code of their own, survive a round trip.

import Basics
import Bytes
import ProtocolSchema
import Testing
import WireProtocol

@Suite struct RoundTripTests {
    @Test func `every message of every version is read and written to the byte`() throws {
        let schemas = try Schemas.all.get()
        #expect(schemas.count == Messages.all.count)
        let types = Dictionary(uniqueKeysWithValues: Messages.all.map { ($0.messageName, $0) })
        var random = SeededRandom(seed: 20_261_121)
        for schema in schemas {
            let type = try #require(types[schema.name])
            for version in schema.versions.lower...schema.versions.upper {
                for _ in 0..<12 {
                    var maker = RandomMessage(schema, version: version, random: SeededRandom(seed: random.next()))
                    let (bytes, dump) = maker.make()
                    do {
                        if let problem = try problem(type, bytes, dump, Int16(version)) {
                            Issue.record("\(schema.name) v\(version): \(problem)")
                        }
                    } catch {
                        Issue.record("\(schema.name) v\(version): \(error)")
                    }
                }
            }
        }
    }

    private func problem<Body: WireProtocol.Message>(
        _ type: Body.Type, _ bytes: [UInt8], _ dump: FieldDump, _ version: Int16
    ) throws -> String? {
        var reader = ByteReader(ByteSlice(bytes))
        let message = try Body(checking: &reader, version: version)
        if reader.remaining > 0 { return "\(reader.remaining) bytes are left" }
        if message.dump(version: version) != dump { return "other values: \(message.dump(version: version)) for \(dump)" }
        if message.encodedSize(version: version) != bytes.count { return "the size is wrong" }
        if message.encoded(version: version).array != bytes { return "other bytes" }
        if let field = message.unsupportedField(version: version) { return "\(field) is not supported" }
        return try Body(decoding: message.encoded(version: version), version: version) == message ? nil : "not equal"
    }

    @Test func `a message at its defaults can be written and read in every version`() throws {
        for type in Messages.all {
            for version in type.versions { try roundTripOfDefaults(type, version) }
        }
    }

    private func roundTripOfDefaults<Body: WireProtocol.Message>(_ type: Body.Type, _ version: Int16) throws {
        let encoded = Body().encoded(version: version)
        #expect(encoded.count == Body().encodedSize(version: version), "\(Body.messageName) v\(version)")
        #expect(throws: Never.self, "\(Body.messageName) v\(version)") { try Body(decoding: encoded, version: version) }
    }
}
