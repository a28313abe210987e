// Encoding and the exact size. Fixed sizes of a run are added up here, so that the generated code adds a constant.

import ProtocolSchema

extension StructEmitter {
    /// A bit per tagged field that is to be written: bit `n` for the n-th in tag order.
    func emitPresentTags(_ text: inout SwiftText) {
        text.block("private func presentTags(_ version: Int16) -> UInt32") { text in
            text.line("var present: UInt32 = 0")
            for (bit, field) in taggedFields.enumerated() {
                let versions = condition(field.versions, afterFlexible: true).map { "\($0), " } ?? ""
                text.line("if \(versions)\(field.differsFromDefault) { present |= \(1 << bit) }")
            }
            text.line("return present")
        }
    }

    func emitWrite(_ text: inout SwiftText) {
        text.block("package func write(to writer: inout ByteWriter, version: Int16)") { text in
            declaringFlexible(&text) { text in
                eachRun(plainFields, &text) { text, run in
                    for field in run { text.line(write(field, flexible(for: field))) }
                }
                guard isFlexible else { return }
                if flexible == "flexible" {
                    text.block("if flexible") { emitWriteTags(&$0) }
                } else {
                    emitWriteTags(&text)
                }
            }
        }
    }

    private func emitWriteTags(_ text: inout SwiftText) {
        if taggedFields.isEmpty { return text.line("writer.writeTags(self.unknownTags)") }
        text.line("let present = presentTags(version)")
        text.line("var tags = TagWriter(&writer, self.unknownTags, known: present.nonzeroBitCount)")
        for (bit, field) in taggedFields.enumerated() {
            text.block("if present & \(1 << bit) != 0") { text in
                text.line("tags.begin(&writer, tag: \(field.tag!), size: \(size(field, "true")))")
                text.line(write(field, "true"))
            }
        }
        text.line("tags.finish(&writer)")
    }

    private var writeInteger: String { isHot ? "writeInteger" : "writeCalled" }

    /// The statement that writes `field`.
    private func write(_ field: Field, _ flexible: String) -> String {
        let value = "self.\(field.swiftName)"
        let null = field.nullable == nil ? "" : "Nullable"
        let allowed = nullableArgument(field)
        switch field.type {
        case .primitive(let primitive):
            switch primitive {
            case .bool: return "writer.writeBool(\(value))"
            case .double: return "writer.writeDouble(\(value))"
            case .uuid: return "writer.writeUuid(\(value))"
            case .error: return "writer.\(writeInteger)(\(value).rawValue)"
            case .string: return "writer.write\(null)String(\(value), \(flexible)\(allowed))"
            case .bytes: return "writer.write\(null)Bytes(\(value), \(flexible)\(allowed))"
            case .records: return "writer.writeRecords(\(value), \(flexible))"
            default: return "writer.\(writeInteger)(\(value))"
            }
        case .structure:
            if field.nullable == nil { return "\(value).write(to: &writer, version: version)" }
            return "writer.writeNullableStruct(\(value), version\(allowed)\(field.taggedArgument))"
        case .array(.structure):
            return "writer.write\(null)Structs(\(value), version, \(flexible)\(allowed))"
        case .array:
            return "writer.write\(null)Array(\(value), \(flexible)\(allowed))"
        }
    }

    private func nullableArgument(_ field: Field) -> String {
        guard let nullable = field.nullable,
            let partial = ProtocolGenerator.condition(nullable, in: field.versions)
        else { return "" }
        return ", nullable: \(partial)"
    }

    func emitSize(_ text: inout SwiftText) {
        text.block("package func encodedSize(version: Int16) -> Int") { text in
            declaringFlexible(&text) { text in
                var always = 0
                for field in plainFields where condition(field.versions) == nil { always += fixedSize(field) ?? 0 }
                let varies = isFlexible || plainFields.contains { condition($0.versions) != nil || fixedSize($0) == nil }
                guard varies else { return text.line("return \(always)") }
                text.line("var size = \(always)")
                eachRun(plainFields, &text) { text, run in
                    let fixed = run.compactMap(fixedSize).reduce(0, +)
                    if fixed > 0, condition(run[0].versions) != nil { text.line("size += \(fixed)") }
                    for field in run where fixedSize(field) == nil {
                        text.line("size += \(size(field, flexible(for: field)))")
                    }
                }
                if isFlexible { emitTagSize(&text) }
                text.line("return size")
            }
        }
    }

    private func emitTagSize(_ text: inout SwiftText) {
        func section(_ text: inout SwiftText) {
            if taggedFields.isEmpty { return text.line("size += self.unknownTags.sectionSize(known: 0)") }
            text.line("let present = presentTags(version)")
            text.line("size += self.unknownTags.sectionSize(known: present.nonzeroBitCount)")
            for (bit, field) in taggedFields.enumerated() {
                text.line("if present & \(1 << bit) != 0 { size += WireSize.tag(\(field.tag!), \(size(field, "true"))) }")
            }
        }
        if flexible == "flexible" {
            text.block("if flexible") { section(&$0) }
        } else {
            section(&text)
        }
    }

    private func fixedSize(_ field: Field) -> Int? {
        guard case .primitive(let primitive) = field.type else { return nil }
        return primitive.fixedSize
    }

    /// The expression for the encoded size of `field`.
    private func size(_ field: Field, _ flexible: String) -> String {
        if let fixed = fixedSize(field) { return "\(fixed)" }
        let value = "self.\(field.swiftName)"
        let null = field.nullable == nil ? "" : "nullable"
        let allowed = nullableArgument(field)
        func call(_ name: String, _ arguments: String) -> String {
            let function = null.isEmpty ? name : null + name.prefix(1).uppercased() + name.dropFirst()
            return "WireSize.\(function)(\(value), \(arguments)\(allowed))"
        }
        switch field.type {
        case .primitive(.string): return call("string", flexible)
        case .primitive(.records): return "WireSize.records(\(value), \(flexible))"
        case .primitive: return call("bytes", flexible)
        case .structure: return null.isEmpty ? "\(value).encodedSize(version: version)" : call("struct", "version")
        case .array(.structure): return call("structs", "version, \(flexible)")
        case .array: return call("array", flexible)
        }
    }
}
