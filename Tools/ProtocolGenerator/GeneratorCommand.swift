// The command line of the generator. It writes a file only if its content has changed.
//
//   ProtocolGenerator --output <folder> <schema or table files>    one Swift file per schema, and the index
//   ProtocolGenerator --lock <schema files>                        the lock of `Protocol/evolution.lock`, to stdout

import Foundation
import ProtocolSchema

func fail(_ text: String) -> Never {
    FileHandle.standardError.write(Data((text + "\n").utf8))
    exit(1)
}

func read(_ path: String) -> String {
    guard let data = FileManager.default.contents(atPath: path) else { fail("\(path): error: cannot be read") }
    return String(decoding: data, as: UTF8.self)
}

func write(_ text: String, to path: String) {
    let data = Data(text.utf8)
    if FileManager.default.contents(atPath: path) == data { return }
    if !FileManager.default.createFile(atPath: path, contents: data) { fail("\(path): error: cannot be written") }
}

/// The messages of each schema file, checked.
func load(_ paths: [String]) -> [(path: String, messages: [Message])] {
    do throws(SchemaError) {
        var files: [(path: String, messages: [Message])] = []
        for path in paths.sorted() { files.append((path, try Parser.parse(read(path), file: path))) }
        try Validation.check(files.flatMap(\.messages))
        return files
    } catch {
        fail("\(error)")
    }
}

func generate(into folder: String, from paths: [String]) {
    let files = load(paths.filter { $0.hasSuffix(".schema") })
    for file in files {
        let url = URL(fileURLWithPath: file.path)
        let source = url.deletingLastPathComponent().lastPathComponent + "/" + url.lastPathComponent
        let name = url.deletingPathExtension().lastPathComponent
        write(FileEmitter.emit(file.messages, source: source), to: "\(folder)/\(name).swift")
    }
    write(IndexEmitter.emit(files.flatMap(\.messages)), to: "\(folder)/Messages.swift")
    for path in paths where path.hasSuffix("error-codes.tsv") {
        guard let text = ErrorCodeEmitter.emit(read(path)) else { fail("\(path): error: a line is not of five fields") }
        write(text, to: "\(folder)/ErrorCode+Table.swift")
    }
}

@main
enum GeneratorCommand {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "--output", arguments.count > 2 {
            generate(into: arguments[1], from: Array(arguments.dropFirst(2)))
        } else if arguments.first == "--lock", arguments.count > 1 {
            print(EvolutionLock.text(of: load(Array(arguments.dropFirst())).flatMap(\.messages)), terminator: "")
        } else {
            fail("usage: ProtocolGenerator --output <folder> <files> | --lock <files>")
        }
    }
}
