// Writes one Swift struct for one struct of a schema: its fields, its unknown tags, and what `WireStruct` asks for.
// Decoding is in `StructEmitter+Decode`, encoding in `StructEmitter+Encode`, the rest in `StructEmitter+Aspects`.

import ProtocolSchema

/// One struct of a message, or the message itself.
struct StructEmitter {
    let message: Message
    let structure: Structure

    /// `flexible` as the generated code spells it: a constant where all versions agree.
    var flexible: String {
        guard let from = message.flexibleFrom, from <= structure.versions.upper else { return "false" }
        return from <= structure.versions.lower ? "true" : "flexible"
    }

    var isFlexible: Bool { flexible != "false" }
    /// Produce and Fetch handle integers in line; elsewhere a call per field is good enough, and half of the code.
    var isHot: Bool { message.name.hasPrefix("Produce") || message.name.hasPrefix("Fetch") }
    var plainFields: [Field] { structure.fields.filter { $0.tag == nil } }
    var taggedFields: [Field] { structure.fields.filter { $0.tag != nil }.sorted { $0.tag! < $1.tag! } }

    func flexible(for field: Field) -> String { field.inflexible ? "false" : flexible }

    func condition(_ range: VersionRange) -> String? { ProtocolGenerator.condition(range, in: structure.versions) }

    /// Calls `body` for each run of neighbouring fields of the same versions, inside of their condition.
    func eachRun(_ fields: [Field], _ text: inout SwiftText, _ body: (inout SwiftText, [Field]) -> Void) {
        var rest = fields[...]
        while let first = rest.first {
            let run = Array(rest.prefix { $0.versions == first.versions })
            rest = rest.dropFirst(run.count)
            if let condition = condition(first.versions) {
                text.block("if \(condition)") { body(&$0, run) }
            } else {
                body(&text, run)
            }
        }
    }

    /// Adds the declaration of `flexible` if the lines that `body` adds use it.
    func declaringFlexible(_ text: inout SwiftText, _ body: (inout SwiftText) -> Void) {
        var probe = SwiftText()
        body(&probe)
        if flexible == "flexible", probe.text.contains("flexible") {
            text.line("let flexible = version >= \(message.flexibleFrom!)")
        }
        body(&text)
    }

    /// Stored properties and the empty initializer.
    func emitFields(_ text: inout SwiftText) {
        for field in structure.fields {
            text.line("/// \(field.text)")
            text.line("package var \(field.swiftName): \(field.swiftType) = \(field.swiftDefault)")
        }
        if isFlexible {
            text.line("/// Tagged fields that this release does not know, kept and written back.")
            text.line("package var unknownTags = UnknownTags()")
        }
        text.line("")
        text.line("package init() {}")
    }

    func emitBody(_ text: inout SwiftText) {
        emitFields(&text)
        text.line("")
        emitDecode(&text)
        text.line("")
        if !taggedFields.isEmpty {
            emitPresentTags(&text)
            text.line("")
        }
        emitWrite(&text)
        text.line("")
        emitSize(&text)
        text.line("")
        emitDump(&text)
        emitUnsupported(&text)
    }
}
