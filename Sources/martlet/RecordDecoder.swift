// What the records of the cluster's own topics say: keys and values in the JSON form of Kafka's tools, chosen by the topic
// that the folder of a file is named after. Records of users are bytes to us.

import Bytes
import Records
import WireProtocol

/// How the records of one topic are read.
enum RecordDecoder {
    case metadata
    /// Keys with a type number; which types there are depends on the topic.
    case coordinator(keys: [any RecordKeyMessage.Type])

    /// The decoder for files in `folder`, such as `__consumer_offsets-3`; nil for topics of users.
    init?(folder: Substring) {
        guard let dash = folder.lastIndex(of: "-") else { return nil }
        let all = Messages.all.compactMap { $0 as? any RecordKeyMessage.Type }
        let ofTransactions: [any RecordKeyMessage.Type] = [TransactionLogKey.self]
        let ofShares: [any RecordKeyMessage.Type] = [ShareSnapshotKey.self, ShareUpdateKey.self]
        switch folder[..<dash] {
        case "__cluster_metadata": self = .metadata
        case "__transaction_state": self = .coordinator(keys: ofTransactions)
        case "__share_group_state": self = .coordinator(keys: ofShares)
        case "__consumer_offsets":
            let others = (ofTransactions + ofShares).map { $0.messageName }
            self = .coordinator(keys: all.filter { !others.contains($0.messageName) })
        default: return nil
        }
    }

    /// The key, where there is one, and the value; nil for a tombstone. Throws for what does not decode.
    func read(_ record: Record) throws -> (key: Json?, value: Json?) {
        switch self {
        case .metadata: (nil, try record.value.map(RecordDecoder.metadataRecord))
        case .coordinator(let keys): try RecordDecoder.coordinatorRecord(record, keys)
        }
    }

    private static func metadataRecord(_ bytes: ByteSlice) throws -> Json {
        let message = try MetadataRecord(decoding: bytes).message
        let version = MetadataRecord.version(of: bytes) ?? 0
        return .object([
            ("type", .string(constantName(type(of: message).messageName))), ("version", .int(version)),
            ("data", Json(message.dump(version: version))),
        ])
    }

    private static func coordinatorRecord(
        _ record: Record, _ keys: [any RecordKeyMessage.Type]
    ) throws -> (key: Json?, value: Json?) {
        guard let bytes = record.key else { return (nil, record.value.map { .string(Base64.encode($0.array)) }) }
        let number = try RecordKey.type(of: bytes)
        guard let type = keys.first(where: { $0.recordType == number }) else {
            // Written by a newer coordinator: as much as can be told.
            return (.object([("type", .string("\(number)"))]), record.value.map { .string(Base64.encode($0.array)) })
        }
        return try (key(type, bytes), record.value.map { try value(type, $0) })
    }

    private static func key<Key: RecordKeyMessage>(_ type: Key.Type, _ bytes: ByteSlice) throws -> Json {
        let key = try Key(decodingKey: bytes)
        return .object([
            ("type", .string("\(Key.recordType)")), ("data", Json(key.dump(version: Key.versions.upperBound))),
        ])
    }

    private static func value<Key: RecordKeyMessage>(_ type: Key.Type, _ bytes: ByteSlice) throws -> Json {
        let value = try Key.Value(decodingValue: bytes)
        let version = bytes.load(Int16.self, at: 0)
        var dump = value.dump(version: version)
        if let group = value as? GroupMetadataValue, group.protocolType == "consumer" {
            dump = dump.readingMembers()
        }
        if value is TransactionLogValue { dump = dump.replacing("transactionStatus") { $0.named(transactionStates) } }
        return .object([("version", .string("\(version)")), ("data", Json(dump))])
    }

    /// The states of a transaction by their numbers in the log.
    private static let transactionStates = [
        "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
        "PrepareEpochFence",
    ]

    /// `FeatureLevelRecord` as Kafka's tools write it: `FEATURE_LEVEL_RECORD`.
    private static func constantName(_ name: String) -> String {
        var constant = ""
        for letter in name {
            if letter.isUppercase, !constant.isEmpty { constant.append("_") }
            constant += letter.uppercased()
        }
        return constant
    }

    // MARK: Control records

