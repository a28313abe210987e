// The file `meta.properties` at the top of a log folder: whose data this is.
//
//     version=1
//     cluster.id=5L6g3nShT-eMCtK--X86sw
//     node.id=1
//     directory.id=81GDrX5ARUeXAvIvU88V0Q

package import Basics
internal import Bytes
package import Environment

/// The identity of a log folder.
package struct MetaProperties: Hashable, Sendable {
    package static let fileName = "meta.properties"

    package var clusterId: String
    package var nodeId: NodeId
    package var directoryId: Uuid

    package init(clusterId: String, nodeId: NodeId, directoryId: Uuid) {
        self.clusterId = clusterId
        self.nodeId = nodeId
        self.directoryId = directoryId
    }

    /// Reads the file; nil if the folder has none.
    package init?(reading directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        let path = directory + "/" + MetaProperties.fileName
        guard let content = try CheckpointFile.content(path, fileSystem) else { return nil }
        var values: [String: String] = [:]
        // An editor may have left other line ends. Bytes decide: "\r\n" is one character.
        let lines = content.array.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
        for line in lines where line.first != UInt8(ascii: "#") {
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
            values[String(decoding: line[..<equals], as: UTF8.self)] =
                String(decoding: line[equals...].dropFirst(), as: UTF8.self)
        }
        guard values["version"] == "1" else {
            throw .malformed(path: path, reason: "version is not 1")
        }
        guard let clusterId = values["cluster.id"], let nodeId = values["node.id"].flatMap({ Int32($0) }) else {
            throw .malformed(path: path, reason: "cluster.id or node.id is missing")
        }
        guard let directoryId = values["directory.id"].flatMap({ Uuid($0) }) else {
            throw .malformed(path: path, reason: "directory.id is missing or no id")
        }
        self.init(clusterId: clusterId, nodeId: NodeId(nodeId), directoryId: directoryId)
    }

    package func write(to directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        let text = """
            version=1
            cluster.id=\(clusterId)
            node.id=\(nodeId)
            directory.id=\(directoryId)

            """
        try CheckpointFile.replace(
            MetaProperties.fileName, in: directory, with: ByteSlice(Array(text.utf8)), fileSystem)
    }
}
