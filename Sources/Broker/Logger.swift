// Log lines: one line per event on stderr, with level, component and key=value pairs.
//
//     2026-11-21T09:15:38.123Z INFO broker started listeners=PLAINTEXT://127.0.0.1:9092 node=1

package import Basics
package import Environment
internal import Synchronization

/// Writes log lines. Any thread may call. Lines of one kind beyond a few a second are counted and left out.
package final class Logger: Sendable {
    package enum Level: String, Sendable {
        case info = "INFO"
        case warning = "WARN"
        case error = "ERROR"
    }

    private struct Rate {
        var second: Int64 = 0
        var count = 0
        var dropped = 0
    }

    /// Lines of the same component and text in one second.
    private static let burstMax = 10

    private let clock: any Clock
    private let sink: @Sendable (String) -> Void
    private let rates = Mutex([String: Rate]())

    package init(clock: any Clock, sink: @escaping @Sendable (String) -> Void) {
        self.clock = clock
        self.sink = sink
    }

    package func info(_ component: String, _ text: String, _ pairs: [(String, String)] = []) {
        write(.info, component, text, pairs)
    }

    /// `isEvery`: each line counts, however many there are, as what is said of data once.
    package func warning(
        _ component: String, _ text: String, _ pairs: [(String, String)] = [], isEvery: Bool = false
    ) {
        write(.warning, component, text, pairs, isEvery: isEvery)
    }

    /// The same for an error.
    package func error(_ component: String, _ text: String, _ pairs: [(String, String)] = [], isEvery: Bool = false) {
        write(.error, component, text, pairs, isEvery: isEvery)
    }

    private func write(
        _ level: Level, _ component: String, _ text: String, _ pairs: [(String, String)], isEvery: Bool = false
    ) {
        let time = clock.wallClock
        let kind = component + " " + text
        guard let dropped = isEvery ? 0 : admit(kind, second: time.milliseconds / 1000) else { return }
        var line = "\(Logger.spelled(time)) \(level.rawValue) \(component) \(text)"
        for (key, value) in pairs { line += " \(key)=\(Logger.quoted(value))" }
        if dropped > 0 { line += " left_out=\(dropped)" }
        sink(line + "\n")
    }

    /// Nil when the line is one too many, else how many were left out before.
    private func admit(_ kind: String, second: Int64) -> Int? {
        rates.withLock { rates in
            if rates.count > 1000 { rates = [:] }
            var rate = rates[kind] ?? Rate()
            defer { rates[kind] = rate }
            guard rate.second == second else {
                let dropped = rate.dropped
                rate = Rate(second: second, count: 1, dropped: 0)
                return dropped
            }
            rate.count += 1
            guard rate.count > Logger.burstMax else { return 0 }
            rate.dropped += 1
            return nil
        }
    }

    private static func quoted(_ value: String) -> String {
        let needsQuotes = value.isEmpty || value.contains { $0 == " " || $0 == "\"" || $0 == "=" || $0.isNewline }
        guard needsQuotes else { return value }
        return "\"" + value.replacing("\"", with: "'").replacing("\n", with: " ") + "\""
    }

    /// RFC 3339 in UTC with milliseconds; the civil date by the days-from-civil arithmetic of the proleptic calendar.
    package static func spelled(_ time: Timestamp) -> String {
        let milliseconds = time.milliseconds
        let days = (milliseconds >= 0 ? milliseconds : milliseconds - 86_399_999) / 86_400_000
        let rest = milliseconds - days * 86_400_000
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = String(1000 + rest % 1000).dropFirst()
        return "\(year)-\(two(civilMonth))-\(two(day))T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):"
            + "\(two(rest / 1000 % 60)).\(fraction)Z"
    }
}
