// What is wrong with bytes that do not decode, and where.

/// Malformed input: the reason, the position in the decoded bytes, and the path of the field.
@usableFromInline
package struct DecodeError: Error, Equatable, Sendable, CustomStringConvertible {
    @usableFromInline
    package enum Reason: Equatable, Sendable {
        /// The field needs `needed` bytes and `remaining` are left.
        case truncated(needed: Int, remaining: Int)
        /// A length below zero where there is no null.
        case negativeLength(Int)
        /// A length or count beyond the limit or beyond the bytes that are left.
        case lengthTooLarge(Int)
        /// A variable-length integer of more bytes than its type has room for.
        case varintTooLong
        /// Text that is not UTF-8.
        case invalidText
        /// Null in a field that has none in this version.
        case unexpectedNull
        /// A tag twice, or tags out of order.
        case tagOutOfOrder(UInt32)
        /// A version outside of those that the message has.
        case unsupportedVersion(Int16)
        /// A value that the layout does not allow.
        case invalidValue(String)
    }

    package var reason: Reason
    /// Bytes from the start of what was decoded.
    package var position: Int
    /// Field names from the outermost in, such as `Topics[3].Partitions[0].Records`.
    package var path: String

    package init(_ reason: Reason, position: Int, path: String = "") {
        self.reason = reason
        self.position = position
        self.path = path
    }

    /// The same error as seen from the field `outer` that holds the failing one.
    package func within(_ outer: String) -> DecodeError {
        DecodeError(reason, position: position, path: path.isEmpty ? outer : "\(outer).\(path)")
    }

    @usableFromInline package var description: String { "\(reason) at byte \(position)\(path.isEmpty ? "" : " in \(path)")" }
}
