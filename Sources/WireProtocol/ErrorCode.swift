// A protocol refusal. The named codes and the table come from `Protocol/error-codes.tsv`; a peer may send others.

/// An error code of the protocol; 0 is success.
@frozen
package struct ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package var rawValue: Int16

    @inlinable package init(rawValue: Int16) { self.rawValue = rawValue }

    /// A line of the table of codes.
    struct Row: Sendable {
        let name: String
        let isRetriable: Bool
        let refreshesMetadata: Bool
        let message: String

        init(_ name: String, _ isRetriable: Bool, _ refreshesMetadata: Bool, _ message: String) {
            self.name = name
            self.isRetriable = isRetriable
            self.refreshesMetadata = refreshesMetadata
            self.message = message
        }
    }

    private var row: Row? {
        guard ErrorCode.allKnown.contains(self) else { return nil }
        return ErrorCode.table[Int(rawValue - ErrorCode.allKnown.lowerBound.rawValue)]
    }

    /// Whether the code says that something failed.
    package var isError: Bool { rawValue != 0 }
    /// Whether the same request may succeed later; false for unknown codes.
    package var isRetriable: Bool { row?.isRetriable ?? false }
    /// Whether a client should refresh its metadata before it tries again.
    package var refreshesMetadata: Bool { row?.refreshesMetadata ?? false }
    /// A sentence for people.
    package var message: String { row?.message ?? "An error that this release does not know." }
    /// The name as the protocol's documents write it, such as `NOT_COORDINATOR`.
    package var description: String { row?.name ?? "ERROR_\(rawValue)" }
}

extension ErrorCode: Comparable {
    package static func < (left: ErrorCode, right: ErrorCode) -> Bool { left.rawValue < right.rawValue }
}
