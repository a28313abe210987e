// Record batches inside of a message. They are never looked at here: a received field is a view of the frame, and what
// is sent are slices and file ranges, spliced into the response and never copied.

package import Bytes

/// The value of a `records` field.
package enum RecordsField: Sendable {
    /// Null on the wire.
    case none
    /// Batches in memory, one after the other.
    case bytes(ByteSlice)
    /// Batches as pieces, of which some may be ranges of files.
    case pieces([Outgoing])

    package var isNone: Bool {
        if case .none = self { return true }
        return false
    }

    /// Bytes of all batches; 0 for none.
    package var count: Int {
        switch self {
        case .none: 0
        case .bytes(let slice): slice.count
        case .pieces(let pieces): pieces.reduce(0) { $0 + $1.count }
        }
    }

    /// The batches, when they are in memory in one piece; nil for null and for pieces.
    package var slice: ByteSlice? {
        if case .bytes(let slice) = self { return slice }
        return nil
    }
}

extension RecordsField: Equatable {
    /// Equal bytes, or the same pieces; a file region equals only itself.
    package static func == (left: RecordsField, right: RecordsField) -> Bool {
        switch (left, right) {
        case (.none, .none): return true
        case (.bytes(let left), .bytes(let right)): return left == right
        case (.pieces(let left), .pieces(let right)): return left.elementsEqual(right, by: same)
        default: return false
        }
    }

    private static func same(_ left: Outgoing, _ right: Outgoing) -> Bool {
        switch (left, right) {
        case (.bytes(let left), .bytes(let right)): left == right
        case (.file(let left), .file(let right)):
            left.source === right.source && left.position == right.position && left.count == right.count
        default: false
        }
    }
}
