// The two cold faces of a struct: a dump of its fields for tools and tests, and the check for values that a version
// cannot carry.

import ProtocolSchema

extension StructEmitter {
    func emitDump(_ text: inout SwiftText) {
        text.block("package func dump(version: Int16) -> FieldDump") { text in
            if structure.fields.isEmpty { return text.line("return FieldDump()") }
            text.line("var dump = FieldDump()")
            if !taggedFields.isEmpty {
                let from = message.flexibleFrom ?? 0
                let condition = from > structure.versions.lower ? "version < \(from) ? 0 : " : ""
                text.line("let present = \(condition)presentTags(version)")
            }
            // In the order of the schema, as Kafka's JSON form has them.
            var rest = structure.fields[...]
            while let first = rest.first {
                let run = Array(rest.prefix { ($0.tag == nil) == (first.tag == nil) })
                rest = rest.dropFirst(run.count)
                if first.tag == nil { emitDump(plain: run, &text) } else { emitDump(tagged: run, &text) }
            }
            text.line("return dump")
        }
    }

    private func emitDump(plain fields: [Field], _ text: inout SwiftText) {
        eachRun(fields, &text) { text, run in
            for field in run { text.line("dump.add(\"\(field.memberName)\", self.\(field.swiftName), version)") }
        }
    }

    private func emitDump(tagged fields: [Field], _ text: inout SwiftText) {
        for field in fields {
            guard let bit = taggedFields.firstIndex(where: { $0.tag == field.tag }) else { continue }
            text.line("if present & \(1 << bit) != 0 { dump.add(\"\(field.memberName)\", self.\(field.swiftName), version) }")
        }
    }

    /// The name of the first field that holds something which `version` does not carry. A message without such fields
    /// takes the answer of the protocol extension, which is nil.
    func emitUnsupported(_ text: inout SwiftText) {
        guard needsUnsupported(structure) else { return }
        text.line("")
        text.block("package func unsupportedField(version: Int16) -> String?") { text in
            for field in structure.fields {
                if let condition = missingCondition(field) {
                    text.line("if \(condition), \(field.differsFromDefault) { return \"\(field.name)\" }")
                }
                if let condition = notNullCondition(field) {
                    text.line("if \(condition), self.\(field.swiftName) == nil { return \"\(field.name)\" }")
                }
                if let name = field.type.structName, let inner = message.structure(name), needsUnsupported(inner) {
                    text.line(
                        "if let field = FieldPath.unsupported(self.\(field.swiftName), version) { return \"\(field.name)\" + field }")
                }
            }
            text.line("return nil")
        }
    }

    private func missingCondition(_ field: Field) -> String? {
        guard !field.ignorable, let present = condition(field.versions) else { return nil }
        return "!(\(present))"
    }

    private func notNullCondition(_ field: Field) -> String? {
        guard field.isOptional, let nullable = field.nullable,
            let allowed = ProtocolGenerator.condition(nullable, in: field.versions)
        else { return nil }
        let present = condition(field.versions).map { "\($0), " } ?? ""
        return "\(present)!(\(allowed))"
    }

    private func needsUnsupported(_ structure: Structure) -> Bool {
        let emitter = StructEmitter(message: message, structure: structure)
        return structure.fields.contains { field in
            if emitter.missingCondition(field) != nil || emitter.notNullCondition(field) != nil { return true }
            guard let name = field.type.structName, let inner = message.structure(name) else { return false }
            return needsUnsupported(inner)
        }
    }
}
