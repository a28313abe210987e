// The sparse time index of a segment (KIP-33).
//
//     entry:  timestamp int64 | relative offset int32       12 bytes, big-endian, timestamps and offsets ascending
//
// An entry says: of the records up to base + relative, the greatest timestamp is `timestamp`, and the batch that ends
// at that offset holds it. Memory and window as in `OffsetIndex`.

package import Basics
package import Bytes
package import Environment

/// Timestamp → offset.
package struct TimeIndex: Sendable {
    package static let entrySize = 12

    package struct Entry: Hashable, Sendable {
        package var timestamp: Timestamp
        package var relativeOffset: Int32
    }

    package private(set) var entries: [Entry] = []
    private var window: (any ReadWindow)?
    private var windowEntryCount = 0

    package init() {}

    package init(window: any ReadWindow) {
        self.window = window
        windowEntryCount = window.count / TimeIndex.entrySize
    }

    /// An index loaded into memory, to be continued; ends at zeros or at the first entry out of order.
    package init(decoding bytes: ByteSlice) {
        var position = 0
        while position + TimeIndex.entrySize <= bytes.count {
            let entry = Entry(
                timestamp: Timestamp(milliseconds: bytes.load(Int64.self, at: position)),
                relativeOffset: bytes.load(Int32.self, at: position + 8))
            if let last = entries.last {
                guard entry.timestamp > last.timestamp, entry.relativeOffset >= last.relativeOffset else { break }
            } else if entry.timestamp.milliseconds == 0, entry.relativeOffset == 0,
                bytes.count > TimeIndex.entrySize
            {
                break
            }
            entries.append(entry)
            position += TimeIndex.entrySize
        }
    }

    package var count: Int { window == nil ? entries.count : windowEntryCount }

    /// Appends unless the timestamp is not above the last one's: the index only rises.
    /// Answers whether it was appended.
    @discardableResult
    package mutating func append(_ entry: Entry) -> Bool {
        precondition(window == nil, "a sealed index does not grow")
        if let last = entries.last {
            guard entry.timestamp > last.timestamp, entry.relativeOffset >= last.relativeOffset else { return false }
        } else if entry.timestamp < Timestamp(milliseconds: 0) {
            return false
        }
        entries.append(entry)
        return true
    }

    /// The bytes of the .timeindex file.
    package func encoded() -> ByteSlice {
        var writer = ByteWriter(capacity: entries.count * TimeIndex.entrySize)
        for entry in entries {
            writer.writeInteger(entry.timestamp.milliseconds)
            writer.writeInteger(entry.relativeOffset)
        }
        return writer.finishSlice()
    }

    private func entry(at index: Int, _ mayWait: Bool) throws(FileError) -> Entry {
        guard let window else { return entries[index] }
        let position = index * TimeIndex.entrySize
        guard mayWait || window.isResident(position..<position + TimeIndex.entrySize) else { throw .wouldWait }
        return Entry(
            timestamp: Timestamp(milliseconds: try window.load(Int64.self, at: position)),
            relativeOffset: try window.load(Int32.self, at: position + 8))
    }

    /// The last entry, or nil of an empty index; `.wouldWait` if it is not in memory and the caller may not wait.
    package func last(mayWait: Bool = true) throws(FileError) -> Entry? {
        count == 0 ? nil : try entry(at: count - 1, mayWait)
    }

    /// The relative offset up to which every record is older than `timestamp`: the greatest entry below it, else 0.
    package func relativeOffset(below timestamp: Timestamp, mayWait: Bool) throws(FileError) -> Int32 {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if try entry(at: middle, mayWait).timestamp < timestamp { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? 0 : try entry(at: low - 1, mayWait).relativeOffset
    }
}
