// Files as the log needs them: positioned gathered writes, explicit syncs of files and of directories, atomic renames,
// and read-only windows whose faults are errors.
//
// Durability is explicit: data is safe after `sync`, a new or renamed name only after `syncDirectory` of its folder.

package import Bytes

/// A file system. All calls may block for as long as a disk takes and may be made on any thread.
package protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File
    /// Creates the folder and the missing ones above it.
    func createDirectory(_ path: String) throws(FileError)
    /// Names in a folder, sorted by their bytes.
    func entries(_ path: String) throws(FileError) -> [DirectoryEntry]
    /// Nil if nothing stands there.
    func attributes(_ path: String) throws(FileError) -> FileAttributes?
    /// Replaces what stands at `target`, in one step.
    func rename(_ source: String, to target: String) throws(FileError)
    /// Removes a file, or an empty folder.
    func remove(_ path: String) throws(FileError)
    func syncDirectory(_ path: String) throws(FileError)
    /// Takes the lock file at `path`, creating it; fails with `.locked` when another process holds it.
    /// The lock ends with the returned object.
    func lock(_ path: String) throws(FileError) -> any FileLock
    /// The disk that holds the folder `path`; nil if a failed sync of it could go unnoticed.
    func disk(_ path: String) throws(FileError) -> (any Disk)?
    /// Bytes of the file system that holds `path`: in all, and free for this process.
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int)
}

/// A whole disk. Calls may be made on any thread.
package protocol Disk: AnyObject, Sendable {
    /// Makes everything durable that was written to any file on the disk, names included (syncfs). Fails if anything
    /// could not be written since the last call.
    func sync() throws(FileError)
}

package enum OpenMode: Sendable {
    case read
    /// Reading and writing; the file must exist.
    case update
    /// Reading and writing; created if it does not exist.
    case create
    /// Reading and writing, created or emptied.
    case replace
}

package struct DirectoryEntry: Hashable, Sendable {
    package var name: String
    package var isDirectory: Bool

    package init(name: String, isDirectory: Bool) {
        self.name = name
        self.isDirectory = isDirectory
    }
}

package struct FileAttributes: Hashable, Sendable {
    package var size: Int
    package var isDirectory: Bool
    /// Wall-clock milliseconds of the last change.
    package var modified: Int64

    package init(size: Int, isDirectory: Bool, modified: Int64) {
        self.size = size
        self.isDirectory = isDirectory
        self.modified = modified
    }
}

/// A lock that other processes see, held until the object ends.
package protocol FileLock: AnyObject, Sendable {}

/// An open file; closed with its last reference. Calls may be made on any thread.
package protocol File: FileSource {
    var path: String { get }
    func size() throws(FileError) -> Int
    /// Up to `count` bytes from `position`; fewer only at the end of the file.
    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice
    /// Writes all slices one after the other from `position`. After an error any part of them may have been written.
    func write(_ slices: [ByteSlice], at position: Int) throws(FileError)
    /// Makes the data durable (fdatasync). After `.notSynced` the state of unsynced data is unknown for good.
    func sync() throws(FileError)
    func truncate(to size: Int) throws(FileError)
    /// A read-only window over the first `count` bytes, of which some may not be there yet: a file that grows needs no
    /// other window. Reading beyond the end is an error, or zeros up to the end of a page.
    func window(count: Int) throws(FileError) -> any ReadWindow
    /// Asks for the range to be read ahead; does not wait for it.
    func willNeed(_ range: Range<Int>)
    /// What regions are sent from: the file as the file system that opened it knows it.
    var source: any FileSource { get }
}

extension File {
    package var source: any FileSource { self }
}

/// A read-only view of the first bytes of a file. A fault on the device or a file cut short is an error of `copy`.
package protocol ReadWindow: AnyObject, Sendable {
    var count: Int { get }
    /// Copies `count` bytes from `position` to the start of `memory`; the range must lie inside the window.
    func copy(at position: Int, count: Int, into memory: Memory) throws(FileError)
    /// The big-endian integer at `position`, for index look-ups.
    func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, at position: Int
    ) throws(FileError) -> Value
    /// Whether all of the range is in memory and up to date, so that neither the window nor a read of the file would
    /// wait for the disk. Only a moment's answer: the range may have to go for others.
    func isResident(_ range: Range<Int>) -> Bool
}

/// A failed file operation.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case notFound
        case exists
        case noSpace
        case inputOutput
        /// A sync failed: what of the data is durable is not known, and no later sync would tell.
        case notSynced
        /// A sync failed before, and nothing is done in this folder any more.
        case offline
        case notPermitted
        case tooManyOpenFiles
        case locked
        case notEmpty
        /// What was asked for is not in memory, and the caller said that it cannot wait for the disk.
        case wouldWait
        case other
    }

    package var kind: Kind
    /// The call that failed, such as `pwritev`.
    package var operation: String
    package var path: String
    /// The system's error number, 0 if there was none.
    package var errno: Int32

    package init(_ kind: Kind, _ operation: String, path: String, errno: Int32 = 0) {
        self.kind = kind
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    /// What is asked for is not in memory.
    package static let wouldWait = FileError(.wouldWait, "read without waiting", path: "")

    package var description: String { "\(operation) \(path): \(kind) (errno \(errno))" }
}
