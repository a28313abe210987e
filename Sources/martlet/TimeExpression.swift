// Durations and points in time as people write them.
//
//     duration   250ms  10s  5m  2h  7d  1w, a plain number is milliseconds
//     time       -1h (ago)   now   1700000000 (s)   1700000000000 (ms)   2026-11-21   2026-11-21T09:41:25[.123][Z|+02:00]

import Basics

enum TimeExpression {
    /// A duration; nil if malformed or negative.
    static func duration(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let number = Double(digits), number.isFinite, number >= 0, number < 1e15 else { return nil }
        let milliseconds: Double
        switch text.dropFirst(digits.count) {
        case "", "ms": milliseconds = 1
        case "s": milliseconds = 1000
        case "m", "min": milliseconds = 60_000
        case "h": milliseconds = 3_600_000
        case "d": milliseconds = 86_400_000
        case "w": milliseconds = 604_800_000
        default: return nil
        }
        return .milliseconds(Int64(min(number * milliseconds, 9e15)))
    }

    /// A point in time; relative ones count from `now`.
    static func time(_ text: String, now: Timestamp) -> Timestamp? {
        if text == "now" { return now }
        if text.hasPrefix("-") {
            guard let ago = duration(String(text.dropFirst())) else { return nil }
            return Timestamp(milliseconds: now.milliseconds - ago.wholeMilliseconds)
        }
        if text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int64(text) {
            switch text.utf8.count {
            case ...10: return Timestamp(milliseconds: number * 1000)
            case ...14: return Timestamp(milliseconds: number)
            case 15...17: return Timestamp(milliseconds: number / 1000)
            default: return Timestamp(milliseconds: number / 1_000_000)
            }
        }
        return calendar(text)
    }

    private static func calendar(_ text: String) -> Timestamp? {
        var rest = text[...]
        guard let year = number(&rest, 4), eat(&rest, "-"), let month = number(&rest, 2), eat(&rest, "-"),
            let day = number(&rest, 2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var milliseconds = days(year, month, day) * 86_400_000
        if rest.isEmpty { return Timestamp(milliseconds: milliseconds) }
        guard eat(&rest, "T") || eat(&rest, " "), let hour = number(&rest, 2), eat(&rest, ":"),
            let minute = number(&rest, 2), hour < 24, minute < 60
        else { return nil }
        milliseconds += hour * 3_600_000 + minute * 60_000
        if eat(&rest, ":") {
            guard let second = number(&rest, 2), second <= 60 else { return nil }
            milliseconds += second * 1000
        }
        if eat(&rest, ".") {
            let digits = rest.prefix { $0.isNumber }
            guard let fraction = Int64((digits + "000").prefix(3)), !digits.isEmpty else { return nil }
            milliseconds += fraction
            rest = rest.dropFirst(digits.count)
        }
        guard let zone = zone(&rest), rest.isEmpty else { return nil }
        return Timestamp(milliseconds: milliseconds - zone * 60_000)
    }

    /// Minutes east of UTC; none given is UTC.
    private static func zone(_ rest: inout Substring) -> Int64? {
        if rest.isEmpty || eat(&rest, "Z") { return 0 }
        let sign: Int64 = rest.first == "-" ? -1 : 1
        guard eat(&rest, "+") || eat(&rest, "-"), let hours = number(&rest, 2) else { return nil }
        _ = eat(&rest, ":")
        guard let minutes = number(&rest, 2) else { return nil }
        return sign * (hours * 60 + minutes)
    }

    private static func number(_ rest: inout Substring, _ count: Int) -> Int64? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        rest = rest.dropFirst(count)
        return Int64(digits)
    }

    private static func eat(_ rest: inout Substring, _ character: Character) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// Days from 1970-01-01 in the Gregorian calendar (Hinnant, days_from_civil).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// `350ms`, `4.2s`, `3m20s`, `5h07m`, `2d03h`: two units are enough.
    static func text(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.wholeMilliseconds)
        let seconds = milliseconds / 1000
        func pair(_ high: Int64, _ first: String, _ low: Int64, _ second: String) -> String {
            "\(high)\(first)\(low < 10 ? "0" : "")\(low)\(second)"
        }
        switch seconds {
        case 0: return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
        case ..<60: return "\(seconds).\(milliseconds % 1000 / 100)s"
        case ..<3600: return pair(seconds / 60, "m", seconds % 60, "s")
        case ..<86_400: return pair(seconds / 3600, "h", seconds % 3600 / 60, "m")
        default: return pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h")
        }
    }

    /// The time as `2026-11-21T09:41:25.123Z`; `-` for none.
    static func text(_ time: Timestamp) -> String {
        guard time.milliseconds >= 0, time.milliseconds < 253_402_300_800_000 else {
            return time == .none ? "-" : "\(time.milliseconds)"
        }
        let day = time.milliseconds / 86_400_000
        let rest = time.milliseconds % 86_400_000
        // civil_from_days of the same source.
        let z = day + 719_468
        let era = z / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let mp = (5 * dayOfYear + 2) / 153
        let month = mp < 10 ? mp + 3 : mp - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func pad(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfYear - (153 * mp + 2) / 5 + 1, 2))"
        let clock = "\(pad(rest / 3_600_000, 2)):\(pad(rest / 60_000 % 60, 2)):\(pad(rest / 1000 % 60, 2))"
        return "\(date)T\(clock).\(pad(rest % 1000, 3))Z"
    }
}
