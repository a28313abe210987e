// What can go wrong in the log, apart from what a caller asks wrongly.

package import Environment

/// A failed operation of the log.
package enum StorageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file system refused.
    case file(FileError)
    /// The bytes at `position` of a file are not what was written there. Never the end of a log: see `LogRecovery`.
    case corrupt(path: String, position: Int, reason: String)
    /// A file of the data folder that cannot be understood.
    case malformed(path: String, reason: String)
    /// The log was deleted or its folder is offline.
    case closed

    package var description: String {
        switch self {
        case .file(let error): error.description
        case .corrupt(let path, let position, let reason): "\(path) is corrupt at byte \(position): \(reason)"
        case .malformed(let path, let reason): "\(path): \(reason)"
        case .closed: "the log is closed"
        }
    }
}

/// Runs `body`, turning the file system's errors into the log's.
package func storage<Result>(_ body: () throws(FileError) -> Result) throws(StorageError) -> Result {
    do {
        return try body()
    } catch {
        throw .file(error)
    }
}
