// The metadata of a data folder as it lies there, for people: the newest whole snapshot and the log behind it, read beside a
// running node and without changing anything. What a node has not committed yet is part of it; the torn end of a log that a
// crash left is not.

package import Basics
package import ClusterImage
package import Environment
package import Log
internal import Raft
internal import Records
internal import WireProtocol

package struct MetadataInspection: Sendable {
    package struct Voter: Sendable {
        package var id: NodeId
        package var directory: Uuid
        package var endpoints: [(name: String, host: String, port: UInt16)]
    }

    package let image: ClusterImage
    /// Those that the log names; empty where the configuration does.
    package let voters: [Voter]
    package let kraftVersion: Int16
    /// Where the snapshot ends that it begins with; zero if there is none.
    package let snapshotEnd: Offset
    /// What ended the reading before the end of the log.
    package let fault: String?

    /// Reads the data folder `folder`, or the folder of the metadata log itself.
    package init(_ folder: String, _ fileSystem: any FileSystem) throws(StorageError) {
        let name = "/" + MetadataStore.partition.description
        let root = folder.hasSuffix(name) ? String(folder.dropLast(name.utf8.count)) : folder
        let store = MetadataStore(folder: root, fileSystem)
        guard try storage({ () throws(FileError) in try fileSystem.attributes(store.directory) }) != nil else {
            throw .malformed(path: folder, reason: "holds no metadata log")
        }
        let identity = try MetaProperties(reading: root, fileSystem)
        var replay = MetadataReplay(
            ClusterImage(clusterId: identity?.clusterId ?? ""), voters: VoterHistory(VoterSet()), directory: store.directory)
        snapshotEnd = try MetadataInspection.takeSnapshot(store, &replay)
        fault = try MetadataInspection.takeLog(store, from: snapshotEnd, &replay)
        image = replay.image
        kraftVersion = replay.kraftVersion
        voters = replay.voters.latest.voters.map { voter in
            Voter(
                id: voter.key.id, directory: voter.key.directory,
                endpoints: voter.endpoints.map { ($0.name, $0.host, $0.port) })
        }
    }

    /// The newest snapshot that is whole. The log holds what lies between it and a newer one.
    private static func takeSnapshot(_ store: MetadataStore, _ replay: inout MetadataReplay) throws(StorageError) -> Offset {
        var failure: StorageError?
        for file in try store.snapshots().reversed() {
            do throws(StorageError) {
                var attempt = replay
                _ = try attempt.take(try store.batches(of: file), endingAt: file.end)
                replay = attempt
                return file.end
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return .zero
    }

    private static func takeLog(
        _ store: MetadataStore, from start: Offset, _ replay: inout MetadataReplay
    ) throws(StorageError) -> String? {
        let bases = try storage { () throws(FileError) in
            try store.fileSystem.entries(store.directory).compactMap { SegmentFiles.parse($0.name) }
                .filter { $0.kind == .log }.map(\.base)
        }
        var next = start
        for base in bases.sorted() {
            let path = store.directory + "/" + SegmentFiles.name(base, .log)
            let (file, size) = try storage { () throws(FileError) in
                let file = try store.fileSystem.open(path, .read)
                return (file, try file.size())
            }
            var scanner = SegmentScanner(file, offset: base, fileSize: size)
            while let batch = try scanner.next() {
                guard batch.header.lastOffset >= start else { continue }
                guard batch.header.baseOffset <= next else { return "\(path): records from offset \(next) on are missing" }
                try replay.take(batch)
                next = batch.header.nextOffset
            }
            if let fault = scanner.fault { return "\(path) at byte \(scanner.position): \(fault)" }
        }
        return nil
    }
}