    /// Those that Kafka's tools write without a colon behind.
    static let namesWithoutColon: Set = ["SnapshotHeader", "SnapshotFooter", "KRaftVersion", "KRaftVoters"]

    /// A control record of the metadata log, as Kafka's tools name it; nil for one that is none of them.
    static func control(_ record: Record) throws -> (name: String, content: Json)? {
        guard let key = record.key, key.count >= 4, let value = record.value else { return nil }
        func content<Content: Message>(_ type: Content.Type) throws -> Json {
            var reader = ByteReader(value)
            let message = try Content(checking: &reader, version: 0)
            return Json(message.dump(version: 0))
        }
        switch key.load(Int16.self, at: 2) {
        case 2: return ("LeaderChange", try content(LeaderChangeMessage.self))
        case 3: return ("SnapshotHeader", try content(SnapshotHeaderRecord.self))
        case 4: return ("SnapshotFooter", try content(SnapshotFooterRecord.self))
        case 5: return ("KRaftVersion", try content(KRaftVersionRecord.self))
        case 6: return ("KRaftVoters", try content(VotersRecord.self))
        default: return nil
        }
    }
}

extension FieldDump {
    /// What consumers told each other in the bytes of their members, where it can be read.
    fileprivate func readingMembers() -> FieldDump {
        replacing("members") { members in
            guard case .array(let items) = members else { return members }
            return .array(
                items.map { item in
                    guard case .object(let member) = item else { return item }
                    return .object(
                        member.replacing("subscription") { $0.read(as: ConsumerProtocolSubscription.self) }
                            .replacing("assignment") { $0.read(as: ConsumerProtocolAssignment.self) })
                })
        }
    }

    fileprivate func replacing(_ name: String, _ change: (FieldValue) -> FieldValue) -> FieldDump {
        var changed = FieldDump()
        for entry in entries { changed.add(entry.name, entry.name == name ? change(entry.value) : entry.value) }
        return changed
    }
}

extension FieldValue {
    /// The name that a number stands for; the number where it stands for none.
    fileprivate func named(_ names: [String]) -> FieldValue {
        guard case .integer(let number) = self, names.indices.contains(Int(number)) else { return self }
        return .text(names[Int(number)])
    }

    fileprivate func read<Content: Message>(as type: Content.Type) -> FieldValue {
        guard case .bytes(let bytes) = self else { return self }
        var reader = ByteReader(bytes)
        guard let version = try? reader.readInteger(Int16.self, "Version"),
            let content = try? Content(checking: &reader, version: version)
        else { return self }
        return .object(content.dump(version: version))
    }
}

extension Json {
    /// The fields of a message in the form of Kafka's tools.
    init(_ dump: FieldDump) { self = .object(dump.entries.map { ($0.name, Json($0.value)) }) }

    private init(_ value: FieldValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .int(value)
        case .double(let value): self = .number(value.inKafkaTools)
        case .text(let text): self = .string(text)
        case .uuid(let id): self = .string("\(id)")
        case .bytes(let bytes), .records(let bytes): self = .string(Base64.encode(bytes.array))
        case .array(let items): self = .array(items.map { Json($0) })
        case .object(let dump): self = Json(dump)
        }
    }
}

extension Double {
    /// As Java spells it: beyond seven digits before the point, or two zeros behind it, with an exponent.
    fileprivate var inKafkaTools: String {
        guard isFinite, self != 0, magnitude >= 1e7 || magnitude < 1e-3 else { return "\(self)" }
        let parts = "\(magnitude)".split(separator: "e")
        let halves = parts[0].split(separator: ".")
        let point = halves[0].count
        let digits = (halves[0] + (halves.count > 1 ? halves[1] : "")).drop { $0 == "0" }
        let zeros = halves[0] == "0" ? halves[0].count + halves[1].prefix { $0 == "0" }.count : 0
        var mantissa = digits
        while mantissa.count > 1, mantissa.last == "0" { mantissa.removeLast() }
        let exponent = point - 1 - zeros + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        let rest = mantissa.dropFirst()
        return "\(self < 0 ? "-" : "")\(mantissa.prefix(1)).\(rest.isEmpty ? "0" : rest)E\(exponent)"
    }
}
