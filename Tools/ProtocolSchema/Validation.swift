// The rules that a schema keeps beyond its grammar. Each refusal names file and line.

/// Checks messages against the rules of `Protocol/README.md`.
public enum Validation {
    /// Throws the first violation in `messages`, which are all messages of the protocol.
    public static func check(_ messages: [Message]) throws(SchemaError) {
        var names: Set<String> = []
        var keys: Set<String> = []
        for message in messages {
            if !names.insert(message.name).inserted { throw refuse(message, message.line, "\(message.name) is declared twice") }
            try check(message)
            guard let key = message.key, message.kind != .key, message.kind != .value else { continue }
            if !keys.insert("\(message.kind) \(key)").inserted {
                throw refuse(message, message.line, "\(message.kind) \(key) is declared twice")
            }
        }
        try checkPairs(messages)
    }

    private static func refuse(_ message: Message, _ line: Int, _ reason: String) -> SchemaError {
        SchemaError(message.file, line, reason)
    }

    private static func checkPairs(_ messages: [Message]) throws(SchemaError) {
        var responses: [Int: Message] = [:]
        for message in messages where message.kind == .response { responses[message.key ?? -1] = message }
        for message in messages where message.kind == .request {
            guard let response = responses[message.key ?? -1], response.versions == message.versions,
                response.flexibleFrom == message.flexibleFrom
            else { throw refuse(message, message.line, "\(message.name) has no response of the same versions") }
        }
    }

    private static func check(_ message: Message) throws(SchemaError) {
        if message.text.isEmpty { throw refuse(message, message.line, "\(message.name) has no description") }
        if message.key == nil, ![.header, .data].contains(message.kind) {
            throw refuse(message, message.line, "\(message.name) has neither key nor type")
        }
        var names: Set<String> = [message.name]
        for structure in message.structs where !names.insert(structure.name).inserted {
            throw refuse(message, structure.line, "struct \(structure.name) is declared twice")
        }
        for structure in [message.root] + message.structs { try check(structure, of: message) }
        try checkCycles(message)
    }

    private static func check(_ structure: Structure, of message: Message) throws(SchemaError) {
        var names: Set<String> = []
        var tags: Set<Int> = []
        for field in structure.fields {
            if !names.insert(field.memberName).inserted {
                throw refuse(message, field.line, "field \(field.name) is declared twice")
            }
            if field.text.isEmpty { throw refuse(message, field.line, "field \(field.name) has no description") }
            if let tag = field.tag {
                if !tags.insert(tag).inserted { throw refuse(message, field.line, "tag \(tag) is used twice") }
                guard let flexible = message.flexibleFrom, field.versions.lower >= flexible else {
                    throw refuse(message, field.line, "field \(field.name) has a tag in a version that is not flexible")
                }
            }
            try checkType(field, of: message)
            try checkDefault(field, of: message)
        }
        let sorted = tags.sorted()
        if let last = sorted.last, last >= 10_000 { throw refuse(message, structure.line, "tag \(last) is not below 10000") }
    }

    private static func checkType(_ field: Field, of message: Message) throws(SchemaError) {
        if case .array(.primitive(let element)) = field.type, [.records, .error, .bool].contains(element) {
            throw refuse(message, field.line, "there are no arrays of \(element.rawValue)")
        }
        if field.inflexible, field.type != .primitive(.string) {
            throw refuse(message, field.line, "only a string can be inflexible")
        }
        if field.nullable != nil, case .primitive(let primitive) = field.type,
            ![.string, .bytes, .records].contains(primitive)
        {
            throw refuse(message, field.line, "\(primitive.rawValue) has no null")
        }
        guard let name = field.type.structName else { return }
        guard let structure = message.structure(name) else { throw refuse(message, field.line, "there is no struct \(name)") }
        if !structure.versions.contains(field.versions) {
            throw refuse(message, field.line, "struct \(name) is not in all of the versions \(field.versions)")
        }
    }

    private static func checkDefault(_ field: Field, of message: Message) throws(SchemaError) {
        guard let text = field.defaultValue else { return }
        let fits: Bool
        switch field.type {
        case _ where text == "null": fits = field.nullable == field.versions
        case .primitive(.bool): fits = text == "true" || text == "false"
        case .primitive(.int8): fits = Int8(text) != nil
        case .primitive(.int16), .primitive(.error): fits = Int16(text) != nil
        case .primitive(.uint16): fits = UInt16(text) != nil
        case .primitive(.int32): fits = Int32(text) != nil
        case .primitive(.uint32): fits = UInt32(text) != nil
        case .primitive(.int64): fits = Int64(text) != nil
        case .primitive(.double): fits = Double(text) != nil
        case .primitive(.string): fits = text == "\"\""
        default: fits = false
        }
        if !fits { throw refuse(message, field.line, "'\(text)' is no default for \(field.type) in all of its versions") }
    }

    private static func checkCycles(_ message: Message) throws(SchemaError) {
        var done: Set<String> = []
        func visit(_ structure: Structure, _ path: [String]) throws(SchemaError) {
            if path.contains(structure.name) { throw refuse(message, structure.line, "struct \(structure.name) holds itself") }
            if done.contains(structure.name) { return }
            for name in structure.fields.compactMap(\.type.structName) {
                if let inner = message.structure(name) { try visit(inner, path + [structure.name]) }
            }
            done.insert(structure.name)
        }
        try visit(message.root, [])
    }
}
