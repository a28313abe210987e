// A log that goes on in another folder (KIP-113): a whole copy of it, which lies there and is durable, takes the place of its
// files before the eyes of its readers.
//
// Order: nobody appends; names change in the log's turn, so that no sync, retention or compaction goes by the old ones; then
// readers see the copy. Whoever reads the old files keeps them open.

package import Basics
internal import Environment
package import Records
internal import Synchronization

extension PartitionLog {
    /// Goes on with what `open` answers: the same records up to the same end, durable, opened where they are to be from now on.
    /// `open` runs in the log's turn, and may rename folders; nothing may be appended meanwhile. Throws `.closed` when the
    /// log is on its way out, and what `open` throws; nothing has changed then.
    package func move(_ open: () throws(StorageError) -> PartitionLog) throws(StorageError) {
        try inTurn { () throws(StorageError) in
            try cutBack()
            for segment in view.segments { try segment.pin() }
            let other = try open()
            precondition(other.endOffset == endOffset, "a copy ends where its log does")
            place.withLock { $0 = other.place.withLock { $0 } }
            tail.withLock { $0 = other.tail.withLock { $0 } }
            // What is known of producers and epochs holds for the copy, and may be more than its batches tell.
            snapshots.withLock { $0 = [(endOffset, producers)] }
            hasUnwrittenEpochs.store(true, ordering: .relaxed)
            directorySyncedAt.store(-1, ordering: .relaxed)
            closedAt.store(other.closedAt.load(ordering: .relaxed), ordering: .relaxed)
            recoveryPoint.max(other.recoveryPoint.load(ordering: .acquiring), ordering: .acquiringAndReleasing)
            syncedBytes.max(appendedBytes.load(ordering: .acquiring), ordering: .relaxed)
            unsyncedFrom.store(.max, ordering: .relaxed)
            // The copy may hold what the log was compacted of since: it is cleaned from its start.
            compactionStanding.withLock { $0 = CompactionStanding(moves: $0.moves + 1) }
            let copied = other.view
            published.withLock { published in
                let start = max(published.startOffset, copied.startOffset)
                published = copied
                published.startOffset = start
            }
        }
    }

    /// Whole batches from the one that holds `offset` on, one at least, about `countMax` bytes; none at the end of the log.
    /// Blocks for the disk.
    package func batches(from offset: Offset, countMax: Int) throws(StorageError) -> [RecordBatch] {
        let view = view
        guard offset < view.end else { return [] }
        for index in view.segments.indices[PartitionLog.segmentIndex(holding: offset, in: view)...] {
            var reading = SegmentReading(self, index, in: view, .allowed)
            let found = try locate(offset, &reading)
            if let damage = reading.passed, damage.offsets.contains(offset) {
                throw .corrupt(
                    path: reading.segment.path(.log), position: damage.bytes.lowerBound, reason: damage.fault.description)
            }
            if let found { return try batches(of: index, in: view, from: found, countMax: countMax) }
        }
        return []
    }

    private func batches(
        of index: Int, in view: Published, from first: (position: Int, header: BatchHeader), countMax: Int
    ) throws(StorageError) -> [RecordBatch] {
        let file = try view.segments[index].file()
        var scanner = SegmentScanner(
            file, from: first.position, offset: first.header.baseOffset, fileSize: view.size(of: index))
        var batches: [RecordBatch] = []
        while batches.isEmpty || scanner.position - first.position < countMax, let batch = try scanner.next() {
            batches.append(batch)
        }
        if let fault = scanner.fault {
            // What was cut off meanwhile may be there in part.
            let now = self.view
            guard now.end >= view.end, now.segments.contains(where: { $0 === view.segments[index] }) else { return [] }
            throw .corrupt(path: file.path, position: scanner.position, reason: fault.description)
        }
        return batches
    }
}
