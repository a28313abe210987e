// What a peer said that it serves, and which version of each api to speak with it.

package import WireProtocol

/// The versions of each api that a peer announces.
package struct AnnouncedVersions: Hashable, Sendable {
    private var ranges: [Int16: ClosedRange<Int16>] = [:]

    package init(_ response: ApiVersionsResponse) {
        for api in response.apiKeys where api.minVersion <= api.maxVersion {
            ranges[api.apiKey] = api.minVersion...api.maxVersion
        }
    }

    /// The range that the peer announces; nil if it does not serve the api.
    package subscript(key: ApiKey) -> ClosedRange<Int16>? { ranges[key.rawValue] }

    /// The greatest version that both know; nil if there is none.
    package func pick<Request: RequestMessage>(_ type: Request.Type) -> Int16? {
        guard let theirs = ranges[Request.apiKey.rawValue] else { return nil }
        let version = min(theirs.upperBound, Request.versions.upperBound, Request.apiKey.latestStable)
        return version >= theirs.lowerBound && version >= Request.versions.lowerBound ? version : nil
    }
}

extension ApiKey {
    /// The greatest version that may be spoken with brokers that did not opt in to unstable ones: version 6 of
    /// InitProducerId is not final (KIP-939).
    fileprivate var latestStable: Int16 { self == .initProducerId ? 5 : .max }
}
