// Writes the file that knows all messages: the api keys, the list of messages, and the metadata records as one enum.

import ProtocolSchema

/// The Swift of the index.
enum IndexEmitter {
    /// The case of `ApiKey` or of `MetadataRecord`: the name without its last word, small at the start.
    static func caseName(_ message: Message) -> String {
        var name = message.name
        for suffix in ["Request", "Response", "Record"] where name.hasSuffix(suffix) {
            name = String(name.dropLast(suffix.count))
            break
        }
        return name.prefix(1).lowercased() + name.dropFirst()
    }

    static func emit(_ messages: [Message]) -> String {
        var text = SwiftText()
        text.line("// Generated from Protocol/ by ProtocolGenerator. Do not edit.")
        text.line("")
        text.line("import Bytes")
        text.line("")
        emitApiKeys(messages, &text)
        text.line("")
        emitAll(messages, &text)
        text.line("")
        emitMetadataRecord(messages.filter { $0.kind == .metadata }.sorted { $0.key! < $1.key! }, &text)
        return text.text
    }

    private static func emitApiKeys(_ messages: [Message], _ text: inout SwiftText) {
        let requests = messages.filter { $0.kind == .request }.sorted { $0.key! < $1.key! }
        text.line("/// The kinds of request, by the number that a request header begins with.")
        text.block("package enum ApiKey: Int16, CaseIterable, Sendable, Hashable") { text in
            for message in requests {
                text.line("/// \(message.text)")
                text.line("case \(caseName(message)) = \(message.key!)")
            }
            func table(_ head: String, _ value: (Message) -> String) {
                text.line("")
                text.block(head) { text in
                    text.line("switch self {")
                    for message in requests { text.line("case .\(caseName(message)): \(value(message))") }
                    text.line("}")
                }
            }
            text.line("")
            text.line("/// The versions that have a schema here.")
            table("package var versions: ClosedRange<Int16>") { "\($0.versions.lower)...\($0.versions.upper)" }
            text.line("")
            text.line("/// The first flexible version (KIP-482); `Int16.max` for never.")
            table("package var flexibleFrom: Int16") { $0.flexibleFrom.map(String.init) ?? "Int16.max" }
            text.line("")
            text.line("/// The first version that is not announced unless unstable versions are switched on; nil for none.")
            table("package var unstableFrom: Int16?") { $0.unstableFrom.map(String.init) ?? "nil" }
            text.line("")
            text.line("/// The listeners that answer it.")
            table("package var listeners: ListenerKinds") { message in
                "[" + message.listeners.map { ".\($0)" }.joined(separator: ", ") + "]"
            }
            table("package var requestType: any RequestMessage.Type") { "\($0.name).self" }
            table("package var responseType: any ResponseMessage.Type") { "\($0.name.dropLast(7))Response.self" }
        }
    }

    private static func emitAll(_ messages: [Message], _ text: inout SwiftText) {
        text.line("/// Every message of the protocol, for tests and tools that must see all of them.")
        text.block("package enum Messages") { text in
            text.line("package static let all: [any Message.Type] = [")
            for message in messages.sorted(by: { $0.name < $1.name }) { text.line("    \(message.name).self,") }
            text.line("]")
        }
    }

    private static func emitMetadataRecord(_ records: [Message], _ text: inout SwiftText) {
        text.line("/// Any record of the cluster metadata log.")
        text.block("package enum MetadataRecord: Sendable, Equatable") { text in
            for record in records {
                text.line("/// \(record.text)")
                text.line("case \(caseName(record))(\(record.name))")
            }
            text.line("")
            text.line("/// The record itself, without its case.")
            text.block("package var message: any MetadataMessage") { text in
                text.line("switch self {")
                for record in records { text.line("case .\(caseName(record))(let record): record") }
                text.line("}")
            }
            text.line("")
            text.line("/// The body of a record of type `type`; throws `unsupportedVersion` or `invalidValue` for unknown ones.")
            text.block("init(type: Int16, from reader: inout ByteReader, version: Int16) throws(DecodeError)") { text in
                text.line("switch type {")
                for record in records {
                    text.line("case \(record.key!): self = .\(caseName(record))(try .init(checking: &reader, version: version))")
                }
                text.line("default: throw reader.failure(.invalidValue(\"record type \\(type)\"), \"RecordType\")")
                text.line("}")
            }
        }
    }
}
