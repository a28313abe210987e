// How a record is shown: a format like kcat's, or one line of JSON.
//
//     %t topic   %p partition   %o offset   %T timestamp (ms)   %k key   %s value (also %v)   %h headers
//     %K %S      bytes of key and value, -1 for null (also %V)   %%  \n \t \r \\ \0 \xHH
//
// Null is empty in a format and null in JSON. In JSON bytes that are no UTF-8 stand as base64 under `key_base64` and
// `value_base64`; `produce --input json` reads both.

import Basics
import Bytes
import Client
import Records

/// A parsed format.
struct RecordFormat: Sendable {
    enum Part: Sendable {
        case literal(ByteSlice)
        case topic, partition, offset, timestamp, key, value, headers, keyCount, valueCount
    }

    let parts: [Part]
    /// The plain case of values with a line end after each.
    let isValueLines: Bool

    init(_ text: String) throws(UsageError) {
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = Array(text.utf8)[...]
        func flush() {
            if !literal.isEmpty { parts.append(.literal(ByteSlice(literal))) }
            literal = []
        }
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") {
                literal.append(try RecordFormat.escape(&rest))
            } else if byte == UInt8(ascii: "%") {
                guard let letter = rest.popFirst() else { throw UsageError(description: "a format ends with %") }
                guard letter != byte else {
                    literal.append(byte)
                    continue
                }
                flush()
                parts.append(try RecordFormat.part(letter))
            } else {
                literal.append(byte)
            }
        }
        flush()
        self.parts = parts
        if parts.count == 2, case .value = parts[0], case .literal(let end) = parts[1], end.array == [10] {
            isValueLines = true
        } else {
            isValueLines = false
        }
    }

    private static func part(_ letter: UInt8) throws(UsageError) -> Part {
        switch Character(Unicode.Scalar(letter)) {
        case "t": .topic
        case "p": .partition
        case "o": .offset
        case "T", "d": .timestamp
        case "k": .key
        case "s", "v": .value
        case "h": .headers
        case "K": .keyCount
        case "S", "V": .valueCount
        case let other: throw UsageError(description: "%\(other) is no part of a format; see --help")
        }
    }

    private static func escape(_ rest: inout ArraySlice<UInt8>) throws(UsageError) -> UInt8 {
        switch rest.popFirst().map({ Character(Unicode.Scalar($0)) }) {
        case "n": return 10
        case "t": return 9
        case "r": return 13
        case "0": return 0
        case "\\": return UInt8(ascii: "\\")
        case "x":
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.count == 2, let value = UInt8(digits, radix: 16) else {
                throw UsageError(description: "\\x needs two hex digits")
            }
            rest = rest.dropFirst(2)
            return value
        case let other: throw UsageError(description: "\\\(other.map { "\($0)" } ?? "") is no escape")
        }
    }

    /// Bytes that a command line gave, escapes resolved.
    static func bytes(_ text: String) throws(UsageError) -> ByteSlice {
        var found: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            found.append(byte == UInt8(ascii: "\\") ? try escape(&rest) : byte)
        }
        return ByteSlice(found)
    }

    func write(_ record: Record, of partition: TopicPartition, to output: Output) throws {
        if isValueLines {
            if let value = record.value { try output.write(value) }
            return output.write(byte: 10)
        }
        for part in parts {
            switch part {
            case .literal(let bytes): try output.write(bytes)
            case .topic: try output.write(partition.topic)
            case .partition: try output.write(String(partition.partition))
            case .offset: try output.write(String(record.offset.rawValue))
            case .timestamp: try output.write(String(record.timestamp.milliseconds))
            case .key: if let key = record.key { try output.write(key) }
            case .value: if let value = record.value { try output.write(value) }
            case .keyCount: try output.write(String(record.key?.count ?? -1))
            case .valueCount: try output.write(String(record.value?.count ?? -1))
            case .headers:
                for (index, header) in record.headers.enumerated() {
                    try output.write(index == 0 ? "\(header.key)=" : ",\(header.key)=")
                    if let value = header.value { try output.write(value) }
                }
            }
        }
    }
}

/// Records as lines of JSON.
enum RecordJson {
    static func write(_ record: Record, of partition: TopicPartition, to output: Output) throws {
        var line: [UInt8] = []
        line.reserveCapacity(128 + (record.value?.count ?? 0))
        line += "{\"topic\":".utf8
        Json.quote(partition.topic.utf8, into: &line)
        line += ",\"partition\":\(partition.partition),\"offset\":\(record.offset),\"timestamp\":\(record.timestamp)".utf8
        field("key", record.key, &line)
        field("value", record.value, &line)
        if record.headerCount > 0 {
            line += ",\"headers\":[".utf8
            for (index, header) in record.headers.enumerated() {
                line += (index == 0 ? "{\"key\":" : ",{\"key\":").utf8
                Json.quote(header.key.utf8, into: &line)
                field("value", header.value, &line)
                line.append(UInt8(ascii: "}"))
            }
            line.append(UInt8(ascii: "]"))
        }
        line += "}\n".utf8
        try output.write(bytes: line)
    }

    private static func field(_ name: String, _ bytes: ByteSlice?, _ line: inout [UInt8]) {
        guard let bytes else { return line += ",\"\(name)\":null".utf8 }
        let array = bytes.array
        if bytes.validString != nil {
            line += ",\"\(name)\":".utf8
            Json.quote(array, into: &line)
        } else {
            line += ",\"\(name)_base64\":\"\(Base64.encode(array))\"".utf8
        }
    }
}
