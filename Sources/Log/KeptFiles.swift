// What is taken out of a log because it cannot be believed: it is kept in a file beside the log, never thrown away.
//
// The file is named after the segment and the position at which the bytes stood: `<segment>.log.<position>.damaged`, with
// `-2` and so on behind the position where that name is taken. Nothing reads it but people.

internal import Basics
internal import Bytes
internal import Environment

/// The kept files of one partition's folder.
struct KeptFiles {
    static let suffix = ".damaged"

    private let directory: String
    private let fileSystem: any FileSystem

    init(_ directory: String, _ fileSystem: any FileSystem) {
        self.directory = directory
        self.fileSystem = fileSystem
    }

    /// Copies `range` of the file at `path`, durably; answers the path of the copy.
    func copy(_ range: Range<Int>, of path: String) throws(StorageError) -> String {
        try storage { () throws(FileError) in
            let target = try name(path, range.lowerBound)
            let source = try fileSystem.open(path, .read)
            let copy = try fileSystem.open(target, .replace)
            var position = range.lowerBound
            while position < range.upperBound {
                let count = min(SegmentScanner.blockSize, range.upperBound - position)
                let bytes = try source.read(at: position, count: count)
                guard !bytes.isEmpty else { break }
                try copy.write([bytes], at: position - range.lowerBound)
                position += bytes.count
            }
            try copy.sync()
            try fileSystem.syncDirectory(directory)
            return target
        }
    }

    /// Gives a whole file another name, which it answers. The folder is not synced.
    func rename(_ path: String) throws(StorageError) -> String {
        try storage { () throws(FileError) in
            let target = try name(path, 0)
            try fileSystem.rename(path, to: target)
            return target
        }
    }

    private func name(_ path: String, _ position: Int) throws(FileError) -> String {
        var name = "\(path).\(position)\(KeptFiles.suffix)"
        var number = 2
        while try fileSystem.attributes(name) != nil {
            name = "\(path).\(position)-\(number)\(KeptFiles.suffix)"
            number += 1
        }
        return name
    }
}
