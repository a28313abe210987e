// Writes `ErrorCode` from the table `Protocol/error-codes.tsv`: code, name, retriable, refresh, message.

/// The Swift of the error codes.
enum ErrorCodeEmitter {
    private struct Row {
        var code: Int
        var name: String
        var retriable: Bool
        var refreshes: Bool
        var message: String

        /// `UNKNOWN_TOPIC_ID` as `unknownTopicId`.
        var caseName: String {
            let words = name.split(separator: "_").map { $0.lowercased() }
            return words[0] + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        }
    }

    /// Nil when a line of `table` is not of five fields.
    static func emit(_ table: String) -> String? {
        var rows: [Row] = []
        for line in table.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 5, let code = Int(fields[0]), !fields[4].isEmpty else { return nil }
            rows.append(
                Row(code: code, name: fields[1], retriable: fields[2] == "retriable", refreshes: fields[3] == "refresh", message: fields[4]))
        }
        var text = SwiftText()
        text.line("// Generated from Protocol/error-codes.tsv by ProtocolGenerator. Do not edit.")
        text.line("")
        text.block("extension ErrorCode") { text in
            for row in rows {
                text.line("/// \(row.message)")
                text.line("package static var \(row.caseName): ErrorCode { ErrorCode(rawValue: \(row.code)) }")
            }
            text.line("")
            text.line("/// Every code that has a name, in order.")
            text.line("package static var allKnown: ClosedRange<ErrorCode> { ErrorCode(rawValue: \(rows.first?.code ?? 0))...ErrorCode(rawValue: \(rows.last?.code ?? 0)) }")
            text.line("")
            text.line("/// Name, whether a client may try again, whether it should refresh its metadata first, and a sentence.")
            text.line("static let table: [Row] = [")
            for row in rows {
                text.line("    Row(\"\(row.name)\", \(row.retriable), \(row.refreshes), \"\(row.message)\"),")
            }
            text.line("]")
        }
        return text.text
    }
}
