// The sparse offset index of a segment.
//
//     entry:  relative offset int32 | position int32        8 bytes, big-endian, ascending
//
// An entry says: the batch whose last offset is base + relative begins at byte `position` of the .log file. While the
// segment is active its entries live in memory; a sealed segment's file is read through a window.

package import Bytes
package import Environment

/// Offset → position, for the batches that got an entry.
package struct OffsetIndex: Sendable {
    package static let entrySize = 8

    package struct Entry: Hashable, Sendable {
        package var relativeOffset: Int32
        package var position: Int32
    }

    package private(set) var entries: [Entry] = []
    private var window: (any ReadWindow)?
    private var windowEntryCount = 0

    /// An empty index, for an active segment.
    package init() {}

    /// The index of a sealed segment, read through `window`.
    package init(window: any ReadWindow) {
        self.window = window
        windowEntryCount = window.count / OffsetIndex.entrySize
    }

    /// An index loaded into memory, to be continued. Zeros behind the entries, as Kafka leaves them after a crash, end it.
    package init(decoding bytes: ByteSlice) {
        var position = 0
        while position + OffsetIndex.entrySize <= bytes.count {
            let entry = Entry(
                relativeOffset: bytes.load(Int32.self, at: position),
                position: bytes.load(Int32.self, at: position + 4))
            if let last = entries.last {
                guard entry.relativeOffset > last.relativeOffset, entry.position > last.position else { break }
            } else if entry.relativeOffset == 0, entry.position == 0, bytes.count > OffsetIndex.entrySize {
                break
            }
            entries.append(entry)
            position += OffsetIndex.entrySize
        }
    }

    package var count: Int { window == nil ? entries.count : windowEntryCount }

    package mutating func append(_ entry: Entry) {
        precondition(window == nil, "a sealed index does not grow")
        entries.append(entry)
    }

    /// The bytes of the .index file.
    package func encoded() -> ByteSlice {
        var writer = ByteWriter(capacity: entries.count * OffsetIndex.entrySize)
        for entry in entries {
            writer.writeInteger(entry.relativeOffset)
            writer.writeInteger(entry.position)
        }
        return writer.finishSlice()
    }

    /// The entry at `index`; `.wouldWait` if it is not in memory and the caller may not wait.
    package func entry(at index: Int, mayWait: Bool = true) throws(FileError) -> Entry {
        guard let window else { return entries[index] }
        let position = index * OffsetIndex.entrySize
        guard mayWait || window.isResident(position..<position + OffsetIndex.entrySize) else { throw .wouldWait }
        return Entry(
            relativeOffset: try window.load(Int32.self, at: position),
            position: try window.load(Int32.self, at: position + 4))
    }

    /// The last entry, or nil of an empty index.
    package func last() throws(FileError) -> Entry? { count == 0 ? nil : try entry(at: count - 1) }

    /// The first index of an entry that does not satisfy `isBelow`.
    private func count(mayWait: Bool = true, where isBelow: (Entry) -> Bool) throws(FileError) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBelow(try entry(at: middle, mayWait: mayWait)) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Where to begin to scan for `relativeOffset`: the position of the greatest entry at or below it, else 0.
    package func position(atOrBelow relativeOffset: Int64) throws(FileError) -> Int {
        let below = try count { Int64($0.relativeOffset) <= relativeOffset }
        return below == 0 ? 0 : Int(try entry(at: below - 1).position)
    }

    /// How many entries lie at or below `relativeOffset`.
    package func count(atOrBelow relativeOffset: Int64, mayWait: Bool) throws(FileError) -> Int {
        try count(mayWait: mayWait) { Int64($0.relativeOffset) <= relativeOffset }
    }

    /// The relative offset of the first entry that points to `position` or behind it; nil if none does.
    package func relativeOffset(atOrBehind position: Int, mayWait: Bool) throws(FileError) -> Int32? {
        let below = try count(mayWait: mayWait) { Int($0.position) < position }
        return below == count ? nil : try entry(at: below, mayWait: mayWait).relativeOffset
    }
}
