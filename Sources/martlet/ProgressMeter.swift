// How far a long command is, in one line of a terminal that is written over: records, bytes, and bytes a second.
//
// Nothing is shown where standard error is no terminal, or where a person types the input. Owned by the main thread.

import Basics
import Bytes
import Reactor

final class ProgressMeter {
    private static let interval: Duration = .milliseconds(200)
    private static let eraseLine = "\r\u{1b}[K"

    private let isShown: Bool
    private let clock = SystemClock()
    private let start: Instant
    private var lastShown: Instant
    private var records = 0
    private var bytes = 0

    init(isShown: Bool) {
        self.isShown = isShown
        start = clock.now
        lastShown = start
    }

    /// Counts what was taken, and shows the line if it is time.
    func add(records: Int, bytes: Int) {
        self.records += records
        self.bytes += bytes
        guard isShown else { return }
        let now = clock.now
        guard now - lastShown >= ProgressMeter.interval else { return }
        lastShown = now
        show(ProgressMeter.eraseLine + ProgressMeter.line(records: self.records, bytes: self.bytes, after: now - start))
    }

    /// Takes the line away.
    func end() {
        if isShown, lastShown > start { show(ProgressMeter.eraseLine) }
    }

    private func show(_ text: String) { try? StandardStream.error.write(ByteSlice(text.utf8)) }

    /// Such as `120000 records  118.3 MB  45.1 MB/s`.
    static func line(records: Int, bytes: Int, after elapsed: Duration) -> String {
        let milliseconds = max(1, Int(elapsed.wholeMilliseconds))
        let rate = bytes * 1000 / milliseconds
        return "\(records) records  \(megabytes(bytes)) MB  \(megabytes(rate)) MB/s"
    }

    /// Millions with one digit behind the point.
    private static func megabytes(_ bytes: Int) -> String {
        let tenths = (bytes + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }
}
