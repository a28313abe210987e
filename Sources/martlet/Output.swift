// Data for standard output: a buffer that is written in large pieces, and tables.

import Bytes
import Environment
import Reactor

/// Collects bytes and writes them in pieces of about `pieceSize`. Owned by the main thread.
final class Output {
    static let pieceSize = 256 << 10

    private var writer = ByteWriter(capacity: Output.pieceSize + 4096)
    private let stream: StandardStream

    init(_ stream: StandardStream = .output) { self.stream = stream }

    func write(_ slice: ByteSlice) throws {
        if slice.count >= Output.pieceSize {
            try flush()
            return try put(slice)
        }
        writer.write(slice)
        if writer.count >= Output.pieceSize { try flush() }
    }

    func write(_ text: String) throws {
        writer.write(utf8: text)
        if writer.count >= Output.pieceSize { try flush() }
    }

    func write(byte: UInt8) { writer.writeInteger(byte) }

    func write(bytes: [UInt8]) throws {
        writer.write(bytes)
        if writer.count >= Output.pieceSize { try flush() }
    }

    /// Writes what is held.
    func flush() throws {
        guard writer.count > 0 else { return }
        var fresh = ByteWriter(capacity: Output.pieceSize + 4096)
        swap(&fresh, &writer)
        try put(fresh.finishSlice())
    }

    private func put(_ slice: ByteSlice) throws {
        do {
            try stream.write(slice)
        } catch where error.errno == StandardStream.brokenPipe {
            // The reader has seen enough, as `head` does.
            Process.exit(0)
        }
    }
}

/// Rows under headings, columns as wide as their widest cell.
struct TextTable {
    var headings: [String]
    var rows: [[String]] = []

    init(_ headings: String...) { self.headings = headings }

    func text(withHeadings: Bool) -> String {
        let all = withHeadings ? [headings] + rows : rows
        var widths = headings.map { _ in 0 }
        for row in all { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
        var text = ""
        for row in all {
            let cells = row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : Help.padded(cell, widths[index])
            }
            text += cells.joined(separator: "  ") + "\n"
        }
        return text
    }

    /// Writes the table, or the rows as JSON.
    static func print(_ text: String) throws {
        let output = Output()
        try output.write(text)
        try output.flush()
    }
}
