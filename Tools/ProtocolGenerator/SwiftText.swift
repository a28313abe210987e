// The words of the generated Swift: names, types, default values, version conditions, and lines with indentation.

import ProtocolSchema

/// Lines of Swift, indented as they are added.
struct SwiftText {
    private(set) var text = ""
    private var depth = 0

    mutating func line(_ line: String) {
        if line.isEmpty {
            text += "\n"
        } else {
            text += String(repeating: "    ", count: depth) + line + "\n"
        }
    }

    /// Adds `head {`, what `body` adds one step deeper, and the closing brace.
    mutating func block(_ head: String, _ body: (inout SwiftText) -> Void) {
        line(head + " {")
        depth += 1
        body(&self)
        depth -= 1
        line("}")
    }
}

private let reserved: Set<String> = [
    "protocol", "operator", "is", "in", "repeat", "where", "default", "case", "as", "class", "struct", "enum", "self",
    "init", "internal", "public", "private", "import", "func", "var", "let", "return", "true", "false",
]

extension Field {
    var swiftName: String { reserved.contains(memberName) ? "`\(memberName)`" : memberName }

    var isOptional: Bool { nullable != nil && type != .primitive(.records) }

    var swiftType: String { type.swiftType + (isOptional ? "?" : "") }

    /// The argument of the functions for structs that may be null.
    var taggedArgument: String { tag == nil ? "" : ", isTagged: true" }

    /// The value of a field that is not on the wire.
    var swiftDefault: String {
        if let defaultValue {
            if defaultValue == "null" { return type == .primitive(.records) ? ".none" : "nil" }
            return type == .primitive(.error) ? "ErrorCode(rawValue: \(defaultValue))" : defaultValue
        }
        // Null is the natural "nothing" where it may be written; elsewhere it is an empty run of batches.
        if type == .primitive(.records), nullable == nil { return ".bytes(.empty)" }
        return type.swiftZero
    }

    /// The expression that is true when the field differs from its default.
    var differsFromDefault: String {
        let value = "self.\(swiftName)"
        if isOptional { return swiftDefault == "nil" ? "\(value) != nil" : "\(value) != .some(\(swiftDefault))" }
        switch type {
        case .array, .primitive(.bytes): return "!\(value).isEmpty"
        case .primitive(.string) where defaultValue == nil || defaultValue == "\"\"": return "!\(value).isEmpty"
        case .primitive(.records): return "!\(value).isNone"
        case .primitive(.bool): return swiftDefault == "true" ? "!\(value)" : value
        default: return "\(value) != \(swiftDefault)"
        }
    }
}

extension FieldType {
    var swiftType: String {
        switch self {
        case .structure(let name): name
        case .array(let element): "[\(element.swiftType)]"
        case .primitive(let primitive): primitive.swiftType
        }
    }

    var swiftZero: String {
        switch self {
        case .structure(let name): "\(name)()"
        case .array: "[]"
        case .primitive(let primitive):
            switch primitive {
            case .bool: "false"
            case .string: "\"\""
            case .bytes: "ByteSlice.empty"
            case .uuid: "Uuid.zero"
            case .records: ".none"
            case .error: "ErrorCode.none"
            default: "0"
            }
        }
    }
}

extension Primitive {
    var swiftType: String {
        switch self {
        case .bool: "Bool"
        case .int8: "Int8"
        case .int16: "Int16"
        case .uint16: "UInt16"
        case .int32: "Int32"
        case .uint32: "UInt32"
        case .int64: "Int64"
        case .double: "Double"
        case .string: "String"
        case .bytes: "ByteSlice"
        case .uuid: "Uuid"
        case .records: "RecordsField"
        case .error: "ErrorCode"
        }
    }
}

/// The condition under which `range` holds for a `version` of `whole`; nil when it always does.
func condition(_ range: VersionRange, in whole: VersionRange) -> String? {
    let low = range.lower > whole.lower
    let high = range.upper < whole.upper
    if low && high { return range.lower == range.upper ? "version == \(range.lower)" : "version >= \(range.lower) && version <= \(range.upper)" }
    if low { return "version >= \(range.lower)" }
    return high ? "version <= \(range.upper)" : nil
}
