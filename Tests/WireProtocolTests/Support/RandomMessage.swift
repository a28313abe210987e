// A second, naive reading of the schema files: random values of a message, with their bytes and their dump made straight
// from the schema and sharing no code with the generator's emitter. What the generated code does is held against it.

import Basics
import Bytes
import Foundation
import ProtocolSchema
import WireProtocol

/// The messages of `Protocol/`, parsed anew.
enum Schemas {
    static let all: Result<[ProtocolSchema.Message], SchemaError> = {
        var messages: [ProtocolSchema.Message] = []
        let files = FileManager.default.enumerator(at: Folders.protocolFiles, includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "schema" else { continue }
            let source = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
            do throws(SchemaError) {
                messages += try Parser.parse(source, file: file.lastPathComponent)
            } catch {
                return .failure(error)
            }
        }
        return .success(messages.sorted { $0.name < $1.name })
    }()
}

/// Makes random values of one message in one version.
struct RandomMessage {
    let message: ProtocolSchema.Message
    let version: Int
    var random: SeededRandom
    /// Whether unknown tags may be added; the dump does not show them.
    var unknownTags = true

    private var flexible: Bool { message.isFlexible(version) }

    init(_ message: ProtocolSchema.Message, version: Int, random: SeededRandom) {
        self.message = message
        self.version = version
        self.random = random
    }

    mutating func make() -> (bytes: [UInt8], dump: FieldDump) { make(message.root, depth: 0) }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func make(_ structure: Structure, depth: Int) -> ([UInt8], FieldDump) {
        var bytes: [UInt8] = []
        var dump = FieldDump()
        var tags: [(tag: Int, bytes: [UInt8])] = []
        for field in structure.fields where field.versions.contains(version) {
            guard let tag = field.tag else {
                let (encoded, value) = make(field, flexible: flexible && !field.inflexible, depth: depth)
                bytes += encoded
                dump.add(field.memberName, value)
                continue
            }
            guard flexible, chance(60) else { continue }
            let (encoded, value) = make(field, flexible: true, depth: depth)
            if isDefault(value, of: field) { continue }
            tags.append((tag, encoded))
            dump.add(field.memberName, value)
        }
        guard flexible else { return (bytes, dump) }
        if unknownTags, chance(20) {
            let known = Set(structure.fields.compactMap(\.tag))
            for tag in [Int.random(in: 0..<12, using: &random), 20_000] where !known.contains(tag) {
                tags.append((tag, randomBytes(Int.random(in: 0..<200, using: &random))))
            }
        }
        tags.sort { $0.tag < $1.tag }
        bytes += varint(tags.count)
        for tag in tags { bytes += varint(tag.tag) + varint(tag.bytes.count) + tag.bytes }
        return (bytes, dump)
    }

    private mutating func make(_ field: Field, flexible: Bool, depth: Int) -> ([UInt8], FieldValue) {
        let nullable = field.nullable?.contains(version) ?? false
        if case .structure(let name) = field.type {
            guard nullable else { return object(make(message.structure(name)!, depth: depth + 1)) }
            if chance(30) { return ([field.tag == nil ? 0xff : 0], .null) }
            let (bytes, value) = object(make(message.structure(name)!, depth: depth + 1))
            return ([1] + bytes, value)
        }
        if nullable, chance(25) {
            if flexible { return ([0], .null) }
            return (field.type == .primitive(.string) ? [0xff, 0xff] : [0xff, 0xff, 0xff, 0xff], .null)
        }
        if case .array(let element) = field.type { return array(of: element, flexible, depth) }
        guard case .primitive(let primitive) = field.type else { return ([], .null) }
        return make(primitive, flexible)
    }

    private func object(_ made: ([UInt8], FieldDump)) -> ([UInt8], FieldValue) { (made.0, .object(made.1)) }

