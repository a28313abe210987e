// Records out of bytes: a line each, or a JSON object each. Lines are views of the block that was read; no line is text.

import Basics
import Bytes
import Client
import Environment
import Reactor
import Records

/// Cuts a stream into lines, block by block.
struct LineBlocks {
    static let blockSize = 1 << 20

    private let separator: UInt8
    private var rest = ByteSlice.empty
    private var isAtEnd = false

    init(separator: UInt8 = 10) { self.separator = separator }

    /// The lines of the next block, without their ends; nil at the end of the stream. The last line needs no end.
    mutating func next(_ stream: StandardStream) throws -> [ByteSlice]? {
        guard !isAtEnd else { return nil }
        var memory = Memory(capacity: max(LineBlocks.blockSize, rest.count * 2))
        memory.copy(rest, to: 0)
        var count = rest.count
        var searched = count
        while true {
            let added = try stream.read(into: memory, at: count)
            count += added
            let block = ByteSlice(memory, offset: 0, count: count)
            if added == 0 {
                isAtEnd = true
                rest = .empty
                return block.isEmpty ? nil : cut(block).lines + (lastLine(block).map { [$0] } ?? [])
            }
            // A terminal or a slow pipe gives a little at a time: what is whole goes out at once.
            guard block.firstIndex(of: separator, from: searched) != nil else {
                searched = count
                if count == memory.capacity {
                    let larger = Memory(capacity: memory.capacity * 2)
                    larger.copy(block, to: 0)
                    memory = larger
                }
                continue
            }
            let (lines, used) = cut(block)
            rest = block.dropFirst(used)
            return lines
        }
    }

    private func cut(_ block: ByteSlice) -> (lines: [ByteSlice], used: Int) {
        var lines: [ByteSlice] = []
        lines.reserveCapacity(block.count / 64)
        var start = 0
        while start < block.count, let end = block.firstIndex(of: separator, from: start) {
            lines.append(block[start..<end])
            start = end + 1
        }
        return (lines, start)
    }

    private func lastLine(_ block: ByteSlice) -> ByteSlice? {
        let used = cut(block).used
        return used < block.count ? block.dropFirst(used) : nil
    }
}

/// Turns lines into records by the options of `martlet produce`.
struct RecordMaker: Sendable {
    var keySeparator: ByteSlice?
    var fixedKey: ByteSlice?
    var partition: Int32?
    var headers: [RecordHeader] = []
    var emptyIsNull = false
    var readsJson = false
    var timestamp: Timestamp?

    func record(_ line: ByteSlice) throws -> ProducerRecord? {
        if readsJson { return try fromJson(line) }
        var key = fixedKey
        var value = line
        if let keySeparator, let range = line.firstRange(of: keySeparator) {
            key = line[0..<range.lowerBound]
            value = line.dropFirst(range.upperBound)
        }
        let isNull = emptyIsNull && value.isEmpty
        return ProducerRecord(
            partition: partition, key: key, value: isNull ? nil : value, headers: headers, timestamp: timestamp)
    }

    /// `{"key":…,"value":…,"headers":…,"partition":…,"timestamp":…}`; other fields are left alone, so that what
    /// `consume -o json` prints can be read. A value that is no text is taken as the JSON that it is.
    private func fromJson(_ line: ByteSlice) throws -> ProducerRecord? {
        if line.array.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { return nil }
        guard case .object(let fields) = try JsonReader.read(line) else {
            throw Failure("a line of input is no JSON object: \(line.prefix(60).string)")
        }
        var record = ProducerRecord(
            partition: partition, key: fixedKey, value: nil, headers: headers, timestamp: timestamp)
        for field in fields {
            switch field.name {
            case "key": record.key = bytes(field.value, line[field.source]) ?? fixedKey
            case "value": record.value = bytes(field.value, line[field.source])
            case "key_base64": record.key = try base64(field.value)
            case "value_base64": record.value = try base64(field.value)
            case "partition": record.partition = partition ?? field.value.integer.map { Int32(clamping: $0) }
            case "timestamp": record.timestamp = field.value.integer.map { Timestamp(milliseconds: $0) }
            case "headers": record.headers += try jsonHeaders(field.value, line)
            default: break
            }
        }
        if emptyIsNull, record.value?.isEmpty == true { record.value = nil }
        return record
    }

    private func bytes(_ value: JsonValue, _ source: ByteSlice) -> ByteSlice? {
        switch value {
        case .null: nil
        case .string(let bytes): ByteSlice(bytes)
        default: source
        }
    }

    private func base64(_ value: JsonValue) throws -> ByteSlice? {
        guard case .string(let text) = value else { return nil }
        guard let bytes = Base64.decode(text) else { throw Failure("'\(String(decoding: text, as: UTF8.self))' is no base64") }
        return ByteSlice(bytes)
    }

    /// `[{"key":…,"value":…}]` or `{"name":"value"}`.
    private func jsonHeaders(_ value: JsonValue, _ line: ByteSlice) throws -> [RecordHeader] {
        switch value {
        case .null: return []
        case .object(let fields):
            return fields.map { RecordHeader(key: $0.name, value: bytes($0.value, line[$0.source])) }
        case .array(let items):
            return try items.map { item in
                guard case .object(let fields) = item,
                    let name = fields.first(where: { $0.name == "key" })?.value.text
                else { throw Failure("a header is no object with a key") }
                if let encoded = fields.first(where: { $0.name == "value_base64" }) {
                    return RecordHeader(key: name, value: try base64(encoded.value))
                }
                let content = fields.first { $0.name == "value" }
                return RecordHeader(key: name, value: content.flatMap { bytes($0.value, line[$0.source]) })
            }
        default: throw Failure("headers are neither a list nor an object")
        }
    }
}
