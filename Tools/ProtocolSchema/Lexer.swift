// Splits a schema file into lines of words. The notation is line-oriented: a line is a heading, a field, a closing
// brace or a description; a word ends at a blank, `--` begins the description of the line, `//` a comment.

/// One line: its words, whether it opens a block, and the description behind `--`.
struct Line: Equatable {
    var number: Int
    var words: [String]
    var opens: Bool
    var text: String
}

enum Lexer {
    /// The lines of `source` that hold anything but comments.
    static func lines(_ source: String) -> [Line] {
        var lines: [Line] = []
        var number = 0
        for raw in source.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let (code, text) = halves(raw)
            var words = code.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            if words.first?.hasPrefix("//") == true { continue }
            let opens = words.last == "{"
            if opens { words.removeLast() }
            if words.isEmpty && text.isEmpty { continue }
            lines.append(Line(number: number, words: words, opens: opens, text: text))
        }
        return lines
    }

    /// What stands before and after the first `--` that is a word of its own.
    private static func halves(_ line: Substring) -> (Substring, String) {
        var previousBlank = true
        var index = line.startIndex
        while index < line.endIndex {
            let rest = line[index...]
            if previousBlank, rest.hasPrefix("-- ") || rest == "--" {
                return (line[..<index], trimmed(rest.dropFirst(2)))
            }
            previousBlank = line[index] == " "
            index = line.index(after: index)
        }
        return (line, "")
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
