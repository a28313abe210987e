// What a program has from the process that it runs in: variables, standard streams, processors, and its exit.

internal import CLinux
internal import Glibc

/// The process itself. Any thread may call.
package enum Process {
    /// Environment variables in the order in which they stand.
    package static var variables: [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        // Safety: `environ` is a null-terminated array of C strings, and nothing here changes it.
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            unsafe next += 1
            guard let equals = text.firstIndex(of: "=") else { continue }
            found.append((String(text[..<equals]), String(text[text.index(after: equals)...])))
        }
        return found
    }

    /// Processors that this process may use.
    package static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Writes to standard output or standard error; what the reader does not want is dropped.
    package static func write(_ text: String, toError: Bool = false) {
        var text = text
        text.withUTF8 { bytes in
            var written = 0
            while written < bytes.count {
                // Safety: the rest of the buffer, which lives during the call.
                let count = unsafe Glibc.write(
                    toError ? STDERR_FILENO : STDOUT_FILENO, bytes.baseAddress.map { unsafe $0 + written },
                    bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                written += count
            }
        }
    }

    /// Takes the code that ran so far out of the resident set: most of it was for the start alone, and what is needed again
    /// comes back from the page cache.
    package static func giveBackCode() { martlet_give_back_code() }

    package static func exit(_ code: Int32) -> Never { Glibc.exit(code) }
}
