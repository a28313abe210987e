// Where a value came from, and values with their origin. Precedence: flag, environment, file, default.

/// The origin of an effective value.
package enum ConfigurationOrigin: String, Sendable, Comparable {
    case defaultValue = "default"
    case file
    case environment
    case flag

    private var rank: Int {
        switch self {
        case .defaultValue: 0
        case .file: 1
        case .environment: 2
        case .flag: 3
        }
    }

    package static func < (left: ConfigurationOrigin, right: ConfigurationOrigin) -> Bool { left.rank < right.rank }
}

/// One `key=value` as it was given.
package struct GivenValue: Hashable, Sendable {
    package var key: String
    package var value: String
    package var origin: ConfigurationOrigin

    package init(key: String, value: String, origin: ConfigurationOrigin) {
        self.key = key
        self.value = value
        self.origin = origin
    }
}

/// What is wrong with a configuration, as one would tell it to a person.
package struct ConfigurationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var key: String
    package var reason: String

    package init(key: String, reason: String) {
        self.key = key
        self.reason = reason
    }

    package var description: String { "\(key): \(reason)" }
}

/// Reads the text of a `server.properties` file: `key=value` or `key: value` lines, `#` and `!` comments, a backslash
/// at the end joins the next line, as java.util.Properties has it. Bytes decide, so that no letter hides a sign before it.
package func parseProperties(_ text: String) -> [GivenValue] {
    var values: [GivenValue] = []
    var pending: [UInt8] = []
    for line in lines(of: text) {
        let content = trimmed(line)
        if pending.isEmpty, content.isEmpty || "#!".utf8.contains(content[content.startIndex]) { continue }
        let isContinued = content.reversed().prefix { $0 == UInt8(ascii: "\\") }.count % 2 == 1
        pending += isContinued ? content.dropLast() : content
        if isContinued { continue }
        values.append(splitProperty(pending))
        pending = []
    }
    if !pending.isEmpty { values.append(splitProperty(pending)) }
    return values
}

/// Lines that end with any of "\n", "\r\n" and "\r".
private func lines(of text: String) -> [ArraySlice<UInt8>] {
    let (feed, back) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    return Array(text.utf8).split(separator: feed, omittingEmptySubsequences: false).flatMap { line in
        let line = line.last == back ? line.dropLast() : line
        return line.split(separator: back, omittingEmptySubsequences: false)
    }
}

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0c }
    let tail = bytes.drop(while: isSpace)
    return tail.dropLast(tail.reversed().prefix(while: isSpace).count)
}

private func splitProperty(_ line: [UInt8]) -> GivenValue {
    let end = line.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") } ?? line.endIndex
    return GivenValue(
        key: String(decoding: trimmed(line[..<end]), as: UTF8.self),
        value: String(decoding: trimmed(line[end...].dropFirst()), as: UTF8.self), origin: .file)
}

/// Keys from environment variables in the form of Kafka's container images: `KAFKA_LOG_DIRS` is `log.dirs`, two
/// underscores are a dash, three an underscore. Only names that the table knows are taken.
package func parseEnvironment(_ variables: [(name: String, value: String)]) -> [GivenValue] {
    variables.compactMap { name, value in
        guard name.hasPrefix("KAFKA_") || name.hasPrefix("MARTLET_") else { return nil }
        let stem = name.hasPrefix("KAFKA_") ? name.dropFirst(6) : name[...]
        let key = stem.lowercased().replacing("___", with: "\u{1}").replacing("__", with: "-")
            .replacing("_", with: ".").replacing("\u{1}", with: "_")
        guard KeyTable.broker[key] != nil else { return nil }
        return GivenValue(key: key, value: value, origin: .environment)
    }
}
