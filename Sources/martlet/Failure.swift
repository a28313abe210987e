// How a command ends: exit codes, and what is said to the person on standard error.

import Channel
import Client
import Environment
import Reactor
import WireProtocol

/// A command that could not do what it was asked to.
struct Failure: Error, CustomStringConvertible {
    /// The codes of the program, the same for all commands.
    enum Code: Int32 {
        case failure = 1
        case usage = 2
        case notFound = 3
        case unauthorised = 4
        case unreachable = 5
        case underReplicated = 10
        case offline = 11
        case noQuorum = 12
    }

    var description: String
    var code = Code.failure

    init(_ description: String, _ code: Code = .failure) {
        self.description = description
        self.code = code
    }

    init(_ error: ClientError) {
        self.init("\(error)", Failure.code(of: error))
    }

    static func code(of error: ClientError) -> Code {
        switch error {
        case .timedOut: .unreachable
        case .channel(let error): error.isRetriable ? .unreachable : .failure
        case .refused(let code, _): Failure.code(of: code)
        case .invalid, .bufferFull, .closed: .failure
        }
    }

    private static func code(of error: ErrorCode) -> Code {
        switch error {
        case .unknownTopicOrPartition, .unknownTopicId, .groupIdNotFound, .resourceNotFound: .notFound
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIdAuthorizationFailed, .delegationTokenAuthorizationFailed, .saslAuthenticationFailed:
            .unauthorised
        case .requestTimedOut: .unreachable
        default: .failure
        }
    }

    /// The exit code of any error.
    static func exitCode(of error: any Error) -> Int32 {
        switch error {
        case is UsageError: Code.usage.rawValue
        case let failure as Failure: failure.code.rawValue
        case let error as ClientError: code(of: error).rawValue
        case let error as FileError where error.kind == .notFound: Code.notFound.rawValue
        default: Code.failure.rawValue
        }
    }
}

/// Talk, as opposed to data: on standard error.
enum Talk {
    static func say(_ text: String) { Process.write(text + "\n", toError: true) }
}
