// The log folders of a node at start: locked, checked against each other, formatted if all are empty, and loaded.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import WireProtocol

/// Everything on disk that a node begins with.
struct OpenedFolders {
    let identity: MetaProperties
    let metadata: LoadedMetadata
    let replicas: ReplicaFolders

    /// Recorded as the voter's endpoint of a lone node without a controller listener; nothing is bound there.
    static let unboundControllerPort: UInt16 = 9093

    init(_ environment: Environment, _ node: NodeConfiguration, _ logger: Logger) throws(StartFailure) {
        let (found, failed) = try OpenedFolders.open(environment, node)
        for failure in failed {
            logger.error("log", "log folder is offline", [("folder", failure.path), ("reason", "\(failure.reason)")])
        }
        let folders = found.map(\.folder)
        var identities = found.map(\.identity)
        // Without the metadata, or with nothing to go by, there is no going on.
        if let failure = failed.first(where: { $0.path == OpenedFolders.metadataPath(node) }) ?? failed.first,
            failure.path == OpenedFolders.metadataPath(node) || identities.allSatisfy({ $0 == nil })
        {
            throw .folderFailed(failure.path, failure.reason)
        }
        let metadataIndex = folders.firstIndex { $0.path == OpenedFolders.metadataPath(node) } ?? 0
        // The metadata's folder gets its identity last: without it, formatting did not come to its end.
        if identities[metadataIndex] == nil {
            let isBegun = try OpenedFolders.areUnused(folders)
            if isBegun || identities.allSatisfy({ $0 == nil }) {
                try OpenedFolders.requireUnused(folders)
                identities = try OpenedFolders.format(folders, identities, environment, node, logger)
            }
        }
        let known = try OpenedFolders.check(identities, folders, node)
        identity = known[0]
        var loader = MetadataLoader(
            folder: folders[metadataIndex], identity: known[metadataIndex], node: node, logger: logger)
        do throws(StorageError) {
            metadata = try loader.load(seed: environment.random.next())
            replicas = ReplicaFolders(
                folders: folders, directoryIds: known.map(\.directoryId), unopened: failed.map(\.path),
                metadata: metadata.log, node: node, environment: environment, logger: logger)
            try replicas.loadAll(metadata.controller.image)
            for folder in folders {
                try replicas.orOffline(folder) { () throws(StorageError) in try folder.beginRun() }
            }
        } catch {
            throw .storage(error)
        }
    }

    /// Opens and locks all folders, and reads whose they are. A folder that the file system refuses is told of; one that
    /// another process uses is an error.
    static func open(
        _ environment: Environment, _ node: NodeConfiguration
    ) throws(StartFailure) -> (
        found: [(folder: LogFolder, identity: MetaProperties?)], failed: [(path: String, reason: StorageError)]
    ) {
        var paths = node.logDirectories
        if let own = node["metadata.log.dir"], !paths.contains(own) { paths.append(own) }
        var found: [(folder: LogFolder, identity: MetaProperties?)] = []
        var failed: [(path: String, reason: StorageError)] = []
        for path in paths {
            do throws(StorageError) {
                let folder = try LogFolder(path, environment.fileSystem)
                found.append((folder, try MetaProperties(reading: path, folder.fileSystem)))
            } catch .file(let error) where error.kind != .locked {
                failed.append((path, .file(error)))
            } catch {
                throw .storage(error)
            }
        }
        return (found, failed)
    }

    /// The folder of the metadata log.
    private static func metadataPath(_ node: NodeConfiguration) -> String {
        node["metadata.log.dir"] ?? node.logDirectories[0]
    }

    static func requireUnused(_ folders: [LogFolder]) throws(StartFailure) {
        for folder in folders where try !areUnused([folder]) {
            throw .refused(
                "\(folder.path) is not empty and has no \(MetaProperties.fileName): it is not a data folder, or lost its"
                    + " identity; nothing was changed")
        }
    }

    /// Whether nothing stands in the folders but what formatting writes: it was not begun, or not ended.
    private static func areUnused(_ folders: [LogFolder]) throws(StartFailure) -> Bool {
        do throws(StorageError) {
            for folder in folders {
                let store = MetadataStore(folder: folder.path, folder.fileSystem)
                guard try folder.holdsOnly([MetaProperties.fileName], [MetadataStore.partition.description]),
                    try store.isUnused()
                else { return false }
            }
            return true
        } catch {
            throw .storage(error)
        }
    }

