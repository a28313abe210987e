// Reads the lines of one schema file into messages. Anything that it does not know is refused with file and line;
// rules that need more than one line are in `Validation`.

/// Reads one schema file.
public struct Parser {
    private let file: String
    private var lines: ArraySlice<Line>
    private var structs: [Structure] = []

    private init(_ source: String, file: String) {
        self.file = file
        lines = Lexer.lines(source)[...]
    }

    /// The messages of `source`; `file` is named in errors.
    public static func parse(_ source: String, file: String) throws(SchemaError) -> [Message] {
        var parser = Parser(source, file: file)
        var messages: [Message] = []
        while !parser.lines.isEmpty { messages.append(try parser.message()) }
        return messages
    }

    private mutating func message() throws(SchemaError) -> Message {
        var text = ""
        while let line = lines.first, line.words.isEmpty {
            text += text.isEmpty ? line.text : " " + line.text
            lines.removeFirst()
        }
        guard let head = lines.popFirst() else { throw SchemaError(file, 0, "a description without a message") }
        guard head.opens, head.words.count >= 2, let kind = MessageKind(rawValue: head.words[0]) else {
            throw SchemaError(file, head.number, "expected '<kind> <Name> … {'")
        }
        let (attributes, versions) = try headAttributes(head)
        structs = []
        let fields = try block(within: versions)
        let root = Structure(name: head.words[1], versions: versions, fields: fields, text: text, line: head.number)
        var message = Message(
            kind: kind, name: head.words[1], versions: versions, text: text, root: root, structs: structs, file: file,
            line: head.number)
        message.key = try attributes["key"].map { word throws(SchemaError) in try number(word, head.number) }
        if let flexible = attributes["flexible"] {
            guard let range = VersionRange(flexible), range.upper == VersionRange.open else {
                throw SchemaError(file, head.number, "flexible wants a range with an open end")
            }
            message.flexibleFrom = range.lower
        }
        message.listeners = attributes["listeners"]?.split(separator: ",").map(String.init) ?? []
        message.unstableFrom = try attributes["unstable"].map { word throws(SchemaError) in try number(word, head.number) }
        return message
    }

    private func headAttributes(_ head: Line) throws(SchemaError) -> ([String: String], VersionRange) {
        var attributes: [String: String] = [:]
        var words = head.words.dropFirst(2)
        while let name = words.popFirst() {
            guard ["key", "type", "versions", "flexible", "listeners", "unstable"].contains(name) else {
                throw SchemaError(file, head.number, "unknown word '\(name)'")
            }
            guard let value = words.popFirst() else { throw SchemaError(file, head.number, "'\(name)' wants a value") }
            attributes[name == "type" ? "key" : name] = value
        }
        guard let text = attributes["versions"], let versions = VersionRange(text), versions.upper < VersionRange.open
        else { throw SchemaError(file, head.number, "a message has 'versions' with two ends") }
        return (attributes, versions)
    }

    private func number(_ word: String, _ line: Int) throws(SchemaError) -> Int {
        guard let value = Int(word) else { throw SchemaError(file, line, "'\(word)' is no number") }
        return value
    }

    /// The fields up to the closing brace; structs declared on the way are collected.
    private mutating func block(within versions: VersionRange) throws(SchemaError) -> [Field] {
        var fields: [Field] = []
        while let line = lines.popFirst() {
            if line.words == ["}"] { return fields }
            if line.words.first == "struct" {
                try structure(line, within: versions)
            } else {
                fields.append(try field(line, within: versions))
            }
        }
        throw SchemaError(file, 0, "a block is not closed")
    }

    private mutating func structure(_ line: Line, within versions: VersionRange) throws(SchemaError) {
        guard line.opens, line.words.count >= 2 else { throw SchemaError(file, line.number, "expected 'struct <Name> {'") }
        var own = versions
        if line.words.count > 2 {
            guard line.words.count == 3, let range = VersionRange(line.words[2])?.intersection(versions) else {
                throw SchemaError(file, line.number, "'\(line.words.dropFirst(2).joined(separator: " "))' are no versions here")
            }
            own = range
        }
        let fields = try block(within: own)
        structs.append(Structure(name: line.words[1], versions: own, fields: fields, text: line.text, line: line.number))
    }

    private mutating func field(_ line: Line, within versions: VersionRange) throws(SchemaError) -> Field {
        guard line.words.count >= 2 else { throw SchemaError(file, line.number, "a field has a name and a type") }
        let (type, nullableText) = try fieldType(line.words[1], line.number)
        var field = Field(name: line.words[0], type: type, versions: versions, text: line.text, line: line.number)
        try fieldAttributes(&field, line.words.dropFirst(2), within: versions)
        if let nullableText {
            let range = nullableText.isEmpty ? field.versions : VersionRange(nullableText)?.intersection(field.versions)
            guard let range else { throw SchemaError(file, line.number, "'\(nullableText)' are no versions of this field") }
            field.nullable = range
        }
        if line.opens {
            guard let name = type.structName else {
                throw SchemaError(file, line.number, "a field of type \(type) has no fields of its own")
            }
            let fields = try block(within: field.versions)
            structs.append(
                Structure(name: name, versions: field.versions, fields: fields, text: line.text, line: line.number))
        }
        return field
    }

    private func fieldAttributes(
        _ field: inout Field, _ words: ArraySlice<String>, within versions: VersionRange
    ) throws(SchemaError) {
        var words = words
        while let word = words.popFirst() {
            switch word {
            case "=", "tag", "is":
                guard let value = words.popFirst() else { throw SchemaError(file, field.line, "'\(word)' wants a value") }
                if word == "=" { field.defaultValue = value }
                if word == "is" { field.entity = value }
                if word == "tag" { field.tag = try number(value, field.line) }
            case "ignorable": field.ignorable = true
            case "mapKey": field.mapKey = true
            case "inflexible": field.inflexible = true
            default:
                guard let range = VersionRange(word) else { throw SchemaError(file, field.line, "unknown word '\(word)'") }
                guard let own = range.intersection(versions) else {
                    throw SchemaError(file, field.line, "no version of the struct is in \(range)")
                }
                field.versions = own
            }
        }
    }

    /// The type, and the versions behind its `?`; empty text for a bare `?`, nil without one.
    private func fieldType(_ word: String, _ line: Int) throws(SchemaError) -> (FieldType, String?) {
        var name = word[...]
        var nullable: String?
        if let mark = word.firstIndex(of: "?") {
            name = word[..<mark]
            nullable = String(word[word.index(after: mark)...])
        }
        var isArray = false
        if name.hasPrefix("["), name.hasSuffix("]") {
            isArray = true
            name = name.dropFirst().dropLast()
        }
        let element: FieldType
        if let primitive = Primitive(rawValue: String(name)) {
            element = .primitive(primitive)
        } else if name.first?.isUppercase == true, name.allSatisfy({ $0.isLetter || $0.isNumber }) {
            element = .structure(String(name))
        } else {
            throw SchemaError(file, line, "'\(word)' is no type")
        }
        return (isArray ? .array(element) : element, nullable)
    }
}