    private mutating func array(of element: FieldType, _ flexible: Bool, _ depth: Int) -> ([UInt8], FieldValue) {
        let count = Int.random(in: 0...(depth > 2 ? 1 : 3), using: &random)
        var bytes = length(count, flexible)
        var values: [FieldValue] = []
        for _ in 0..<count {
            let (encoded, value): ([UInt8], FieldValue)
            switch element {
            case .structure(let name): (encoded, value) = object(make(message.structure(name)!, depth: depth + 1))
            case .primitive(let primitive): (encoded, value) = make(primitive, flexible)
            case .array: fatalError("there are no arrays of arrays")
            }
            bytes += encoded
            values.append(value)
        }
        return (bytes, .array(values))
    }

    private mutating func make(_ primitive: Primitive, _ flexible: Bool) -> ([UInt8], FieldValue) {
        switch primitive {
        case .bool:
            let flag = Bool.random(using: &random)
            return ([flag ? 1 : 0], .bool(flag))
        case .int8: return integer(Int8.self)
        case .int16, .error: return integer(Int16.self)
        case .uint16: return integer(UInt16.self)
        case .int32: return integer(Int32.self)
        case .uint32: return integer(UInt32.self)
        case .int64: return integer(Int64.self)
        case .double:
            let value = Double.random(in: -1e9...1e9, using: &random)
            return (big(value.bitPattern), .double(value))
        case .uuid:
            let id = Uuid(high: random.next(), low: random.next())
            return (big(id.high) + big(id.low), .uuid(id))
        case .string:
            let text = String((0..<Int.random(in: 0..<20, using: &random)).map { _ in "aé€𝄞-9".randomElement(using: &random)! })
            let utf8 = Array(text.utf8)
            return ((flexible ? varint(utf8.count + 1) : big(Int16(utf8.count))) + utf8, .text(text))
        case .bytes, .records:
            let bytes = randomBytes(chance(10) ? 3000 : Int.random(in: 0..<40, using: &random))
            let slice = ByteSlice(bytes)
            return (length(bytes.count, flexible) + bytes, primitive == .bytes ? .bytes(slice) : .records(slice))
        }
    }

    private mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> ([UInt8], FieldValue) {
        let value = Value(truncatingIfNeeded: random.next() >> UInt64.random(in: 0..<64, using: &random))
        return (big(value), .integer(Int64(value)))
    }

    private mutating func randomBytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    private func big(_ value: some FixedWidthInteger) -> [UInt8] {
        stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private func varint(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private func length(_ count: Int, _ flexible: Bool) -> [UInt8] { flexible ? varint(count + 1) : big(Int32(count)) }

    /// Whether `value` is what `field` holds when it is not on the wire: such a tagged field is not written.
    private func isDefault(_ value: FieldValue, of field: Field) -> Bool {
        switch value {
        case .null: return field.defaultValue == "null"
        case .integer(let number): return number == Int64(field.defaultValue ?? "0")
        case .bool(let flag): return flag == (field.defaultValue == "true")
        case .double(let number): return number == 0
        case .text(let text): return text.isEmpty && field.defaultValue != "null"
        case .uuid(let id): return id == .zero
        case .bytes(let slice), .records(let slice): return slice.isEmpty && field.defaultValue != "null"
        case .array(let values): return values.isEmpty && field.defaultValue != "null"
        case .object(let dump): return field.defaultValue != "null" && isDefault(dump, of: field)
        }
    }

    /// A struct at its defaults; a tagged field in it is absent then. It may have unknown tags, which the dump hides: so
    /// this answers true only where no unknown tags are made.
    private func isDefault(_ dump: FieldDump, of field: Field) -> Bool {
        guard let name = field.type.structName, let structure = message.structure(name) else { return false }
        return dump.entries.allSatisfy { entry in
            guard let inner = structure.fields.first(where: { $0.memberName == entry.name }) else { return false }
            return inner.tag == nil && isDefault(entry.value, of: inner)
        }
    }
}
