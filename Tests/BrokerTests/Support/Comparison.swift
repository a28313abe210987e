// Two answers held against each other: not byte for byte (offsets, times and ids are of their cluster), but field for
// field: what is null, which lists are empty, and above all the same errors.

import Bytes
import WireProtocol

/// Where an answer differs, with Kafka's value and ours.
struct Difference: Hashable {
    /// Field names without indexes, such as `topics.partitions.errorCode`.
    var path: String
    var text: String
}

struct Comparison {
    private(set) var differences: [Difference] = []

    init(_ golden: FieldDump, _ ours: FieldDump) { compare(golden, ours, "") }

    private mutating func note(_ path: String, _ golden: String, _ ours: String) {
        differences.append(Difference(path: path, text: "\(golden) there, \(ours) here"))
    }

    private mutating func compare(_ golden: FieldDump, _ ours: FieldDump, _ path: String) {
        let mine = Dictionary(ours.entries.map { ($0.name, $0.value) }) { first, _ in first }
        for entry in golden.entries {
            let name = path.isEmpty ? entry.name : path + "." + entry.name
            guard let value = mine[entry.name] else {
                // Tagged fields at their default are not there.
                note(name, "present", "absent")
                continue
            }
            compare(entry.value, value, name)
        }
    }

    private mutating func compare(_ golden: FieldValue, _ ours: FieldValue, _ path: String) {
        switch (golden, ours) {
        case (.null, .null), (.records, .null), (.null, .records), (.records, .records): return
        case (.null, _): note(path, "null", "a value")
        case (_, .null): note(path, "a value", "null")
        case (.integer(let left), .integer(let right)):
            if path.hasSuffix("errorCode") || path.hasSuffix("ErrorCode"), left != right {
                note(path, "\(left)", "\(right)")
            }
        case (.array(let left), .array(let right)):
            guard left.isEmpty == right.isEmpty else {
                return note(path, left.isEmpty ? "empty" : "\(left.count)", right.isEmpty ? "empty" : "\(right.count)")
            }
            compareElements(left, right, path)
        case (.object(let left), .object(let right)): compare(left, right, path)
        default: break
        }
    }

    /// Elements with a key are held against the one with the same key; others by position.
    private mutating func compareElements(_ golden: [FieldValue], _ ours: [FieldValue], _ path: String) {
        for (index, element) in golden.enumerated() {
            guard case .object(let left) = element else { return }
            let partner: FieldValue?
            if let key = Comparison.key(left) {
                partner = ours.first { value in
                    if case .object(let right) = value { Comparison.key(right) == key } else { false }
                }
            } else {
                partner = index < ours.count ? ours[index] : nil
            }
            if let partner { compare(element, partner, path) }
        }
    }

    private static func key(_ object: FieldDump) -> String? {
        for entry in object.entries where keys.contains(entry.name) {
            switch entry.value {
            case .text(let text): return text
            case .integer(let number): return "\(number)"
            default: continue
            }
        }
        return nil
    }

    private static let keys: Set<String> = ["name", "topic", "apiKey", "partitionIndex", "index", "resourceName"]
}

extension FieldDump {
    /// All error codes in a message.
    var errors: Set<Int64> {
        var found: Set<Int64> = []
        for entry in entries {
            switch entry.value {
            case .integer(let code) where entry.name == "errorCode": found.insert(code)
            case .object(let inner): found.formUnion(inner.errors)
            case .array(let elements):
                for case .object(let inner) in elements { found.formUnion(inner.errors) }
            default: break
            }
        }
        return found
    }
}
