// The fuzzer of what people write: server.properties, values of keys, offsets, times, JSON and
// expressions for topics. The first byte chooses the
// parser, the rest is its input.

import Basics
import Bytes
import Configuration
import FuzzDriver
import Groups

@main
enum FuzzText {
    static func main() { drive { unsafe fuzz($0, $1) } }
}

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    switch input.choice(7) {
    case 0: fuzzProperties(input.text())
    case 1: fuzzNodeValue(&input)
    case 2: fuzzTopicValue(&input)
    case 3: fuzzOffset(input.text())
    case 4: fuzzTime(input.text())
    case 5: fuzzJson(input.all())
    default: fuzzPattern(input.text())
    }
    return 0
}

// MARK: Configuration

/// What was read and written as lines reads as the same.
private func fuzzProperties(_ text: String) {
    let values = parseProperties(text)
    // A backslash at the end of a line joins lines, and an empty key is no line of its own.
    let plain = values.filter { !$0.key.isEmpty && !$0.key.hasSuffix("\\") && !$0.value.hasSuffix("\\") }
    let written = plain.map { "\($0.key)=\($0.value)\n" }.joined()
    precondition(parseProperties(written) == plain, "properties read as written")
    _ = try? NodeConfiguration(values, acceptsUnbuilt: true)
    _ = parseEnvironment(values.map { ("KAFKA_" + $0.key, $0.value) })
}

/// A value of a key of the node: refused, or good for everything that is made of it.
private func fuzzNodeValue(_ input: inout Input) {
    let keys = KeyTable.broker.keys
    let key = keys[(Int(input.byte()) << 8 | Int(input.byte())) % keys.count]
    let text = input.text()
    _ = key.objection(to: text)
    let given = GivenValue(key: key.name, value: text, origin: .file)
    guard let node = try? NodeConfiguration([given], acceptsUnbuilt: true) else { return }
    precondition(node[key.name] == text || key.name == "broker.id", "a value that was taken is the effective one")
    _ = (node.nodeId, node.roles, node.logDirectories, node.listeners, node.controllerEndpoint, node.brokerEndpoints)
    _ = TopicConfiguration(topic: [:], brokerDynamic: [:], clusterDynamic: [:], node: node)
    _ = KeyTable.broker.suggestion(for: text)
}

private let defaults = try? NodeConfiguration([])

private func fuzzTopicValue(_ input: inout Input) {
    let keys = KeyTable.topic.keys + KeyTable.group.keys + KeyTable.clientMetrics.keys
    let key = keys[input.choice(keys.count)]
    let text = input.text()
    guard key.objection(to: text) == nil, let defaults else { return }
    let topic = TopicConfiguration(topic: [key.name: text], brokerDynamic: [:], clusterDynamic: [:], node: defaults)
    if key.name == "segment.bytes" { precondition(topic.segmentBytes > 0, "a segment has a size") }
    if key.name == "min.insync.replicas" { precondition(topic.minimumInSync > 0, "a value that was taken counts") }
}

// MARK: Command line

private let now = Timestamp(milliseconds: 1_795_000_000_000)

private func fuzzOffset(_ text: String) {
    guard let expression = OffsetExpression(text, now: now) else { return }
    for mark in [expression.from, expression.to ?? .end] {
        let offset = mark.offset(start: Offset(5), end: Offset(10), found: .none)
        precondition(offset >= .zero, "an offset is none below zero")
        _ = mark.place
    }
}

private func fuzzTime(_ text: String) {
    _ = TimeExpression.duration(text)
    guard let time = TimeExpression.time(text, now: now) else { return }
    let written = TimeExpression.text(time)
    guard time.milliseconds >= 0, written.hasSuffix("Z") else { return }
    precondition(TimeExpression.time(written, now: now) == time, "\(written) reads as written")
}

/// What is read reads the same when it is written again.
private func fuzzJson(_ bytes: [UInt8]) {
    guard let value = try? JsonReader.read(ByteSlice(bytes)), let text = json(value)?.text else { return }
    guard let again = try? JsonReader.read(ByteSlice(Array(text.utf8))) else {
        preconditionFailure("JSON reads as written")
    }
    precondition(json(again)?.text == text, "JSON reads as written")
}

/// Nil where a text is no UTF-8.
private func json(_ value: JsonValue) -> Json? {
    switch value {
    case .null: return .null
    case .bool(let flag): return .bool(flag)
    case .number(let text): return .number(text)
    case .string(let bytes): return ByteSlice(bytes).validString.map { .string($0) }
    case .array(let items):
        let found = items.compactMap(json)
        return found.count == items.count ? .array(found) : nil
    case .object(let fields):
        let found = fields.compactMap { field in json(field.value).map { (field.name, $0) } }
        return found.count == fields.count ? .object(found) : nil
    }
}

// MARK: Expressions

/// An expression is refused, or matches in bounded time and memory, the same each time.
private func fuzzPattern(_ text: String) {
    guard let pattern = try? TopicPattern(text) else { return }
    for topic in ["", "a", "logs-0", text, String(repeating: "a", count: 249)] {
        let first = pattern.matches(topic)
        precondition(pattern.matches(topic) == first, "an expression matches the same twice")
    }
}
