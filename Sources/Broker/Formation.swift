// How a node's storage is formatted: who votes first, and at which levels the cluster's features begin (KIP-853, KIP-1022).
//
// A node of a quorum of several is formatted on purpose, so that no two nodes begin two clusters; a lone one, and one whose
// voters and cluster id the configuration names, may do it by itself.

internal import Basics
package import Configuration
internal import ClusterImage
internal import Controller
internal import Log
internal import Raft
internal import WireProtocol

package struct Formation: Sendable {
    package enum Voters: Hashable, Sendable {
        /// The node alone.
        case standalone
        /// All that stand there, as `ID@HOST:PORT:DIRECTORY`.
        case controllers([String])
        /// The configuration names them, or the node joins a quorum that is there.
        case none
    }

    package var voters: Voters
    /// Levels that differ from those of this release, by feature.
    package var levels: [String: Int16]

    package init(voters: Voters, levels: [String: Int16] = [:]) {
        self.voters = voters
        self.levels = levels
    }

    /// What a node formats that is started on empty folders; throws where that is to be done on purpose.
    static func automatic(_ node: NodeConfiguration) throws(StartFailure) -> Formation {
        guard !node.hasQuorumPeers || node["cluster.id"] != nil else {
            throw .refused(
                "the log folders are not formatted, and other nodes belong to this one's cluster: format all with one cluster id"
                    + " (martlet storage format)")
        }
        return try usual(node)
    }

    /// What follows from the configuration alone; throws where it leaves open who votes first.
    package static func usual(_ node: NodeConfiguration) throws(StartFailure) -> Formation {
        if !node.isController || !node.configuredVoters.isEmpty { return Formation(voters: .none) }
        guard !node.hasQuorumPeers else {
            throw .refused(
                "the configuration does not say who votes first: --standalone, --initial-controllers or"
                    + " --no-initial-controllers of martlet storage format does")
        }
        return Formation(voters: .standalone)
    }

    /// Takes the level of kraft.version that was asked for. At 0 the configuration names the voters, and no option may; at 1 an
    /// option says what the log begins with. `isDynamic`: there was such an option.
    package mutating func setKraftVersion(_ level: Int16, isDynamic: Bool, _ node: NodeConfiguration) throws(StartFailure) {
        let options = "--standalone, --initial-controllers or --no-initial-controllers"
        switch level {
        case 0:
            guard !isDynamic else { throw .refused("with kraft.version=0 there is no \(options): the configuration names the voters") }
            guard !node.configuredVoters.isEmpty || !node.isController else {
                throw .refused("with kraft.version=0 controller.quorum.voters must name the voters")
            }
            voters = .none
        case 1:
            guard isDynamic || voters != .none else { throw .refused("kraft.version=1 needs \(options)") }
        default: throw .refused("kraft.version has levels 0 to 1, and \(level) was asked for")
        }
    }

    /// The level of metadata.version that belongs to a release, such as `4.1` or `4.1-IV0`.
    package static func metadataLevel(release: String) -> Int16? {
        let first: [(release: String, level: Int16, count: Int16)] = [
            ("3.3", 7, 1), ("3.4", 8, 1), ("3.5", 9, 3), ("3.6", 12, 3), ("3.7", 15, 5), ("3.8", 20, 1), ("3.9", 21, 1),
            ("4.0", 22, 4), ("4.1", 26, 2), ("4.2", 28, 2), ("4.3", 30, 1), ("4.4", 31, 3),
        ]
        let parts = release.split(separator: "-", maxSplits: 1)
        guard let name = parts.first, let known = first.first(where: { $0.release == name }) else { return nil }
        guard parts.count == 2 else { return known.level + known.count - 1 }
        // 3.3 begins with its last step.
        let shift: Int16 = name == "3.3" ? 3 : 0
        guard parts[1].hasPrefix("IV"), let step = Int16(parts[1].dropFirst(2)), (shift..<shift + known.count).contains(step)
        else { return nil }
        return known.level + step - shift
    }

    /// The folder that the voters name for `node`; nil if they leave it open.
    func directory(of node: NodeId) throws(StartFailure) -> Uuid? {
        guard case .controllers(let texts) = voters else { return nil }
        let parsed = try Formation.parse(texts)
        guard let own = parsed.first(where: { $0.key.id == node }) else {
            throw .refused("the initial controllers do not name this node, whose node.id is \(node)")
        }
        return own.key.directory
    }

    /// The voters that the first checkpoint names; nil if it names none.
    func record(own: Voter, _ node: NodeConfiguration) throws(StartFailure) -> VotersRecord? {
        switch voters {
        case .none: return nil
        case .standalone: return VoterSet([own]).record
        case .controllers(let texts):
            let name = node.controllerListenerNames.first ?? "CONTROLLER"
            return VoterSet(
                try Formation.parse(texts).map { voter in
                    var voter = voter
                    voter.endpoints[0].name = name
                    return voter
                }
            ).record
        }
    }

    private static func parse(_ texts: [String]) throws(StartFailure) -> [Voter] {
        var voters: [Voter] = []
        for text in texts {
            let at = text.split(separator: "@", maxSplits: 1)
            let parts = at.count == 2 ? at[1].split(separator: ":") : []
            guard let id = at.first.flatMap({ Int32($0) }), id >= 0, parts.count >= 3,
                let directory = Uuid(String(parts[parts.count - 1])), let port = UInt16(parts[parts.count - 2])
            else { throw .refused("'\(text)' is not ID@HOST:PORT:DIRECTORY") }
            var host = parts.dropLast(2).joined(separator: ":")
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            let key = ReplicaKey(id: NodeId(id), directory: directory)
            guard !voters.contains(where: { $0.key.id == key.id }) else { throw .refused("controller \(id) stands there twice") }
            voters.append(Voter(key: key, endpoints: [Voter.Endpoint(name: "", host: host, port: port)]))
        }
        return voters
    }

    /// The records that a new cluster begins with.
    func records() throws(StartFailure) -> [VersionedRecord] {
        for (name, level) in levels.sorted(by: { $0.key < $1.key }) {
            guard let known = SupportedFeatures.all.first(where: { $0.name == name }) else {
                throw .refused("\(name) is no feature of this release")
            }
            guard known.range.contains(level) else {
                throw .refused("\(name) has levels \(known.range.lowerBound) to \(known.range.upperBound), and \(level) was asked for")
            }
        }
        return SupportedFeatures.bootstrapRecords.compactMap { entry in
            guard case .featureLevel(var record) = entry.record else { return entry }
            record.featureLevel = levels[record.name] ?? record.featureLevel
            return record.featureLevel > 0 ? VersionedRecord(.featureLevel(record), entry.version) : nil
        }
    }
}
