// The primitive types that arrays are made of.

import Basics
import Bytes

/// A primitive that can be the element of an array.
protocol WireElement: Sendable {
    /// The fewest bytes that an element takes.
    static var minimumSize: Int { get }
    static func read(_ reader: inout ByteReader, _ flexible: Bool, _ field: StaticString) throws(DecodeError) -> Self
    func write(_ writer: inout ByteWriter, _ flexible: Bool)
    func size(_ flexible: Bool) -> Int
}

extension WireElement where Self: FixedWidthInteger & BitwiseCopyable {
    static var minimumSize: Int { bitWidth / 8 }

    static func read(_ reader: inout ByteReader, _ flexible: Bool, _ field: StaticString) throws(DecodeError) -> Self {
        try reader.readInteger(Self.self, field)
    }

    func write(_ writer: inout ByteWriter, _ flexible: Bool) { writer.writeInteger(self) }
    func size(_ flexible: Bool) -> Int { Self.bitWidth / 8 }
}

extension Int8: WireElement {}
extension Int16: WireElement {}
extension UInt16: WireElement {}
extension Int32: WireElement {}
extension UInt32: WireElement {}
extension Int64: WireElement {}

extension Uuid: WireElement {
    static var minimumSize: Int { 16 }

    static func read(_ reader: inout ByteReader, _ flexible: Bool, _ field: StaticString) throws(DecodeError) -> Uuid {
        try reader.readUuid(field)
    }

    func write(_ writer: inout ByteWriter, _ flexible: Bool) { writer.writeUuid(self) }
    func size(_ flexible: Bool) -> Int { 16 }
}

extension String: WireElement {
    static var minimumSize: Int { 1 }

    static func read(_ reader: inout ByteReader, _ flexible: Bool, _ field: StaticString) throws(DecodeError) -> String {
        try reader.readString(flexible, field)
    }

    func write(_ writer: inout ByteWriter, _ flexible: Bool) { writer.writeString(self, flexible) }
    func size(_ flexible: Bool) -> Int { WireSize.string(self, flexible) }
}
