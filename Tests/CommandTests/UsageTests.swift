// Command lines, exit codes and what needs no broker.

import Foundation
import Testing

@Suite struct UsageTests {
    private func run(_ arguments: String...) throws -> Run { try Program.run(arguments) }

    @Test func `without a command the help is shown as an error`() throws {
        let run = try run()
        #expect(run.code == 2 && run.output.isEmpty && run.errors.contains("Usage: martlet COMMAND"))
    }

    @Test func `every command has help with an example`() throws {
        for path in [
            ["broker"], ["produce"], ["consume"], ["topic"], ["topic", "create"], ["topic", "list"], ["topic", "describe"],
            ["topic", "set"], ["topic", "unset"], ["topic", "delete"], ["topic", "offsets"], ["topic", "add-partitions"],
            ["offsets"], ["log"], ["log", "verify"], ["log", "repair"], ["config"], ["config", "check"], ["storage"], ["storage", "random-uuid"], ["storage", "format"],
            ["cluster"], ["cluster", "status"], ["cluster", "health"], ["cluster", "nodes"], ["cluster", "quorum"],
            ["cluster", "reassign"], ["cluster", "elect"], ["cluster", "drain"], ["cluster", "decommission"],
            ["protocol"], ["completion"],
        ] {
            let run = try Program.run(path + ["--help"])
            #expect(run.code == 0 && run.errors.isEmpty, "\(path)")
            #expect(run.text.contains("Examples:\n  # ") && run.text.contains("Options:"), "\(path)")
        }
    }

    @Test func `mistakes are told with a suggestion`() throws {
        #expect(try run("prodcue").errors.contains("did you mean produce?"))
        #expect(try run("topic", "crate").errors.contains("did you mean create?"))
        let run = try run("consume", "t", "--ofset", "3")
        #expect(run.code == 2 && run.errors.contains("unknown option --ofset; did you mean --offset?"))
        #expect(try self.run("consume").code == 2)
        #expect(try self.run("consume", "t", "--offset", "banana").code == 2)
        #expect(try self.run("produce", "t", "-z", "rar").code == 2)
        #expect(try self.run("topic", "create").code == 2)
        #expect(try self.run("topic", "list", "-b", "::").code == 2)
    }

    @Test func `the version is told`() throws {
        #expect(try run("--version").text.hasPrefix("martlet "))
    }

    @Test func `a broker that cannot be reached is exit code 5`() throws {
        let run = try run("topic", "list", "-b", "127.0.0.1:1", "--timeout", "300ms")
        #expect(run.code == 5 && run.errors.contains("cannot connect to 127.0.0.1:1"), "\(run.errors)")
        #expect(try self.run("consume", "t", "-e", "-b", "127.0.0.1:1", "--timeout", "300ms").code == 5)
    }

    @Test func `a topic that is not there is exit code 3`() throws {
        let broker = try RunningBroker()
        #expect(try broker.martlet("consume", "nowhere", "-e").code == 3)
        #expect(try broker.martlet("produce", "nowhere", input: Data("a\n".utf8)).code == 3)
        #expect(try broker.martlet("offsets", "nowhere").code == 3)
        #expect(try broker.martlet("topic", "set", "nowhere", "retention.ms=1").code == 3)
    }

    @Test func `a configuration is checked without a start`() throws {
        let good = try run("config", "check", "--set", "num.partitions=3", "--changed", "--no-headers")
        #expect(good.code == 0 && good.text.contains("num.partitions  3  flag"), "\(good.errors)")
        let bad = try run("config", "check", "--set", "num.partition=3")
        #expect(bad.code == 1 && bad.errors.contains("did you mean num.partitions?"))
        #expect(try run("config", "check", "/nowhere/server.properties").code == 3)
    }

    @Test func `storage is formatted once`() throws {
        let id = try run("storage", "random-uuid").text.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(id.count == 22)
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("server.properties")
        let data = folder.url.appendingPathComponent("data")
        try Data("log.dirs=\(data.path)\nnode.id=7\n".utf8).write(to: file)
        let first = try run("storage", "format", "--cluster-id", id, "--config", file.path)
        #expect(first.code == 0, "\(first.errors)")
        let written = try String(contentsOf: data.appendingPathComponent("meta.properties"), encoding: .utf8)
        #expect(written.contains("cluster.id=\(id)") && written.contains("node.id=7"))
        #expect(try run("storage", "format", "-t", id, "-c", file.path).code == 1)
        #expect(try run("storage", "format", "-t", id, "-c", file.path, "--ignore-formatted").code == 0)
    }

    @Test func `a folder on a new disk is formatted beside the others, but for that of the metadata`() throws {
        let id = try run("storage", "random-uuid").text.trimmingCharacters(in: .whitespacesAndNewlines)
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("server.properties")
        let data = ["a", "b"].map { folder.url.appendingPathComponent($0) }
        try Data("log.dirs=\(data[0].path),\(data[1].path)\nnode.id=7\n".utf8).write(to: file)
        func format(_ cluster: String) throws -> (code: Int32, text: String) {
            let run = try run("storage", "format", "-t", cluster, "-c", file.path, "--ignore-formatted")
            return (run.code, run.errors)
        }
        func identity(_ index: Int) throws -> String {
            try String(contentsOf: data[index].appendingPathComponent("meta.properties"), encoding: .utf8)
        }
        #expect(try format(id).code == 0)
        let before = try (identity(0), identity(1))
        try FileManager.default.removeItem(at: data[1])
        #expect(try format("5L6g3nShT-eMCtK--X86sw").code == 1)
        let second = try format(id)
        #expect(second.code == 0 && second.text.contains("formatted \(data[1].path) "), "\(second.text)")
        #expect(second.text.contains("\(data[0].path) is formatted already"))
        #expect(try identity(0) == before.0 && identity(1) != before.1 && identity(1).contains("cluster.id=\(id)"))
        try FileManager.default.removeItem(at: data[0])
        #expect(try format(id).code == 1)
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `completion is written for a shell`(shell: String) throws {
        let run = try run("completion", shell)
        #expect(run.code == 0 && run.text.contains("add-partitions") && run.text.contains("martlet"))
    }

    @Test func `the bash completion completes`() throws {
        let folder = try TemporaryFolder()
        let script = folder.url.appendingPathComponent("martlet.bash")
        try run("completion", "bash").output.write(to: script)
        let output = folder.url.appendingPathComponent("output")
        let shell = try Spawned(
            URL(fileURLWithPath: "/bin/bash"),
            [
                "-c",
                "source \(script.path); COMP_WORDS=(martlet topic cr); COMP_CWORD=2; _martlet; echo ${COMPREPLY[@]};"
                    + " COMP_WORDS=(martlet produce t -z zs); COMP_CWORD=4; _martlet; echo ${COMPREPLY[@]}",
            ], variables: [:], input: nil, output: output, errors: folder.url.appendingPathComponent("errors"))
        #expect(shell.wait() == 0)
        let text = try String(contentsOf: output, encoding: .utf8)
        #expect(text == "create\nzstd\n")
    }
}
