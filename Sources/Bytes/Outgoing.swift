// What leaves on a connection: bytes that were built, bytes passed through, and ranges of files.

/// A file that ranges can be sent from. The file system that opened it knows how; here it is opaque.
@usableFromInline
package protocol FileSource: AnyObject, Sendable {}

/// `count` bytes of a file from `position`; they leave by sendfile and are never read into the process.
@usableFromInline
package struct FileRegion: Sendable {
    package let source: any FileSource
    package let position: Int
    package let count: Int

    package init(source: any FileSource, position: Int, count: Int) {
        precondition(position >= 0 && count >= 0, "a region lies inside its file")
        self.source = source
        self.position = position
        self.count = count
    }
}

/// One piece of outgoing data.
@usableFromInline
package enum Outgoing: Sendable {
    case bytes(ByteSlice)
    case file(FileRegion)

    package var count: Int {
        switch self {
        case .bytes(let slice): slice.count
        case .file(let region): region.count
        }
    }
}
