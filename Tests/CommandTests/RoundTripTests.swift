// What goes in through the program comes out of it, byte for byte, and offsets mean what the help says.

import Foundation
import Testing

@Suite struct RoundTripTests {
    private let broker: RunningBroker

    init() throws { broker = try RunningBroker() }

    /// Lines of all lengths and bytes, empty ones and carriage returns too; no line end inside of a line.
    private func content(_ count: Int) -> Data {
        var data = Data()
        var state: UInt64 = 42
        for number in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let length = Int(state >> 33) % (number % 100 == 0 ? 9000 : 120)
            for position in 0..<length {
                let byte = UInt8(truncatingIfNeeded: state >> UInt64(position % 7 * 8)) &+ UInt8(truncatingIfNeeded: position)
                data.append(byte == 10 ? 13 : byte)
            }
            data.append(10)
        }
        return data
    }

    @Test(arguments: ["none", "gzip", "snappy", "lz4", "zstd"])
    func `a file of lines comes back as it was`(codec: String) throws {
        try broker.create("lines")
        let input = content(20_000)
        let produced = try broker.martlet("produce", "lines", "-z", codec, input: input)
        #expect(produced.code == 0, "\(produced.errors)")
        #expect(produced.output.isEmpty)
        let consumed = try broker.martlet("consume", "lines", "-e", "-f", "%s\\n")
        #expect(consumed.code == 0, "\(consumed.errors)")
        #expect(consumed.output == input)
    }

    @Test func `a line longer than a block comes back, and one without an end too`() throws {
        try broker.create("long")
        let input = Data(repeating: 120, count: 900_000) + Data([10]) + Data("end".utf8)
        #expect(try broker.martlet("produce", "long", input: input).code == 0)
        #expect(try broker.martlet("consume", "long", "-e").output == input + Data([10]))
    }

    @Test func `records in JSON keep key, headers, time and bytes`() throws {
        try broker.create("a", partitions: 3)
        try broker.create("b", partitions: 3)
        let input = """
            {"key":"k1","value":"plain","partition":1,"timestamp":1700000000123}
            {"key":null,"value":null,"partition":2,"headers":[{"key":"h","value":"1"},{"key":"h","value":null}]}
            {"key_base64":"/wA=","value_base64":"AP+A","partition":0}
            {"value":{"nested":[1,2]},"partition":1,"headers":{"x":"y"}}
            {"value":"quotes \\" \\\\ \\n \\u00e9 \\ud83d\\ude00","partition":1}

            """
        let produced = try broker.martlet("produce", "a", "--input", "json", input: Data(input.utf8))
        #expect(produced.code == 0, "\(produced.errors)")
        let first = try broker.martlet("consume", "a", "-e", "-o", "json")
        #expect(first.lines.count == 5)
        #expect(first.text.contains(#""timestamp":1700000000123,"key":"k1","value":"plain"}"#))
        #expect(first.text.contains(#""headers":[{"key":"h","value":"1"},{"key":"h","value":null}]"#))
        #expect(first.text.contains(#""key_base64":"/wA=","value_base64":"AP+A"}"#))
        #expect(first.text.contains(#""value":"{\"nested\":[1,2]}","headers":[{"key":"x","value":"y"}]"#))
        #expect(first.text.contains("\"quotes \\\" \\\\ \\n é 😀\""))
        #expect(try broker.martlet("produce", "b", "--input", "json", input: first.output).code == 0)
        let second = try broker.martlet("consume", "b", "-e", "-o", "json")
        let renamed = second.text.replacingOccurrences(of: "\"topic\":\"b\"", with: "\"topic\":\"a\"")
        #expect(renamed.split(separator: "\n").sorted() == first.text.split(separator: "\n").sorted())
    }

    @Test func `keys, headers and tombstones are made from options`() throws {
        try broker.create("t")
        _ = try broker.martlet("produce", "t", "-K", ":", "-H", "a=1", "-H", "b:2", "-Z", input: Data("k:v\nx:\nplain\n".utf8))
        let shown = try broker.martlet("consume", "t", "-e", "-f", "%t %p %o %k=%s %K %S [%h] %%\\t|\\n")
        #expect(shown.text == "t 0 0 k=v 1 1 [a=1,b=2] %\t|\nt 0 1 x= 1 -1 [a=1,b=2] %\t|\nt 0 2 =plain -1 5 [a=1,b=2] %\t|\n")
    }

    @Test func `files become records, and reports tell where each went`() throws {
        try broker.create("t")
        let file = broker.folder.url.appendingPathComponent("file")
        try Data("two\nlines".utf8).write(to: file)
        let run = try broker.martlet("produce", "t", "-l", file.path, file.path, "--report", "%t/%p@%o\\n")
        #expect(run.text == "t/0@0\nt/0@1\n")
        #expect(try broker.martlet("consume", "t", "-e").text == "two\nlines\ntwo\nlines\n")
    }

    @Test func `offsets mean what the help says`() throws {
        try broker.create("n")
        let numbers = (0..<100).map { "\($0)\n" }.joined()
        let early = try broker.martlet("produce", "n", "--timestamp", "2020-01-01", input: Data(numbers.utf8))
        #expect(early.code == 0, "\(early.errors)")
        _ = try broker.martlet("produce", "n", "--timestamp", "2021-01-01T00:00:00Z", input: Data(numbers.utf8))
        func shown(_ arguments: String...) throws -> String {
            let run = try Program.run(
                ["consume", "n", "-f", "%o "] + arguments, variables: ["MARTLET_BROKERS": "127.0.0.1:\(broker.port)"])
            #expect(run.code == 0, "\(arguments): \(run.errors)")
            let offsets = run.text.split(separator: " ").compactMap { Int($0) }
            guard let first = offsets.first, let last = offsets.last else { return "" }
            #expect(offsets == Array(first...last))
            return "\(first)...\(last)"
        }
        #expect(try shown("-e") == "0...199")
        #expect(try shown("--offset", "start", "-e", "-n", "3") == "0...2")
        #expect(try shown("--offset", "beginning", "--max-messages", "1") == "0...0")
        #expect(try shown("--from-beginning", "-n", "200") == "0...199")
        #expect(try shown("--offset", "150", "-e") == "150...199")
        #expect(try shown("--offset", "+20", "-e") == "20...199")
        #expect(try shown("--offset", "+9223372036854775807", "-e") == "")
        #expect(try shown("--offset", "-5", "-e") == "195...199")
        #expect(try shown("--offset", ":end") == "0...199")
        #expect(try shown("--offset", "10:20") == "10...19")
        #expect(try shown("--offset", "-10:end") == "190...199")
        #expect(try shown("--offset", "@2020-06-01", "-e") == "100...199")
        #expect(try shown("--offset", "@2019-01-01:@2020-06-01T00:00:00Z") == "0...99")
        #expect(try shown("--offset", "s@1600000000000", "-e") == "100...199")
        #expect(try shown("--offset", "e@1600000000000") == "0...99")
        #expect(try shown("--offset", "190", "--until", "195") == "190...194")
        #expect(try shown("--offset", "@-1h", "-e") == "")
        #expect(try shown("-o", "-2", "-e") == "198...199")
        #expect(try shown("--offset", "end", "-e") == "")
    }

    @Test func `topics are made, changed and removed`() throws {
        #expect(try broker.martlet("topic", "create", "t", "-p", "2", "-c", "retention.ms=1000").code == 0)
        let again = try broker.martlet("topic", "create", "t")
        #expect(again.code == 1 && again.errors.contains("TOPIC_ALREADY_EXISTS"))
        #expect(try broker.martlet("topic", "create", "t", "--if-not-exists").code == 0)
        #expect(try broker.martlet("topic", "list", "--no-headers").text == "t  2  1\n")
        #expect(try broker.martlet("topic", "describe", "t").text.contains("retention.ms=1000"))
        #expect(try broker.martlet("topic", "set", "t", "retention.ms=2000").code == 0)
        #expect(try broker.martlet("topic", "describe", "t", "-o", "json").text.contains(#""retention.ms":"2000""#))
        #expect(try broker.martlet("topic", "unset", "t", "retention.ms").code == 0)
        #expect(try broker.martlet("topic", "add-partitions", "t", "--partitions", "5").code == 0)
        #expect(try broker.martlet("topic", "offsets", "t", "--no-headers").lines.count == 5)
        #expect(try broker.martlet("topic", "delete", "t", "-y").code == 0)
        #expect(try broker.martlet("topic", "delete", "t", "-y").code == 3)
        #expect(try broker.martlet("topic", "delete", "t", "-y", "--if-exists").code == 0)
        #expect(try broker.martlet("topic", "describe", "t").code == 3)
    }

    @Test func `a segment is dumped and verified, a damaged one is told of`() throws {
        try broker.create("s")
        _ = try broker.martlet("produce", "s", "-K", ":", input: Data("key:value\n".utf8))
        let path = broker.folder.url.appendingPathComponent("data/s-0/00000000000000000000.log")
        let dump = try Program.run(["offsets", "--segment", path.path, "--records"])
        #expect(dump.code == 0 && dump.text.contains("baseOffset: 0 lastOffset: 0 count: 1"), "\(dump.errors)")
        #expect(dump.text.contains("| offset: 0") && dump.text.contains("payload: value"))
        var bytes = try Data(contentsOf: path)
        bytes[bytes.count - 3] ^= 1
        let damaged = broker.folder.url.appendingPathComponent("00000000000000000000.log")
        try bytes.write(to: damaged)
        let faulty = try Program.run(["offsets", "--segment", damaged.path, "-o", "json"])
        #expect(faulty.code == 1 && faulty.text.contains("checksum"))
    }
}
