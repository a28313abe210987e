// Names of the files of a partition's folder. Kafka's, down to the digit:
//
//     <topic>-<partition>/00000000000000000000.log         batches
//                         00000000000000000000.index       offset index
//                         00000000000000000000.timeindex   time index
//                         00000000000000000000.txnindex    aborted transactions
//                         00000000000000000000.snapshot    producer state before this offset
//                         leader-epoch-checkpoint, partition.metadata

package import Basics

/// The kinds of files that are named by an offset.
package enum SegmentFileKind: String, CaseIterable, Sendable {
    case log = "log"
    case offsetIndex = "index"
    case timeIndex = "timeindex"
    case transactionIndex = "txnindex"
    case producerSnapshot = "snapshot"
}

package enum SegmentFiles {
    /// Behind the name of a file that is to be removed.
    package static let deletedSuffix = ".deleted"
    /// Behind the names of a compacted segment that is being written.
    package static let cleanedSuffix = ".cleaned"
    /// Behind the names of a compacted segment that is to take the place of others.
    package static let swapSuffix = ".swap"

    /// `base` in 20 digits with the suffix of the kind.
    package static func name(_ base: Offset, _ kind: SegmentFileKind) -> String {
        let digits = String(base.rawValue)
        return String(repeating: "0", count: max(0, 20 - digits.utf8.count)) + digits + "." + kind.rawValue
    }

    /// The offset and kind that a name stands for; nil for any other file, such as one on its way out.
    package static func parse(_ name: String) -> (base: Offset, kind: SegmentFileKind)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 20, let kind = SegmentFileKind(rawValue: String(parts[1])),
            let base = Int64(parts[0]), base >= 0
        else { return nil }
        return (Offset(base), kind)
    }

    /// The same for a name with `suffix` behind it; nil if it has not.
    package static func parse(_ name: String, suffix: String) -> (base: Offset, kind: SegmentFileKind)? {
        name.hasSuffix(suffix) ? parse(String(name.dropLast(suffix.count))) : nil
    }
}
