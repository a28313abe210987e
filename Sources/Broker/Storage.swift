// Formatting the log folders of a node without starting it, for `martlet storage format`. The work is in `OpenedFolders`,
// which does the same at the first start.

package import Configuration
package import Environment
package import Log

/// The storage of a node that does not run.
package enum Storage {
    /// Gives the empty log folders of `node` an identity in the cluster `clusterId`; answers their paths. Throws when one has
    /// an identity already, unless `ignoresFormatted` is set: then the others get theirs, as after the loss of a disk. Throws
    /// when one without is not empty, or is in use.
    package static func format(
        _ environment: Environment, _ node: NodeConfiguration, clusterId: String, formation: Formation,
        ignoresFormatted: Bool
    ) throws(StartFailure) -> [String] {
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
            return try OpenedFolders.formatOthers(found, environment, node, cluster: clusterId)
        }
        try OpenedFolders.requireUnused(folders)
        _ = try OpenedFolders.format(folders, environment: environment, node: node, cluster: clusterId, formation)
        return folders.map(\.path)
    }

    /// Whose data is in a log folder; nil in `identity` where the folder is not formatted, or not there.
    package struct Folder: Sendable {
        package var path: String
        package var identity: MetaProperties?
        /// Why it could not be read.
        package var problem: String?
    }

    /// The log folders of `node` as they are, beside a running broker, too.
    package static func folders(_ environment: Environment, _ node: NodeConfiguration) -> [Folder] {
        var paths = node.logDirectories
        if let own = node["metadata.log.dir"], !paths.contains(own) { paths.append(own) }
        return paths.map { path in
            do throws(StorageError) {
                return Folder(path: path, identity: try MetaProperties(reading: path, environment.fileSystem))
            } catch {
                return Folder(path: path, problem: "\(error)")
            }
        }
    }
}
