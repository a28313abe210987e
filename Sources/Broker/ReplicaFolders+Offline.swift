// Folders that fail while others serve: what is still done in them (nothing), and what room is left in the others.

internal import Basics
internal import ClusterImage
internal import Controller
internal import Environment
internal import Log

extension StorageError {
    /// The file system refused for now; it may do later what was asked.
    var isPassing: Bool {
        guard case .file(let error) = self else { return false }
        return error.kind != .notSynced && error.kind != .offline
    }

    /// Room on the disk or descriptors are short, and there will be some again.
    var isWantOfRoom: Bool {
        guard case .file(let error) = self else { return false }
        return error.kind == .noSpace || error.kind == .tooManyOpenFiles
    }
}

extension ReplicaFolders {
    /// Runs `body` for each folder that is not offline. All have their turn; the first failure is thrown then.
    func eachOnline(_ body: (LogFolder) throws(StorageError) -> Void) throws(StorageError) {
        var failure: StorageError?
        for folder in folders where !folder.standing.isOffline {
            do throws(StorageError) {
                try body(folder)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Runs `body`; what the file system refuses at start takes the folder offline, if the node can do without it.
    func orOffline(_ folder: LogFolder, _ body: () throws(StorageError) -> Void) throws(StorageError) {
        guard !folder.standing.isOffline else { return }
        do throws(StorageError) {
            try body()
        } catch .file(let error) where folders.count > 1 && !holdsMetadata(folder) {
            folder.standing.fail(.file(error))
            logger.error("log", "log folder is offline", [("folder", folder.path), ("reason", "\(error)")])
        }
    }

    /// The ids of the folders that are not offline.
    var onlineDirectoryIds: [Uuid] {
        zip(folders, directoryIds).filter { !$0.0.standing.isOffline }.map(\.1)
    }

    /// Looks how much room is left. On the pool.
    func measureRoom(reserve: Int?, throttle: Int?) {
        for folder in folders where !folder.standing.isOffline {
            do throws(FileError) {
                let space = try folder.fileSystem.space(folder.path)
                let limits = SpaceLimits(total: space.total, reserve: reserve, throttle: throttle)
                report(folder, space.free, limits, folder.standing.measured(free: space.free, limits))
            } catch {
                logger.error("log", "cannot see the free space", [("folder", folder.path), ("reason", "\(error)")])
            }
        }
    }

    private func report(
        _ folder: LogFolder, _ free: Int, _ limits: SpaceLimits,
        _ looks: (before: SpaceLimits.Verdict, now: SpaceLimits.Verdict)
    ) {
        let fields = [("folder", folder.path), ("free", "\(free)"), ("reserve", "\(limits.reserve)")]
        switch looks {
        case (.refused, .refused), (.throttled, .throttled), (.open, .open): break
        case (_, .refused): logger.error("log", "no room: producers are refused", fields)
        case (_, .throttled): logger.warning("log", "little room: producers are slowed down", fields)
        case (_, .open): logger.info("log", "room again: producers are free", fields)
        }
    }
}
