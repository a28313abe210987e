// The decoding initializer: plain fields in order, then the tag section of flexible versions.

import ProtocolSchema

extension StructEmitter {
    func emitDecode(_ text: inout SwiftText) {
        text.block("package init(from reader: inout ByteReader, version: Int16) throws(DecodeError)") { text in
            declaringFlexible(&text) { text in
                eachRun(plainFields, &text) { text, run in
                    for field in run { text.line("self.\(field.swiftName) = \(decode(field, flexible(for: field)))") }
                }
                guard isFlexible else { return }
                if flexible == "flexible" {
                    text.block("if flexible") { emitDecodeTags(&$0) }
                } else {
                    emitDecodeTags(&text)
                }
            }
        }
    }

    private func emitDecodeTags(_ text: inout SwiftText) {
        if taggedFields.isEmpty { return text.line("self.unknownTags = try reader.readUnknownTags()") }
        text.line("var tags = try TagReader(&reader)")
        text.block("while let tag = try tags.next(&reader)") { text in
            text.line("switch tag {")
            for field in taggedFields {
                let guardText = condition(field.versions.intersection(flexibleVersions) ?? field.versions, afterFlexible: true)
                text.line("case \(field.tag!)\(guardText.map { " where \($0)" } ?? ""):")
                text.line("    self.\(field.swiftName) = \(decode(field, "true"))")
                text.line("    try tags.end(&reader, \"\(field.name)\")")
            }
            text.line("default: try tags.keep(&reader, in: &self.unknownTags)")
            text.line("}")
        }
    }

    var flexibleVersions: VersionRange {
        VersionRange(max(message.flexibleFrom ?? 0, structure.versions.lower), structure.versions.upper)
    }

    /// A condition on `range` where the version is known to be flexible.
    func condition(_ range: VersionRange, afterFlexible: Bool) -> String? {
        ProtocolGenerator.condition(range, in: flexibleVersions)
    }

    private var readInteger: String { isHot ? "readInteger" : "readCalled" }

    /// The expression that reads `field`.
    func decode(_ field: Field, _ flexible: String) -> String {
        let name = "\"\(field.name)\""
        let null = field.nullable == nil ? "" : "Nullable"
        var allowed = ""
        if let nullable = field.nullable, let partial = ProtocolGenerator.condition(nullable, in: field.versions) {
            allowed = ", nullable: \(partial)"
        }
        switch field.type {
        case .primitive(let primitive):
            switch primitive {
            case .bool: return "try reader.readBool(\(name))"
            case .double: return "try reader.readDouble(\(name))"
            case .uuid: return "try reader.readUuid(\(name))"
            case .error: return "ErrorCode(rawValue: try reader.\(readInteger)(Int16.self, \(name)))"
            case .string: return "try reader.read\(null)String(\(flexible), \(name)\(allowed))"
            case .bytes: return "try reader.read\(null)Bytes(\(flexible), \(name)\(allowed))"
            case .records: return "try reader.readRecords(\(flexible), \(name))"
            default: return "try reader.\(readInteger)(\(primitive.swiftType).self, \(name))"
            }
        case .structure(let type):
            let tagged = field.nullable == nil ? "" : field.taggedArgument
            return "try reader.read\(null)Struct(\(type).self, version, \(name)\(allowed)\(tagged))"
        case .array(.structure(let type)):
            let minimum = minimumSize(of: type, in: field.versions)
            return "try reader.read\(null)Structs(\(type).self, version, \(flexible), minimum: \(minimum), \(name)\(allowed))"
        case .array(let element):
            return "try reader.read\(null)Array(\(element.swiftType).self, \(flexible), \(name)\(allowed))"
        }
    }

    /// The fewest bytes that a struct takes in any of `versions`: what an array count is checked against.
    func minimumSize(of name: String, in versions: VersionRange) -> Int {
        let range = versions.intersection(structure.versions) ?? versions
        return max(1, (range.lower...range.upper).map { minimumSize(of: name, at: $0) }.min() ?? 1)
    }

    private func minimumSize(of name: String, at version: Int) -> Int {
        guard let structure = message.structure(name) else { return 1 }
        let flexible = message.isFlexible(version)
        var size = flexible ? 1 : 0
        for field in structure.fields where field.tag == nil && field.versions.contains(version) {
            switch field.type {
            case .primitive(let primitive): size += primitive.fixedSize ?? (flexible ? 1 : primitive == .string ? 2 : 4)
            case .array: size += flexible ? 1 : 4
            case .structure(let inner): size += field.nullable == nil ? minimumSize(of: inner, at: version) : 1
            }
        }
        return size
    }
}
