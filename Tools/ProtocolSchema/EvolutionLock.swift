// The memory of what a release has put on the wire and on disk. `Protocol/evolution.lock` holds one line per message
// and per field; `violations` says what a change of the schemas would break for peers and files of that release.
//
// Allowed: new messages, new versions at the end, new fields in new versions, new tagged fields with new tags, new
// descriptions. Refused: everything that changes the bytes or the meaning of a locked version, and any tag used twice
// over time. After a release `swift run ProtocolGenerator --lock` over the schema files writes it anew.

/// Writes and compares the digest of a set of messages.
public enum EvolutionLock {
    /// The lock of `messages`, as text.
    public static func text(of messages: [Message]) -> String {
        messages.sorted { $0.name < $1.name }.map(text).joined()
    }

    private static func text(_ message: Message) -> String {
        let key = message.key.map(String.init) ?? "-"
        let flexible = message.flexibleFrom.map(String.init) ?? "-"
        var lines = "\(message.kind.rawValue) \(message.name) \(key) \(message.versions) \(flexible)\n"
        for structure in [message.root] + message.structs {
            for field in structure.fields {
                let versions = field.versions.intersection(message.versions) ?? field.versions
                let nullable = field.nullable?.intersection(message.versions).map { "\($0)" } ?? "-"
                let tag = field.tag.map(String.init) ?? "-"
                let name = structure.name == message.name ? field.name : "\(structure.name).\(field.name)"
                lines += "  \(name) \(field.type) \(versions) \(nullable) \(tag) \(field.defaultValue ?? "-")"
                lines += field.inflexible ? " inflexible\n" : "\n"
            }
        }
        return lines
    }

    private struct LockedField {
        var name: String
        var type: String
        var versions: VersionRange
        var nullable: VersionRange?
        var tag: String
        var rest: String
    }

    private struct LockedMessage {
        var name: String
        var identity: String
        var versions: VersionRange
        var flexible: Int?
        var fields: [LockedField]
    }

    private static func parse(_ lock: String) -> [LockedMessage]? {
        var messages: [LockedMessage] = []
        for line in lock.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if line.hasPrefix(" ") {
                guard words.count >= 6, let versions = VersionRange(words[2]), !messages.isEmpty else { return nil }
                messages[messages.count - 1].fields.append(
                    LockedField(
                        name: words[0], type: words[1], versions: versions, nullable: VersionRange(words[3]),
                        tag: words[4], rest: words[5...].joined(separator: " ")))
            } else {
                guard words.count == 5, let versions = VersionRange(words[3]) else { return nil }
                messages.append(
                    LockedMessage(
                        name: words[1], identity: "\(words[0]) \(words[2])", versions: versions,
                        flexible: Int(words[4]), fields: []))
            }
        }
        return messages
    }

    /// What `messages` would break for those who speak what `lock` describes; empty when nothing.
    public static func violations(of lock: String, in messages: [Message]) -> [String] {
        guard let old = parse(lock), let new = parse(text(of: messages)) else { return ["the lock cannot be read"] }
        let byName = Dictionary(uniqueKeysWithValues: new.map { ($0.name, $0) })
        var found: [String] = []
        for locked in old {
            guard let current = byName[locked.name] else {
                found.append("\(locked.name): removed")
                continue
            }
            found += compare(locked, current)
        }
        return found
    }

    private static func compare(_ old: LockedMessage, _ new: LockedMessage) -> [String] {
        var found: [String] = []
        if old.identity != new.identity { found.append("kind or key changed") }
        if !new.versions.contains(old.versions) { found.append("versions narrowed from \(old.versions) to \(new.versions)") }
        let oldFlexible = old.flexible ?? VersionRange.open
        let newFlexible = new.flexible ?? VersionRange.open
        if oldFlexible != newFlexible, min(oldFlexible, newFlexible) <= old.versions.upper {
            found.append("first flexible version changed")
        }
        found += compareFields(old, new) + compareOrder(old, new)
        return found.map { "\(old.name): \($0)" }
    }

    private static func compareFields(_ old: LockedMessage, _ new: LockedMessage) -> [String] {
        var found: [String] = []
        for field in old.fields {
            guard let current = new.fields.first(where: { $0.name == field.name }) else {
                found.append("\(field.name) removed")
                continue
            }
            if current.type != field.type { found.append("\(field.name) changed its type from \(field.type) to \(current.type)") }
            if current.versions.intersection(old.versions) != field.versions {
                found.append("\(field.name) changed its versions from \(field.versions) to \(current.versions)")
            }
            if current.nullable?.intersection(old.versions) != field.nullable { found.append("\(field.name) changed where it may be null") }
            if current.tag != field.tag { found.append("\(field.name) changed its tag from \(field.tag) to \(current.tag)") }
            if current.rest != field.rest { found.append("\(field.name) changed its default from \(field.rest) to \(current.rest)") }
        }
        for field in new.fields where !old.fields.contains(where: { $0.name == field.name }) {
            if field.tag == "-" {
                let locked = old.fields.contains { structName($0) == structName(field) }
                if locked, field.versions.intersection(old.versions) != nil {
                    found.append("\(field.name) is new in locked versions without a tag")
                }
            } else if let holder = old.fields.first(where: { $0.tag == field.tag && structName($0) == structName(field) }) {
                found.append("\(field.name) takes tag \(field.tag) of \(holder.name)")
            }
        }
        return found
    }

    private static func structName(_ field: LockedField) -> Substring {
        field.name.contains(".") ? field.name.prefix { $0 != "." } : ""
    }

    /// Fields without a tag stand on the wire in the order of the file.
    private static func compareOrder(_ old: LockedMessage, _ new: LockedMessage) -> [String] {
        var found: [String] = []
        for name in Set(old.fields.map(structName)).sorted() {
            let before = old.fields.filter { structName($0) == name && $0.tag == "-" }.map(\.name)
            let known = Set(before)
            let after = new.fields.filter { known.contains($0.name) && $0.tag == "-" }.map(\.name)
            if after.count == before.count, after != before {
                found.append("the order of fields changed\(name.isEmpty ? "" : " in \(name)")")
            }
        }
        return found
    }
}
