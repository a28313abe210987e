// Writes one Swift file for one schema file: each message as a struct with its nested structs inside.

import ProtocolSchema

/// The Swift of one schema file.
enum FileEmitter {
    static func emit(_ messages: [Message], source: String) -> String {
        var text = SwiftText()
        for message in messages { emit(message, &text) }
        var head = SwiftText()
        head.line("// Generated from \(source) by ProtocolGenerator. Do not edit.")
        head.line("")
        if text.text.contains("Uuid") { head.line("package import Basics") }
        head.line("package import Bytes")
        return head.text + text.text
    }

    private static func emit(_ message: Message, _ text: inout SwiftText) {
        text.line("")
        text.line("/// \(message.text)")
        text.block("package struct \(message.name): \(protocolName(message))") { text in
            emitConstants(message, &text)
            StructEmitter(message: message, structure: message.root).emitBody(&text)
            for structure in message.structs {
                text.line("")
                text.line("/// \(structure.text)")
                text.block("package struct \(structure.name): WireStruct") { text in
                    StructEmitter(message: message, structure: structure).emitBody(&text)
                }
            }
        }
    }

    private static func protocolName(_ message: Message) -> String {
        switch message.kind {
        case .request: "RequestMessage"
        case .response: "ResponseMessage"
        case .metadata: "MetadataMessage"
        case .key: "RecordKeyMessage"
        case .value: "RecordValueMessage"
        case .header, .data: "Message"
        }
    }

    private static func emitConstants(_ message: Message, _ text: inout SwiftText) {
        let base = message.name.hasSuffix("Request") ? String(message.name.dropLast(7)) : String(message.name.dropLast(8))
        switch message.kind {
        case .request:
            text.line("package typealias Response = \(base)Response")
            text.line("package static var apiKey: ApiKey { .\(IndexEmitter.caseName(message)) }")
        case .response:
            text.line("package static var apiKey: ApiKey { .\(IndexEmitter.caseName(message)) }")
        case .metadata, .value:
            text.line("package static var recordType: Int16 { \(message.key ?? 0) }")
        case .key:
            text.line("package typealias Value = \(message.name.dropLast(3))Value")
            text.line("package static var recordType: Int16 { \(message.key ?? 0) }")
        case .header, .data: break
        }
        text.line("package static var messageName: String { \"\(message.name)\" }")
        text.line("package static var kind: MessageKind { .\(message.kind.rawValue) }")
        text.line("package static var versions: ClosedRange<Int16> { \(message.versions.lower)...\(message.versions.upper) }")
        let flexible = message.flexibleFrom.map(String.init) ?? "Int16.max"
        text.line("package static var flexibleFrom: Int16 { \(flexible) }")
        let hasRecords = ([message.root] + message.structs).contains { $0.fields.contains { $0.type == .primitive(.records) } }
        if hasRecords { text.line("package static var carriesRecords: Bool { true }") }
        text.line("")
    }
}
