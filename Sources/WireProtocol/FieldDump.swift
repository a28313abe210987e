// A message as a tree of named values, for `dump` commands and tests.
//
// Every generated struct adds its fields with one call each, so that there is no second description of the messages at
// run time. Names, nulls and the omission of tagged fields at their defaults are as Kafka's own JSON form has them;
// the product needs this for its inspection commands, so it lives here and not in the tests.

package import Basics
package import Bytes

/// The value of a field.
package indirect enum FieldValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case text(String)
    case uuid(Uuid)
    case bytes(ByteSlice)
    case records(ByteSlice)
    case array([FieldValue])
    case object(FieldDump)
}

/// The fields of a struct in order.
///
/// The generic functions are never specialized: for 580 structs that would cost more code than decoding does.
package struct FieldDump: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var name: String
        package var value: FieldValue
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package mutating func add(_ name: String, _ value: FieldValue) { entries.append(Entry(name: name, value: value)) }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    mutating func add(_ name: StaticString, _ value: some Dumpable, _ version: Int16) {
        add("\(name)", value.dumped(version))
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    mutating func add(_ name: StaticString, _ value: some WireStruct, _ version: Int16) {
        add("\(name)", .object(value.dump(version: version)))
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    mutating func add<Value: WireStruct>(_ name: StaticString, _ value: Value?, _ version: Int16) {
        add("\(name)", value.map { .object($0.dump(version: version)) } ?? .null)
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    mutating func add(_ name: StaticString, _ values: [some WireStruct], _ version: Int16) {
        add("\(name)", .array(values.map { .object($0.dump(version: version)) }))
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    mutating func add<Value: WireStruct>(_ name: StaticString, _ values: [Value]?, _ version: Int16) {
        add("\(name)", values.map { .array($0.map { .object($0.dump(version: version)) }) } ?? .null)
    }
}

/// A primitive that knows its value in a dump.
protocol Dumpable {
    func dumped(_ version: Int16) -> FieldValue
}

extension Dumpable where Self: BinaryInteger {
    func dumped(_ version: Int16) -> FieldValue { .integer(Int64(self)) }
}

extension Int8: Dumpable {}
extension Int16: Dumpable {}
extension UInt16: Dumpable {}
extension Int32: Dumpable {}
extension UInt32: Dumpable {}
extension Int64: Dumpable {}

extension Bool: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .bool(self) }
}

extension Double: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .double(self) }
}

extension String: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .text(self) }
}

extension Uuid: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .uuid(self) }
}

extension ByteSlice: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .bytes(self) }
}

extension ErrorCode: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .integer(Int64(rawValue)) }
}

extension RecordsField: Dumpable {
    func dumped(_ version: Int16) -> FieldValue {
        switch self {
        case .none: .null
        case .bytes(let slice): .records(slice)
        case .pieces: .text("\(count) bytes in pieces")
        }
    }
}

extension Optional: Dumpable where Wrapped: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { self?.dumped(version) ?? .null }
}

extension Array: Dumpable where Element: Dumpable {
    func dumped(_ version: Int16) -> FieldValue { .array(map { $0.dumped(version) }) }
}
