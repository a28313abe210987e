// `martlet log` as a person uses it.

import Foundation
import Testing

@Suite struct LogCommandTests {
    @Test func `a damaged folder is verified, repaired, and verified again`() throws {
        let broker = try RunningBroker()
        try broker.create("s")
        for value in ["one", "two", "three"] {
            #expect(try broker.martlet("produce", "s", input: Data("\(value)\n".utf8)).code == 0)
        }
        let data = broker.folder.url.appendingPathComponent("data")
        let online = try Program.run(["log", "verify", "--online", data.path])
        #expect(online.code == 0 && online.output.isEmpty, "\(online.text)")
        let refused = try Program.run(["log", "verify", data.path])
        #expect(refused.code == 1 && refused.errors.contains("in use by a broker"))
        #expect(try Program.run(["log", "repair", data.path, "--truncate", "--execute"]).code == 1)

        let copy = broker.folder.url.appendingPathComponent("copy")
        try FileManager.default.copyItem(at: data, to: copy)
        let log = copy.appendingPathComponent("s-0/00000000000000000000.log")
        var bytes = try Data(contentsOf: log)
        let place = bytes.count / 2
        bytes[place] ^= 1
        try bytes.write(to: log)
        let found = try Program.run(["log", "verify", copy.path])
        #expect(found.code == 1 && found.lines.count == 1)
        #expect(found.text.contains("damaged-batch") && found.text.contains("behind it 1 batches with 1 records are good"))
        let json = try Program.run(["log", "verify", copy.path, "-o", "json", "-q"])
        #expect(json.text.contains("\"recordsBehind\":1") && json.errors.isEmpty)
        #expect(try Program.run(["log", "verify", log.path]).code == 1)

        let offer = try Program.run(["log", "repair", copy.path])
        #expect(offer.code == 0 && offer.text.contains("--drop-damaged takes out"))
        #expect(try Data(contentsOf: log) == bytes, "without --execute nothing is changed")
        #expect(try Program.run(["log", "repair", copy.path, "--execute"]).code == 2)
        #expect(try Program.run(["log", "repair", copy.path, "--drop-damaged", "--execute"]).code == 0)
        #expect(try Program.run(["log", "verify", copy.path]).code == 0)
        #expect(try Data(contentsOf: log).count < bytes.count)
    }

    @Test func `mistakes are told`() throws {
        #expect(try Program.run(["log", "verify"]).code == 2)
        #expect(try Program.run(["log", "verify", "/nowhere"]).code == 3)
        #expect(try Program.run(["log", "repair", "/nowhere"]).code == 3)
        let both = try Program.run(["log", "repair", "/nowhere", "--truncate", "--drop-damaged"])
        #expect(both.code == 2 && both.errors.contains("not both"))
    }
}
