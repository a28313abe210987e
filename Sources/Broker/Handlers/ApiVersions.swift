// ApiVersions: what this broker speaks, and the features of the cluster.

internal import Basics
internal import ClusterImage
internal import Controller
internal import WireProtocol

enum ApiVersionsHandler {
    static func handle(_ request: ApiVersionsRequest, _ call: Call) {
        if call.version >= 3 {
            guard isSoftwareName(request.clientSoftwareName), isSoftwareName(request.clientSoftwareVersion) else {
                return call.answer(ApiVersionsResponse { $0.errorCode = .invalidRequest })
            }
        }
        if call.version >= 5, isMeantForAnother(request, call) {
            return call.answer(ApiVersionsResponse { $0.errorCode = .rebootstrapRequired })
        }
        let kraftVersion = call.shard.broker.withState { $0.kraftVersion }
        call.answer(response(call.shard.view.image, kraftVersion, call.context.origin.kind))
    }

    /// The answer to a version that is not known: in the form of version 0, with the versions of this API alone.
    static func refuseVersion(_ call: Call) {
        let response = ApiVersionsResponse {
            $0.errorCode = .unsupportedVersion
            $0.apiKeys = ApiTable[.apiVersions].map { [entry($0)] } ?? []
        }
        call.answer(response, version: 0)
    }

    private static func entry(_ api: Api) -> ApiVersionsResponse.ApiVersion {
        ApiVersionsResponse.ApiVersion {
            $0.apiKey = api.key.rawValue
            $0.minVersion = api.announcedMin
            $0.maxVersion = api.versions.upperBound
        }
    }

    private static func response(
        _ image: ClusterImage, _ kraftVersion: Int16, _ kind: ListenerKinds
    ) -> ApiVersionsResponse {
        ApiVersionsResponse {
            $0.apiKeys = ApiTable.served(on: kind).map(entry)
            for feature in SupportedFeatures.all where SupportedFeatures.announced.contains(feature.name) {
                $0.supportedFeatures.append(
                    ApiVersionsResponse.SupportedFeatureKey {
                        $0.name = feature.name
                        $0.minVersion = feature.range.lowerBound
                        $0.maxVersion = feature.range.upperBound
                    })
                let level = feature.name == "kraft.version" ? kraftVersion : image.level(of: feature.name)
                guard level > 0 else { continue }
                $0.finalizedFeatures.append(
                    ApiVersionsResponse.FinalizedFeatureKey {
                        $0.name = feature.name
                        $0.minVersionLevel = level
                        $0.maxVersionLevel = level
                    })
            }
            $0.finalizedFeaturesEpoch = image.endOffset.rawValue - 1
        }
    }

    /// KIP-511: letters and digits, with dots and dashes inside.
    private static func isSoftwareName(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// KIP-1242: the client names the cluster and node that it thinks it has reached.
    private static func isMeantForAnother(_ request: ApiVersionsRequest, _ call: Call) -> Bool {
        if let cluster = request.clusterId, cluster != call.shard.view.image.clusterId { return true }
        return request.nodeId >= 0 && request.nodeId != call.shard.broker.nodeId.rawValue
    }
}
