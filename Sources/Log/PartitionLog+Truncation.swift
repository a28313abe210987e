// Cutting the end of a log off: what a follower does with records that its leader does not have (KIP-101).
//
// Order: readers see the shorter log; the recovery point falls; files are cut and removed; then the log is opened anew as
// after a crash at this end, which makes indexes, epochs, producers and aborted transactions what they are there. Whoever
// is sending a range that is gone finds the file too short.

package import Basics
internal import Bytes
internal import Environment
internal import Records
internal import Synchronization

extension PartitionLog {
    /// Takes away all batches that reach to `offset` or beyond; answers where the log ends now, which is lower if a batch
    /// reaches across. No write may be under way. Before anything is appended, the caller must write the checkpoints of
    /// recovery point and compaction: they speak of offsets that will get other records.
    package func truncate(to offset: Offset) throws(StorageError) -> Offset {
        guard offset < endOffset else { return endOffset }
        try inTurn { () throws(StorageError) in
            try cutBack()
            let cut = try cut(at: max(offset, view.segments[0].base))
            for segment in view.segments[cut.segment...] { try segment.pin() }
            lower(to: cut)
            try removeFiles(behind: cut)
            adopt(try reopened(from: min(startOffset, cut.end)))
        }
        return endOffset
    }

    /// Where a log is cut.
    private struct Cut {
        /// Index of the last segment that stays, and its size then.
        var segment: Int
        var size: Int
        var end: Offset
    }

    private func cut(at offset: Offset) throws(StorageError) -> Cut {
        let view = view
        let index = PartitionLog.segmentIndex(holding: offset, in: view)
        var reading = SegmentReading(self, index, in: view, .allowed)
        guard let found = try locate(offset, &reading) else {
            if let lost = reading.passed, lost.offsets.contains(offset) {
                return Cut(segment: index, size: lost.bytes.lowerBound, end: min(offset, lost.offsets.lowerBound))
            }
            return Cut(segment: index, size: publishedSize(of: index, in: view), end: offset)
        }
        return Cut(segment: index, size: found.position, end: min(offset, found.header.baseOffset))
    }

    private func lower(to cut: Cut) {
        published.withLock { published in
            published.segments.removeLast(published.segments.count - 1 - cut.segment)
            published.end = cut.end
            published.activeSize = cut.size
            published.startOffset = min(published.startOffset, cut.end)
        }
        recoveryPoint.min(cut.end.rawValue, ordering: .acquiringAndReleasing)
        directorySyncedAt.store(-1, ordering: .relaxed)
        closedAt.store(-1, ordering: .relaxed)
        snapshots.withLock { $0.removeAll { $0.offset > cut.end } }
        compaction.cleaned = compaction.cleaned.map { min($0, cut.end) }
    }

    /// Removes the segments behind the cut, the indexes of the segment that is cut, and snapshots of what is gone. The cut
    /// itself comes last: an interrupted truncation leaves a longer log, never a hole.
    private func removeFiles(behind cut: Cut) throws(StorageError) {
        let active = view.active
        let file = try active.file()
        try storage { () throws(FileError) in
            let entries = try fileSystem.entries(directory)
            for entry in entries.reversed() {
                guard let file = SegmentFiles.parse(entry.name) else { continue }
                let isGone =
                    switch file.kind {
                    case .producerSnapshot: file.base > cut.end
                    case .log: file.base > active.base
                    case .offsetIndex, .timeIndex, .transactionIndex: file.base >= active.base
                    }
                if isGone { try fileSystem.remove(directory + "/" + entry.name) }
            }
            try fileSystem.syncDirectory(directory)
            try file.truncate(to: cut.size)
            try file.sync()
        }
    }

    private func reopened(from start: Offset) throws(StorageError) -> PartitionLog {
        var loader = LogLoader(
            partition: partition, directory: directory, fileSystem: fileSystem, configuration: configuration,
            isClean: false, recoveryPoint: Offset(recoveryPoint.load(ordering: .acquiring)), handles: handles)
        return try loader.load(startOffset: start)
    }

    private func adopt(_ other: PartitionLog) {
        tail.withLock { $0 = other.tail.withLock { $0 } }
        producerStates.withLock { $0 = other.producers }
        leaderEpochs.withLock { epochs in
            epochs = other.epochs
            epochs.truncate(to: other.endOffset)
        }
        hasUnwrittenEpochs.store(true, ordering: .relaxed)
        publishUnstable()
        recoveryPoint.min(other.endOffset.rawValue, ordering: .acquiringAndReleasing)
        let view = other.view
        published.withLock { $0 = view }
    }
}
