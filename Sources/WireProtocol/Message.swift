// What every generated struct and message can do, and the kinds of message. The generator writes the conformances;
// decoding and encoding of whole messages, with their checks, are in `Message+Coding`.

package import Bytes

/// A struct of the protocol: a message or a part of one.
///
/// `init(from:version:)`, `write` and `encodedSize` take the version of the message that the struct belongs to, which
/// must be one that the message has; `Message.init(checking:version:)` checks it.
package protocol WireStruct: Sendable, Equatable {
    /// All fields at their defaults.
    init()
    /// Reads the fields of `version`. Throws with the path of the field, from this struct on.
    init(from reader: inout ByteReader, version: Int16) throws(DecodeError)
    /// Appends the fields of `version`; a value that the version does not carry is left out.
    func write(to writer: inout ByteWriter, version: Int16)
    /// Exactly the bytes that `write` appends, spliced records included.
    func encodedSize(version: Int16) -> Int
    /// The fields of `version` by name, for tools and tests.
    func dump(version: Int16) -> FieldDump
    /// The path of a field that holds a value which `version` does not carry and must not lose; nil when all fit.
    func unsupportedField(version: Int16) -> String?
}

extension WireStruct {
    package func unsupportedField(version: Int16) -> String? { nil }

    /// A value with the fields that `fill` sets, the others at their defaults.
    @inlinable
    package init(_ fill: (inout Self) -> Void) {
        self.init()
        fill(&self)
    }
}

package enum MessageKind: Sendable, Hashable {
    case request, response, header, metadata, key, value, data
}

/// The listeners on which a request is answered.
package struct ListenerKinds: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let broker = ListenerKinds(rawValue: 1)
    package static let controller = ListenerKinds(rawValue: 2)
}

/// A whole message with its own versions.
package protocol Message: WireStruct {
    static var messageName: String { get }
    static var kind: MessageKind { get }
    static var versions: ClosedRange<Int16> { get }
    /// The first flexible version (KIP-482); `Int16.max` for never.
    static var flexibleFrom: Int16 { get }
    /// Whether it can hold record batches, which are spliced and not counted for the first block of a writer.
    static var carriesRecords: Bool { get }
}

extension Message {
    package static var carriesRecords: Bool { false }
}

package protocol RequestMessage: Message {
    associatedtype Response: ResponseMessage
    static var apiKey: ApiKey { get }
}

package protocol ResponseMessage: Message {
    static var apiKey: ApiKey { get }
}

/// A record of the cluster metadata log.
package protocol MetadataMessage: Message {
    static var recordType: Int16 { get }
}

/// The key of a record in a coordinator's log; its type number tells what value belongs to it.
package protocol RecordKeyMessage: Message {
    associatedtype Value: RecordValueMessage
    static var recordType: Int16 { get }
}

/// The value of a record in a coordinator's log.
package protocol RecordValueMessage: Message {
    static var recordType: Int16 { get }
}
