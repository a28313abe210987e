// Letting go of the beginning of a log whose content is kept elsewhere: the metadata log below a snapshot (KIP-630).
//
// Segments go one after the other from the first on, each gone for good before the next one goes, so that what a crash
// leaves has no hole.

package import Basics
internal import Environment
internal import Synchronization

extension PartitionLog {
    /// Size in bytes and base offset of each segment, in order.
    package var segmentSizes: [(base: Offset, size: Int)] {
        let view = view
        return view.segments.indices.map { (view.segments[$0].base, publishedSize(of: $0, in: view)) }
    }

    /// Moves the start of the log to `offset` and removes the segments that lie wholly below it. Blocks; one caller at a
    /// time. The removed segments must be durable: no sync may want them any more.
    package func removePrefix(below offset: Offset) throws(StorageError) {
        advanceStart(to: offset)
        while let segment = dropFirstSegment(below: offset) {
            try inTurn { () throws(StorageError) in try remove(segment) }
        }
    }

    private func remove(_ segment: Segment) throws(StorageError) {
        try storage { () throws(FileError) in
            for kind in SegmentFileKind.allCases where try fileSystem.attributes(segment.path(kind)) != nil {
                try fileSystem.remove(segment.path(kind))
            }
            try fileSystem.syncDirectory(directory)
        }
    }

    private func dropFirstSegment(below offset: Offset) -> Segment? {
        published.withLock { published in
            guard published.segments.count > 1, published.segments[1].base <= offset else { return nil }
            return published.segments.removeFirst()
        }
    }
}
