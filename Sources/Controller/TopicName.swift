// Which names a topic may have, and which two would collide where dots and underscores are the same (metric names).

/// Rules for names of topics.
package enum TopicName {
    package static let lengthMax = 249

    /// Why `name` is no name of a topic, in Kafka's words; nil if it is one.
    package static func objection(to name: String) -> String? {
        if name.isEmpty { return "the empty string is not allowed" }
        if name == "." || name == ".." { return "'.' or '..' is not allowed" }
        if name.utf8.count > lengthMax {
            return "the length of '\(name)' is longer than the max allowed length \(lengthMax)"
        }
        let isLegal = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isLegal ? nil
            : "'\(name)' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    }

    static func mayCollide(_ name: String) -> Bool { name.utf8.contains { $0 == 0x2e || $0 == 0x5f } }

    static func collisionKey(_ name: String) -> String {
        String(decoding: name.utf8.map { $0 == 0x2e ? 0x5f : $0 }, as: UTF8.self)
    }

    /// Whether the topic is the broker's own.
    package static func isInternal(_ name: String) -> Bool {
        guard name.utf8.first == UInt8(ascii: "_") else { return false }
        return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state"
    }
}
