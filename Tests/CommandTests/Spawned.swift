// A child process by plain system calls. Foundation's Process tells of an exit through a descriptor that children which
// are started at the same time may inherit, so that one test would wait for the broker of another.

import Foundation
import Glibc

/// A running child; its streams are files.
final class Spawned {
    private let identifier: pid_t
    private var status: Int32?

    struct CannotStart: Error { var code: Int32 }

    init(
        _ program: URL, _ arguments: [String], variables: [String: String], input: URL?, output: URL?, errors: URL
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, input?.path ?? "/dev/null", O_RDONLY, 0)
        for (descriptor, file) in [(Int32(1), output), (2, errors)] {
            unsafe posix_spawn_file_actions_addopen(
                &actions, descriptor, file?.path ?? "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        let words = unsafe ([program.path] + arguments).map { unsafe strdup($0) } + [nil]
        let settings = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for unsafe text in unsafe words + settings { unsafe free(text) } }
        // Threads of tests block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, program.path, &actions, &attributes, words, settings)
        guard code == 0 else { throw CannotStart(code: code) }
        identifier = child
    }

    /// Waits for the end of the child and gives its exit code, or minus the signal that ended it.
    func wait() -> Int32 {
        if let status { return status }
        var raw: Int32 = 0
        while unsafe waitpid(identifier, &raw, 0) < 0, errno == EINTR {}
        let code = raw & 0x7f == 0 ? raw >> 8 & 0xff : -(raw & 0x7f)
        status = code
        return code
    }

    /// Whether the child has not ended yet.
    var isRunning: Bool {
        if status != nil { return false }
        var raw: Int32 = 0
        guard unsafe waitpid(identifier, &raw, WNOHANG) == identifier else { return true }
        status = raw & 0x7f == 0 ? raw >> 8 & 0xff : -(raw & 0x7f)
        return false
    }

    /// Asks the child to end, and waits for it.
    func terminate() {
        if status == nil { kill(identifier, SIGTERM) }
        _ = wait()
    }
}
