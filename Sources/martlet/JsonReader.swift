// Reading JSON from bytes (RFC 8259). Depth is limited; text may hold any UTF-8 and escapes.

import Bytes

/// A JSON value that was read.
indirect enum JsonValue {
    case null
    case bool(Bool)
    case number(String)
    /// The bytes that the text spells, escapes resolved.
    case string([UInt8])
    case array([JsonValue])
    /// Values with the range of bytes that each stood in.
    case object([(name: String, value: JsonValue, source: Range<Int>)])

    var text: String? {
        switch self {
        case .string(let bytes): String(decoding: bytes, as: UTF8.self)
        case .number(let text): text
        default: nil
        }
    }

    var integer: Int64? {
        if case .number(let text) = self { return Int64(text) }
        return nil
    }
}

/// Malformed JSON.
struct JsonError: Error, CustomStringConvertible {
    var position: Int
    var reason: String
    var description: String { "\(reason) at byte \(position)" }
}

/// A cursor over one JSON text.
struct JsonReader {
    private static let depthMax = 64
    private let bytes: ByteSlice
    private var position = 0

    init(_ bytes: ByteSlice) { self.bytes = bytes }

    /// The value that the bytes hold, with nothing but space around it.
    static func read(_ bytes: ByteSlice) throws(JsonError) -> JsonValue {
        var reader = JsonReader(bytes)
        reader.skipSpace()
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.position == bytes.count else { throw reader.failure("something follows the value") }
        return value
    }

    private func failure(_ reason: String) -> JsonError { JsonError(position: position, reason: reason) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    private mutating func expect(_ character: Character) throws(JsonError) {
        skipSpace()
        guard next == character.asciiValue else { throw failure("'\(character)' is missing") }
        position += 1
    }

    private mutating func value(depth: Int) throws(JsonError) -> JsonValue {
        guard depth < JsonReader.depthMax else { throw failure("too deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ word: String, _ value: JsonValue) throws(JsonError) -> JsonValue {
        for character in word.utf8 {
            guard next == character else { throw failure("no value") }
            position += 1
        }
        return value
    }

    private mutating func number() throws(JsonError) -> JsonValue {
        let start = position
        while let byte = next, (0x30...0x39).contains(byte) || [0x2b, 0x2d, 0x2e, 0x45, 0x65].contains(byte) {
            position += 1
        }
        let text = bytes[start..<position].string
        guard Double(text) != nil else {
            position = start
            throw failure("no value")
        }
        return .number(text)
    }

    private mutating func array(_ depth: Int) throws(JsonError) -> JsonValue {
        try expect("[")
        var items: [JsonValue] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return .array(items)
        }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("]")
            return .array(items)
        }
    }

    private mutating func object(_ depth: Int) throws(JsonError) -> JsonValue {
        try expect("{")
        var fields: [(name: String, value: JsonValue, source: Range<Int>)] = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return .object(fields)
        }
        while true {
            skipSpace()
            let name = String(decoding: try string(), as: UTF8.self)
            try expect(":")
            skipSpace()
            let start = position
            let value = try value(depth: depth + 1)
            fields.append((name, value, start..<position))
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("}")
            return .object(fields)
        }
    }

    private mutating func string() throws(JsonError) -> [UInt8] {
        try expect("\"")
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"): try escape(&text)
            case 0..<0x20: throw failure("a control character in a text")
            default: text.append(byte)
            }
        }
        throw failure("a text has no end")
    }

    private mutating func escape(_ text: inout [UInt8]) throws(JsonError) {
        guard let byte = next else { throw failure("a text has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "u"): try unicode(&text)
        default: throw failure("no escape")
        }
    }

    private mutating func unicode(_ text: inout [UInt8]) throws(JsonError) {
        var code = try hex()
        if (0xd800..<0xdc00).contains(code), next == UInt8(ascii: "\\") {
            position += 1
            guard next == UInt8(ascii: "u") else { throw failure("half a surrogate pair") }
            position += 1
            let low = try hex()
            guard (0xdc00..<0xe000).contains(low) else { throw failure("half a surrogate pair") }
            code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair") }
        text += String(Character(scalar)).utf8
    }

    private mutating func hex() throws(JsonError) -> UInt32 {
        guard bytes.count - position >= 4,
            let code = UInt32(bytes[position..<position + 4].string, radix: 16)
        else { throw failure("four hex digits are missing") }
        position += 4
        return code
    }
}
