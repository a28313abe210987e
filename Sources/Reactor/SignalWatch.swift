// Signals of the process as events of a loop: the handler writes the number to a pipe, the loop reads it.

internal import CLinux
internal import Environment
internal import Glibc

/// The signals that a server answers to.
package enum ProcessSignal: Hashable, Sendable, CaseIterable {
    case terminate
    case interrupt
    case hangUp

    var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        }
    }
}

/// Owned by its loop's thread once it watches.
final class SignalWatch: EventSource {
    private let reading: Descriptor
    private let writing: Descriptor
    private let action: @Sendable (ProcessSignal) -> Void

    init(_ action: @escaping @Sendable (ProcessSignal) -> Void) throws(NetworkError) {
        var ends: (Int32, Int32) = (-1, -1)
        let result = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            // Safety: the two numbers lie one behind the other.
            unsafe martlet_signal_pipe(bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        guard result >= 0 else { throw NetworkError(errno: -result, "pipe2") }
        reading = Descriptor(ends.0)
        writing = Descriptor(ends.1)
        self.action = action
    }

    /// Routes the signals from now on to this object. One at a time in a process.
    func begin(on loop: RealLoop) throws(NetworkError) {
        _ = try loop.watch(reading.raw, for: .reading, self)
        for signal in ProcessSignal.allCases { _ = martlet_signal_route(signal.number, writing.raw) }
    }

    func ready(_ readiness: Readiness) {
        while true {
            let number = martlet_signal_next(reading.raw)
            guard number != 0 else { return }
            if let signal = ProcessSignal.allCases.first(where: { $0.number == number }) { action(signal) }
        }
    }

    func loopEnds() {
        for signal in ProcessSignal.allCases { _ = martlet_signal_route(signal.number, -1) }
    }
}
