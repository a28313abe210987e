// The recorded frames of a real cluster: bytes, and what Kafka's own converters say of them.

import Basics
import Bytes
import Foundation
import WireProtocol

/// The folders beside the package that tests read.
enum Folders {
    /// The root of the package.
    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The golden data: `MARTLET_GOLDEN`, or `shared/golden` beside the package or beside the folder that holds it.
    static let golden: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"] { return URL(fileURLWithPath: path) }
        let beside = package.deletingLastPathComponent().appendingPathComponent("shared/golden")
        if FileManager.default.fileExists(atPath: beside.path) { return beside }
        return package.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/golden")
    }()

    static let protocolFiles = package.appendingPathComponent("Protocol")
}

struct GoldenFailure: Error, CustomStringConvertible {
    var description: String
}

/// One recorded frame, without its four-byte length.
struct GoldenFrame: @unchecked Sendable {
    // The JSON objects are never changed after loading.
    let file: String
    let bytes: ByteSlice
    let isRequest: Bool
    let apiKey: ApiKey
    let headerVersion: Int16
    let bodyVersion: Int16
    let header: [String: Any]
    let body: [String: Any]
    let trailingBytes: Int
    let reencodes: Bool

    var messageType: any Message.Type { isRequest ? apiKey.requestType : apiKey.responseType }

    /// All frames. Throws when the folder is not there: without it the protocol is not tested at all.
    static let all: Result<[GoldenFrame], GoldenFailure> = {
        let index = Folders.golden.appendingPathComponent("wire-decoded.ndjson")
        guard let text = FileManager.default.contents(atPath: index.path) else {
            return .failure(GoldenFailure(description: "no golden data at \(index.path): set MARTLET_GOLDEN to its folder"))
        }
        var frames: [GoldenFrame] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            do {
                frames.append(try GoldenFrame(line: Data(line)))
            } catch {
                return .failure(GoldenFailure(description: "\(error)"))
            }
        }
        return .success(frames)
    }()

    private init(line: Data) throws {
        guard let object = try JSONSerialization.jsonObject(with: line) as? [String: Any],
            let file = object["file"] as? String, let header = object["header"] as? [String: Any],
            let body = object["body"] as? [String: Any], let headerVersion = object["headerVersion"] as? Int,
            let bodyVersion = object["bodyVersion"] as? Int
        else { throw GoldenFailure(description: "a line of the index is not as expected") }
        let name = file.split(separator: "-")
        guard let number = Int16(name[0]), let apiKey = ApiKey(rawValue: number) else {
            throw GoldenFailure(description: "\(file): no such api")
        }
        let path = Folders.golden.appendingPathComponent("wire/\(file)").path
        guard let data = FileManager.default.contents(atPath: path) else { throw GoldenFailure(description: "no \(path)") }
        self.file = file
        self.apiKey = apiKey
        self.header = header
        self.body = body
        self.headerVersion = Int16(headerVersion)
        self.bodyVersion = Int16(bodyVersion)
        bytes = ByteSlice(Array(data))
        isRequest = file.contains("-req-")
        trailingBytes = (object["trailingBytes"] as? Int) ?? (Int(object["trailingBytes"] as? String ?? "") ?? 0)
        reencodes = object["reencodesToSameBytes"] as? String == "true"
    }
}

/// The first difference between a dump and JSON, as a path with both values; nil when they say the same.
func difference(_ value: FieldValue, _ json: Any?, at path: String) -> String? {
    func unequal() -> String { "\(path): \(value) is not \(json.map { "\($0)" } ?? "absent")" }
    switch value {
    case .null: return json is NSNull ? nil : unequal()
    case .bool(let flag): return json as? Bool == flag ? nil : unequal()
    case .integer(let number): return (json as? NSNumber)?.int64Value == number ? nil : unequal()
    case .double(let number): return (json as? NSNumber)?.doubleValue == number ? nil : unequal()
    case .text(let text): return json as? String == text ? nil : unequal()
    case .uuid(let id): return json as? String == id.description ? nil : unequal()
    case .bytes(let slice), .records(let slice):
        return json as? String == Data(slice.array).base64EncodedString() ? nil : unequal()
    case .array(let values):
        guard let items = json as? [Any], items.count == values.count else { return unequal() }
        for (index, item) in values.enumerated() {
            if let found = difference(item, items[index], at: "\(path)[\(index)]") { return found }
        }
        return nil
    case .object(let dump):
        guard let object = json as? [String: Any] else { return unequal() }
        return difference(dump, object, at: path)
    }
}

func difference(_ dump: FieldDump, _ object: [String: Any], at path: String) -> String? {
    var names: Set<String> = []
    for entry in dump.entries {
        names.insert(entry.name)
        if case .records(let slice) = entry.value {
            let size = entry.name + "SizeInBytes"
            names.insert(size)
            if object[size] as? Int != slice.count { return "\(path).\(size)" }
        }
        if let found = difference(entry.value, object[entry.name], at: "\(path).\(entry.name)") { return found }
    }
    let extra = Set(object.keys).subtracting(names)
    return extra.isEmpty ? nil : "\(path): \(extra.sorted()) are missing"
}
