// Levels of features for the whole cluster (KIP-584, KIP-778), and controllers that will not come back.
//
// Rule: a request is carried out as a whole or not at all; a level counts only if this controller, every registered broker
// and every registered controller support it.

package import Basics
internal import ClusterImage
internal import Configuration
package import WireProtocol

extension Controller {
    /// Decides on the levels that features shall have. All refusals are INVALID_UPDATE_VERSION, with the reason as text.
    /// `kraftVersion`: the quorum's own level, which is no metadata record; whoever asked raises it if nothing is refused.
    package func updateFeatures(
        _ request: UpdateFeaturesRequest, kraftVersion: Int16 = 1
    ) -> Decision<UpdateFeaturesResponse> {
        var records: [VersionedRecord] = []
        for update in request.featureUpdates {
            let isQuorums = update.feature == "kraft.version"
            let current = isQuorums ? kraftVersion : image.level(of: update.feature)
            if let reason = refusal(of: update, current) {
                return Decision(
                    reply: UpdateFeaturesResponse {
                        $0.errorCode = .invalidUpdateVersion
                        $0.errorMessage = "The update failed for all features since the following feature had an error:"
                            + " Invalid update version \(update.maxVersionLevel) for feature \(update.feature). \(reason)"
                    })
            }
            guard update.maxVersionLevel != current, !isQuorums else { continue }
            let record = FeatureLevelRecord {
                $0.name = update.feature
                $0.featureLevel = update.maxVersionLevel
            }
            records.append(VersionedRecord(.featureLevel(record), 0))
        }
        let reply = UpdateFeaturesResponse {
            $0.errorMessage = nil
            $0.results = request.featureUpdates.map { update in
                UpdateFeaturesResponse.UpdatableFeatureResult {
                    $0.feature = update.feature
                    $0.errorMessage = "NONE"
                }
            }
        }
        return Decision(records: request.validateOnly ? [] : records, reply: reply)
    }

    private func refusal(of update: UpdateFeaturesRequest.FeatureUpdateKey, _ current: Int16) -> String? {
        let (name, wanted) = (update.feature, update.maxVersionLevel)
        // The first version only has a flag, which allowed what is called safe now.
        let kind = update.allowDowngrade ? FeatureUpgrade.safeDowngrade : FeatureUpgrade(rawValue: update.upgradeType)
        guard let kind else { return "The controller does not support the given upgrade type." }
        if wanted < 0 { return "A feature version cannot be less than 0." }
        guard let known = SupportedFeatures.all.first(where: { $0.name == name })?.range else {
            return "Local controller \(node.nodeId) does not support this feature."
        }
        guard wanted == 0 && known.lowerBound == 0 || known.contains(wanted) else {
            return "Local controller \(node.nodeId) only supports versions \(known.lowerBound)-\(known.upperBound)"
        }
        if let reason = objection(of: nodesWithout(name, wanted), wanted) { return reason }
        if name == "kraft.version", wanted < current { return "The level of the quorum cannot be lowered." }
        if wanted < current {
            if kind == .upgrade {
                return "Can't downgrade the version of this feature without setting the upgrade type to either safe or"
                    + " unsafe downgrade."
            }
            if name == "metadata.version" {
                return kind == .unsafeDowngrade
                    ? "Unsafe metadata downgrade is not supported in this version."
                    : "Refusing to perform the requested downgrade because it might delete metadata information."
            }
        }
        if wanted > current, kind != .upgrade { return "Can't downgrade to a newer version." }
        return nil
    }

    /// Registered nodes that do not support a level above 0, in order.
    private func nodesWithout(_ feature: String, _ level: Int16) -> [String] {
        guard level > 0, feature != "kraft.version" else { return [] }
        let brokers = image.brokers.values.sorted { $0.id < $1.id }
            .filter { !($0.features[feature]?.contains(level) ?? false) }
        let controllers = image.controllers.sorted { $0.key < $1.key }.filter { _, record in
            !record.features.contains {
                $0.name == feature && $0.minSupportedVersion <= level && level <= $0.maxSupportedVersion
            }
        }
        return brokers.map { "Broker \($0.id)" } + controllers.map { "Controller \($0.key)" }
    }

    private func objection(of nodes: [String], _ level: Int16) -> String? {
        nodes.first.map { "\($0) does not support version \(level) of this feature." }
    }

    /// Forgets a controller that will not come back (KIP-1073).
    package func unregisterController(_ controller: NodeId) -> Decision<UnregisterControllerResponse> {
        guard image.controllers[controller] != nil else {
            return Decision(
                reply: UnregisterControllerResponse {
                    $0.errorCode = .controllerIdNotRegistered
                    $0.errorMessage = "Controller ID \(controller) is not currently registered."
                })
        }
        let record = UnregisterControllerRecord { $0.controllerId = controller.rawValue }
        return Decision(
            records: [VersionedRecord(.unregisterController(record), 0)],
            reply: UnregisterControllerResponse { $0.errorMessage = "" })
    }
}

/// What a change of a level may do (KIP-778).
private enum FeatureUpgrade: Int8 {
    case upgrade = 1
    case safeDowngrade = 2
    case unsafeDowngrade = 3
}
