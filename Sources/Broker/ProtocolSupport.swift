// What this broker serves, for people and for tests: the page `Docs/protocol-support.md` is this text.

internal import WireProtocol

package enum ProtocolSupport {
    /// The APIs and versions that clients are served, by the number of the API.
    package static var served: [Int16: ClosedRange<Int16>] {
        Dictionary(ApiTable.served(on: .broker).map { ($0.key.rawValue, $0.versions) }) { first, _ in first }
    }

    /// A page in Markdown with every API that the protocol has for brokers, made from the dispatch table.
    package static var markdown: String {
        var page = """
            # Protocol support

            Made from the dispatch table by `martlet protocol`; do not edit. Versions are those of Kafka 4.4 that are
            served; ApiVersions announces the same. All other requests close the connection, as Kafka does for what it
            does not know.

            | key | api | versions | notes |
            | ---: | --- | --- | --- |

            """
        for key in ApiKey.allCases.sorted(by: { $0.rawValue < $1.rawValue }) {
            let name = key.name
            guard let api = ApiTable[key] else {
                page += "| \(key.rawValue) | \(name) | – | \(absence(of: key)) |\n"
                continue
            }
            page += "| \(key.rawValue) | \(name) | \(spelled(api.versions)) | \(note(on: api)) |\n"
        }
        return page
    }

    private static func spelled(_ versions: ClosedRange<Int16>) -> String {
        versions.lowerBound == versions.upperBound
            ? "\(versions.lowerBound)" : "\(versions.lowerBound)–\(versions.upperBound)"
    }

    private static func note(on api: Api) -> String {
        switch api.key {
        case .produce: "announced from 0 on, as Kafka does for old clients; no transactions"
        case _ where !api.key.listeners.contains(.broker): "between nodes, on the listener of controllers"
        case .initProducerId: "idempotent producers; a transactional id gets NOT_COORDINATOR"
        default: ""
        }
    }

    /// Why an API is not served.
    private static func absence(of key: ApiKey) -> String {
        key.listeners.contains(.broker) ? "not built yet" : "between nodes; not built yet"
    }
}

extension ApiKey {
    /// The name of the API, such as "Produce".
    var name: String { requestType.messageName.replacing("Request", with: "") }
}
