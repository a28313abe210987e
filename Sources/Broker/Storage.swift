// Formatting the log folders of a node without starting it, for `martlet storage format`. The work is in `OpenedFolders`,
// which does the same at the first start.

package import Configuration
package import Environment
internal import Log

/// The storage of a node that does not run.
package enum Storage {
    /// Gives the empty log folders of `node` an identity in the cluster `clusterId`. Returns false when all of them have
    /// one already and `ignoresFormatted` is set throws when any has one otherwise, or is not empty, or is in use.
    package static func format(
        _ environment: Environment, _ node: NodeConfiguration, clusterId: String, formation: Formation,
        ignoresFormatted: Bool
    ) throws(StartFailure) -> Bool {
        if let configured = node["cluster.id"], configured != clusterId {
            throw .refused("cluster.id is \(configured) in the configuration, and \(clusterId) was asked for")
        }
        let (found, failed) = try OpenedFolders.open(environment, node)
        if let failure = failed.first { throw .storage(failure.reason) }
        let folders = found.map(\.folder)
        let identities = found.map(\.identity)
        if let index = identities.firstIndex(where: { $0 != nil }) {
            guard ignoresFormatted else {
                throw .refused("\(folders[index].path) is formatted already; --ignore-formatted leaves it as it is")
            }
            guard identities.allSatisfy({ $0 != nil }) else {
                throw .refused("some log folders are formatted and others are not; nothing was changed")
            }
            return false
        }
        try OpenedFolders.requireUnused(folders)
        _ = try OpenedFolders.format(folders, environment: environment, node: node, cluster: clusterId, formation)
        return true
    }
}
