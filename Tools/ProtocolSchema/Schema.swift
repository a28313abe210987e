// The model of the schema files under `Protocol/`: messages, structs and fields with their versions.
//
// Invariant after `Validation`: every struct type that a field names is in `Message.structs`, versions of a field lie
// within those of its struct, and every name is unique where it stands. The notation is described in
// `Protocol/README.md`; `Parser` reads it, `Tools/ProtocolGenerator` turns the model into Swift.

/// A closed range of versions; an open end is `VersionRange.open`.
public struct VersionRange: Hashable, Sendable, CustomStringConvertible {
    public static let open = 32767

    public var lower: Int
    public var upper: Int

    public init(_ lower: Int, _ upper: Int) {
        self.lower = lower
        self.upper = upper
    }

    /// Reads `3`, `3-7` or `3+`.
    public init?(_ text: some StringProtocol) {
        if text.hasSuffix("+"), let lower = Int(text.dropLast()) {
            self.init(lower, VersionRange.open)
        } else if let single = Int(text), single >= 0 {
            self.init(single, single)
        } else {
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard ends.count == 2, let lower = ends[0], let upper = ends[1], lower <= upper else { return nil }
            self.init(lower, upper)
        }
    }

    public func contains(_ other: VersionRange) -> Bool { lower <= other.lower && other.upper <= upper }
    public func contains(_ version: Int) -> Bool { lower <= version && version <= upper }

    /// The versions in both ranges, or nil.
    public func intersection(_ other: VersionRange) -> VersionRange? {
        let low = max(lower, other.lower)
        let high = min(upper, other.upper)
        return low <= high ? VersionRange(low, high) : nil
    }

    public var description: String {
        if lower == upper { return "\(lower)" }
        return upper == VersionRange.open ? "\(lower)+" : "\(lower)-\(upper)"
    }
}

/// The primitive types of the wire; `error` is an int16 that holds an error code.
public enum Primitive: String, Sendable, CaseIterable {
    case bool, int8, int16, uint16, int32, uint32, int64, double, string, bytes, uuid, records, error

    /// Encoded bytes, or nil when the length varies.
    public var fixedSize: Int? {
        switch self {
        case .bool, .int8: 1
        case .int16, .uint16, .error: 2
        case .int32, .uint32: 4
        case .int64, .double: 8
        case .uuid: 16
        case .string, .bytes, .records: nil
        }
    }
}

public indirect enum FieldType: Hashable, Sendable, CustomStringConvertible {
    case primitive(Primitive)
    case structure(String)
    case array(FieldType)

    public var description: String {
        switch self {
        case .primitive(let primitive): primitive.rawValue
        case .structure(let name): name
        case .array(let element): "[\(element)]"
        }
    }

    /// The struct that the field is or that its elements are.
    public var structName: String? {
        switch self {
        case .primitive: nil
        case .structure(let name): name
        case .array(let element): element.structName
        }
    }
}

public struct Field: Sendable {
    public var name: String
    public var type: FieldType
    /// The versions that carry the field: within those of its struct.
    public var versions: VersionRange
    /// The versions in which it may be null; nil for never.
    public var nullable: VersionRange?
    /// The default as written: a number, `true`, `""`, `null`; nil for the type's zero.
    public var defaultValue: String?
    public var tag: Int?
    public var ignorable = false
    public var mapKey = false
    /// The string keeps its two-byte length in flexible versions (only the client id of the request header).
    public var inflexible = false
    public var entity: String?
    public var text: String
    public var line: Int

    /// The name with a small first letter, as JSON and Swift have it.
    public var memberName: String { name.prefix(1).lowercased() + name.dropFirst() }
}

public struct Structure: Sendable {
    public var name: String
    public var versions: VersionRange
    public var fields: [Field]
    public var text: String
    public var line: Int
}

public enum MessageKind: String, Sendable, CaseIterable {
    case request, response, header, metadata, key, value, data
}

public struct Message: Sendable {
    public var kind: MessageKind
    public var name: String
    /// The api key of a request or response, the record type of a record.
    public var key: Int?
    public var versions: VersionRange
    /// The first flexible version; nil when there is none.
    public var flexibleFrom: Int?
    public var listeners: [String] = []
    /// The first version that is not announced unless unstable versions are switched on.
    public var unstableFrom: Int?
    public var text: String
    public var root: Structure
    public var structs: [Structure]
    public var file: String
    public var line: Int

    public func structure(_ name: String) -> Structure? { structs.first { $0.name == name } }
    public func isFlexible(_ version: Int) -> Bool { flexibleFrom.map { version >= $0 } ?? false }
}

/// What is wrong with a schema, and where.
public struct SchemaError: Error, Equatable, Sendable, CustomStringConvertible {
    public var file: String
    public var line: Int
    public var reason: String

    public init(_ file: String, _ line: Int, _ reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }

    public var description: String { "\(file):\(line): error: \(reason)" }
}