    private static func check(
        _ identities: [MetaProperties?], _ folders: [LogFolder], _ node: NodeConfiguration
    ) throws(StartFailure) -> [MetaProperties] {
        var known: [MetaProperties] = []
        for (identity, folder) in zip(identities, folders) {
            guard let identity else {
                throw .refused("\(folder.path) has no \(MetaProperties.fileName), but other log folders have")
            }
            if identity.nodeId.rawValue != node.nodeId {
                throw .refused(
                    "\(folder.path) belongs to node \(identity.nodeId), and node.id is \(node.nodeId)")
            }
            if let cluster = node["cluster.id"], cluster != identity.clusterId {
                throw .refused("\(folder.path) belongs to cluster \(identity.clusterId), and cluster.id is \(cluster)")
            }
            if let first = known.first, first.clusterId != identity.clusterId {
                throw .refused(
                    "\(folder.path) belongs to cluster \(identity.clusterId), and \(folders[0].path) to"
                        + " \(first.clusterId)")
            }
            known.append(identity)
        }
        return known
    }

    // MARK: Formatting

    private static func format(
        _ folders: [LogFolder], _ begun: [MetaProperties?], _ environment: Environment, _ node: NodeConfiguration,
        _ logger: Logger
    ) throws(StartFailure) -> [MetaProperties?] {
        var random = RandomSourceGenerator(environment.random)
        let formation = try Formation.automatic(node)
        let known = node["cluster.id"] ?? begun.compactMap(\.self).first?.clusterId
        let cluster = known ?? Uuid.random(using: &random).description
        let identities = try format(folders, environment: environment, node: node, cluster: cluster, formation)
        logger.info("broker", "formatted", [("cluster", cluster), ("folders", folders.map(\.path).joined(separator: ","))])
        return identities
    }

    static func format(
        _ folders: [LogFolder], environment: Environment, node: NodeConfiguration, cluster: String, _ formation: Formation
    ) throws(StartFailure) -> [MetaProperties] {
        var random = RandomSourceGenerator(environment.random)
        let index = node["metadata.log.dir"].flatMap { path in folders.firstIndex { $0.path == path } } ?? 0
        let named = try formation.directory(of: NodeId(node.nodeId))
        let identities = folders.indices.map { position in
            let made = Uuid.random(using: &random)
            return MetaProperties(
                clusterId: cluster, nodeId: NodeId(node.nodeId),
                directoryId: position == index ? named ?? made : made)
        }
        let endpoint = node.controllerEndpoint
        let isAny = endpoint.map { $0.host.isEmpty || $0.host == "0.0.0.0" } ?? false
        let own = Voter(
            key: ReplicaKey(id: NodeId(node.nodeId), directory: identities[index].directoryId),
            endpoints: [
                Voter.Endpoint(
                    name: endpoint?.name ?? "CONTROLLER", host: isAny ? "localhost" : endpoint?.host ?? "127.0.0.1",
                    port: endpoint?.port ?? unboundControllerPort)
            ])
        let (voters, records) = (try formation.record(own: own, node), try formation.records())
        do throws(StorageError) {
            try write(identities, to: folders, metadata: index, voters, records, at: environment.clock.wallClock)
        } catch {
            throw .storage(error)
        }
        return identities
    }

    /// Gives the folders without an identity one beside the others; answers their paths. That of the metadata cannot be made
    /// anew beside others: what the node knew and voted is gone.
    static func formatOthers(
        _ found: [(folder: LogFolder, identity: MetaProperties?)], _ environment: Environment, _ node: NodeConfiguration,
        cluster: String
    ) throws(StartFailure) -> [String] {
        let formatted = found.filter { $0.identity != nil }
        let known = try check(formatted.map(\.identity), formatted.map(\.folder), node)
        if known[0].clusterId != cluster {
            throw .refused("\(formatted[0].folder.path) belongs to cluster \(known[0].clusterId), and \(cluster) was asked for")
        }
        let empty = found.filter { $0.identity == nil }.map(\.folder)
        if let lost = empty.first(where: { $0.path == metadataPath(node) }) {
            throw .refused("\(lost.path), the folder of the metadata, is not formatted, but others are; nothing was changed")
        }
        try requireUnused(empty)
        var random = RandomSourceGenerator(environment.random)
        do throws(StorageError) {
            for folder in empty {
                try folder.syncName()
                let identity = MetaProperties(
                    clusterId: cluster, nodeId: NodeId(node.nodeId), directoryId: Uuid.random(using: &random))
                try identity.write(to: folder.path, folder.fileSystem)
            }
        } catch {
            throw .storage(error)
        }
        return empty.map(\.path)
    }

    private static func write(
        _ identities: [MetaProperties], to folders: [LogFolder], metadata index: Int, _ voters: VotersRecord?,
        _ records: [VersionedRecord], at time: Timestamp
    ) throws(StorageError) {
        for folder in folders { try folder.syncName() }
        let store = MetadataStore(folder: folders[index].path, folders[index].fileSystem)
        try store.format(voters: voters, records: records, at: time)
        for other in folders.indices where other != index {
            try identities[other].write(to: folders[other].path, folders[other].fileSystem)
        }
        try identities[index].write(to: folders[index].path, folders[index].fileSystem)
    }
}
