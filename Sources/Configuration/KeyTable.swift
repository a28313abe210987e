// The table of all configuration keys that Kafka 4.4 has, and what each means here.
//
// The table is text, one key per line, so that it can be read and compared as a whole; `ConfigurationKey.parse` turns a
// line into a key, and a test reads every line. Columns, parted by `|`:
//
//     name | type | default | range | mode | support | what it does
//
//   type     bool int long double string list password; `~` before it: null is allowed
//   default  empty: none (for a required or nullable key); "" : the empty string
//   range    lowest..highest (either may be missing), or a choice a,b,c, or P:B for replicas, or empty
//   mode     r read at start only; b dynamic per broker; c dynamic for the cluster as a whole
//   support  works; pointless (there is nothing here that it could tune); later (not built, only sizes or tunes);
//            refused (not built, and its absence would weaken security or durability)

/// One configuration key.
package struct ConfigurationKey: Sendable {
    package enum Kind: String, Sendable {
        case bool, int, long, double, string, list, password
    }

    package enum Mode: String, Sendable {
        case readOnly = "r"
        case perBroker = "b"
        case clusterWide = "c"
    }

    package enum Support: String, Sendable {
        case works, pointless, later, refused
    }

    package enum Range: Hashable, Sendable {
        case any
        case between(Double?, Double?)
        case oneOf([String])
        /// Replicas, as `ThrottledReplicas` reads them.
        case replicas
    }

    package let name: String
    package let kind: Kind
    package let isNullable: Bool
    /// Nil: the key has no value unless one is given.
    package let defaultValue: String?
    package let range: Range
    package let mode: Mode
    package let support: Support
    package let summary: String

    /// Reads one line of a table; nil if it is not seven well-formed columns.
    static func parse(_ line: Substring) -> ConfigurationKey? {
        let columns = line.split(separator: "|", omittingEmptySubsequences: false).map(trimmed)
        guard columns.count == 7 else { return nil }
        let isNullable = columns[1].hasPrefix("~")
        guard let kind = Kind(rawValue: isNullable ? String(columns[1].dropFirst()) : columns[1]),
            let mode = Mode(rawValue: columns[4]), let support = Support(rawValue: columns[5]),
            let range = range(columns[3])
        else { return nil }
        let value: String? = columns[2] == "\"\"" ? "" : columns[2].isEmpty ? nil : columns[2]
        return ConfigurationKey(
            name: columns[0], kind: kind, isNullable: isNullable, defaultValue: value, range: range, mode: mode,
            support: support, summary: columns[6])
    }

    private static func range(_ text: String) -> Range? {
        if text.isEmpty { return .any }
        if text == "P:B" { return .replicas }
        guard let dots = text.firstRange(of: "..") else { return .oneOf(text.split(separator: ",").map(String.init)) }
        let low = text[..<dots.lowerBound]
        let high = text[dots.upperBound...]
        if !low.isEmpty, Double(low) == nil { return nil }
        if !high.isEmpty, Double(high) == nil { return nil }
        return .between(Double(low), Double(high))
    }
}

/// A set of keys, found by name.
package struct KeyTable: Sendable {
    package let keys: [ConfigurationKey]
    private let positions: [String: Int]

    init(_ text: String) {
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        keys = lines.map { line in
            guard let key = ConfigurationKey.parse(line) else { preconditionFailure("malformed key: \(line)") }
            return key
        }
        positions = Dictionary(keys.enumerated().map { ($1.name, $0) }) { first, _ in first }
    }

    package subscript(name: String) -> ConfigurationKey? { positions[name].map { keys[$0] } }

    /// The known name that is closest to `name`, if any is close.
    package func suggestion(for name: String) -> String? {
        let limit = max(2, name.utf8.count / 4)
        let scored = keys.map { (distance: editDistance(name, $0.name, limit: limit), name: $0.name) }
        guard let best = scored.min(by: { $0.distance < $1.distance }), best.distance <= limit else { return nil }
        return best.name
    }

    package static let broker = KeyTable(brokerKeys)
    package static let topic = KeyTable(topicKeys)
    package static let group = KeyTable(groupKeys)
    package static let clientMetrics = KeyTable(clientMetricsKeys)
}

/// Insertions, deletions and substitutions between two names; `limit + 1` if there are more than `limit`.
func editDistance(_ left: String, _ right: String, limit: Int) -> Int {
    let a = Array(left.utf8)
    let b = Array(right.utf8)
    guard abs(a.count - b.count) <= limit else { return limit + 1 }
    var previous = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var current = [i + 1]
        current.reserveCapacity(b.count + 1)
        for (j, y) in b.enumerated() {
            current.append(min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1))
        }
        previous = current
    }
    return min(previous[b.count], limit + 1)
}

/// `text` without spaces and tabs at both ends.
func trimmed(_ text: some StringProtocol) -> String {
    let isSpace = { (character: Character) in character == " " || character == "\t" || character == "\r" }
    let tail = text.drop(while: isSpace)
    guard let last = tail.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(tail[...last])
}
