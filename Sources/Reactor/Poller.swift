// Which descriptors a loop watches, and what for: epoll, level-triggered. Owned by the loop's thread.
//
// A watched source has a slot; the token given to the kernel is generation << 32 | slot, so that an event for a source
// that has gone, in the same batch, finds a newer generation and is ignored. The loop holds its sources strongly until
// they are forgotten.

internal import CLinux
internal import Environment
internal import Glibc

/// What a descriptor is ready for, or is watched for.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    static let reading = Readiness(rawValue: MARTLET_READABLE)
    static let writing = Readiness(rawValue: MARTLET_WRITABLE)
    /// Reported whether asked for or not.
    static let failure = Readiness(rawValue: MARTLET_FAILED)
    static let hangUp = Readiness(rawValue: MARTLET_HUNG_UP)
}

/// Something that waits for a descriptor.
protocol EventSource: AnyObject {
    func ready(_ readiness: Readiness)
    /// The loop ends: close now.
    func loopEnds()
}

struct Poller: ~Copyable {
    /// Names one watched source.
    typealias Token = UInt64

    private struct Slot {
        var source: (any EventSource)?
        var generation: UInt32 = 1
    }

    private let epoll: Descriptor
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []

    init() throws(NetworkError) {
        let descriptor = martlet_epoll_create()
        guard descriptor >= 0 else { throw NetworkError(errno: -descriptor, "epoll_create1") }
        epoll = Descriptor(descriptor)
    }

    /// Watches `descriptor` for `source`; `failure` and `hangUp` come in any case.
    mutating func watch(
        _ descriptor: Int32, for readiness: Readiness, _ source: any EventSource
    ) throws(NetworkError) -> Token {
        let slot = freeSlots.popLast() ?? UInt32(slots.count)
        if Int(slot) == slots.count { slots.append(Slot()) }
        let token = UInt64(slots[Int(slot)].generation) << 32 | UInt64(slot)
        let result = martlet_epoll_add(epoll.raw, descriptor, readiness.rawValue, token)
        guard result >= 0 else {
            freeSlots.append(slot)
            throw NetworkError(errno: -result, "epoll_ctl")
        }
        slots[Int(slot)].source = source
        return token
    }

    func change(_ descriptor: Int32, to readiness: Readiness, _ token: Token) {
        let result = martlet_epoll_change(epoll.raw, descriptor, readiness.rawValue, token)
        precondition(result == 0, "a watched descriptor is open (error \(-result))")
    }

    /// Forgets a source; to be called before its descriptor is closed. The caller drops the returned reference.
    mutating func forget(_ descriptor: Int32, _ token: Token) -> (any EventSource)? {
        let result = martlet_epoll_remove(epoll.raw, descriptor)
        precondition(result == 0, "a watched descriptor is open (error \(-result))")
        let slot = Int(UInt32(truncatingIfNeeded: token))
        let source = slots[slot].source
        slots[slot].source = nil
        slots[slot].generation &+= 1
        freeSlots.append(UInt32(slot))
        return source
    }

    /// Forgets all that is left, when nothing is waited for any more.
    mutating func forgetAll() -> [any EventSource] {
        let left = sources
        slots = []
        freeSlots = []
        return left
    }

    /// Readable while something that is watched is ready.
    var descriptor: Int32 { epoll.raw }

    func source(_ token: Token) -> (any EventSource)? {
        let slot = slots[Int(UInt32(truncatingIfNeeded: token))]
        return slot.generation == UInt32(token >> 32) ? slot.source : nil
    }

    var sources: [any EventSource] { slots.compactMap(\.source) }

    /// Waits up to `nanoseconds` (below 0: for ever); the count of the entries of `ready` that were filled.
    func wait(_ nanoseconds: Int64, _ ready: UnsafeMutablePointer<martlet_ready>) -> Int {
        // Safety: the owner of `ready` gave it the room that the call asks for.
        let count = unsafe martlet_epoll_wait(epoll.raw, ready, nanoseconds)
        precondition(count >= 0 || count == -EINTR, "epoll_wait (error \(-count))")
        return max(0, Int(count))
    }
}
