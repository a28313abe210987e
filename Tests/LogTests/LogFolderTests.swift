// What a node's folders say of its last stop, together.

import Basics
import Foundation
import Log
import Reactor
import Testing

@Suite struct LogFolderTests {
    /// Two folders whose last users ended in order under these broker epochs, or did not.
    private func end(_ epochs: Int64?...) throws -> Int64? {
        let root = Folder()
        let paths = epochs.indices.map { root.path + "/\($0)" }
        for (path, epoch) in zip(paths, epochs) {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            guard let epoch else { continue }
            let note = Data("{\"version\":0,\"brokerEpoch\":\(epoch)}".utf8)
            try note.write(to: URL(fileURLWithPath: path + "/.kafka_cleanshutdown"))
        }
        return LogFolder.orderlyEnd(of: try paths.map { try LogFolder($0, RealFileSystem()) })
    }

    @Test func `a stop was in order if all folders took note of the same one`() throws {
        #expect(try end(7, 7) == 7)
        #expect(try end(7, nil) == nil && end(nil, 7) == nil && end(nil, nil) == nil)
        #expect(try end(7, 8) == nil, "one of them was away when the node stopped last")
        #expect(try end() == nil)
    }
}
