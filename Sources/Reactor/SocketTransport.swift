// One TCP connection. Owned by its loop's thread; every call is made inside it.
//
// Fairness: in one turn of the loop a connection is read once (`receiveMax` bytes at most) and sends `sendShare` bytes
// at most; the rest goes in later turns, even if the kernel would take it at once. The kernel is asked for writability
// only after it refused bytes. Idle, a connection holds this object and a slot of the poller, and no buffer.

internal import Basics
package import Bytes
package import Environment
internal import Glibc
internal import CLinux
internal import Synchronization

/// The transport of the real environment.
///
/// `sent` tells of what left after `send` had returned; what `send` itself passed on shows in `unsentCount`.
/// `closed` never comes inside a call of this object, always after it.
package final class SocketTransport: Transport, EventSource {
    /// Bytes that one connection sends in one turn.
    package static let sendShare = 256 * 1024
    /// Bytes that one connection receives in one turn.
    package static let receiveMax = 256 * 1024

    private let owner: RealLoop
    private let peer: PeerAddress
    private let local: PeerAddress
    private var socket: Int32
    private var isReading = true
    private var isFull = false
    private var isResuming = false
    private var isDraining = false
    private var watched: Readiness = []
    private var watch: Watch?
    private var handler: (any TransportHandler)?
    private var queue = SendQueue()
    private var shareTurn: UInt64 = 0
    private var share = 0

    /// Takes over an open, connected, nonblocking `socket`.
    init(_ loop: RealLoop, socket: Int32, peer: PeerAddress) {
        owner = loop
        self.socket = socket
        self.peer = peer
        local = PeerAddress(localEndOf: socket)
    }

    deinit { if socket >= 0 { release() } }

    package var loop: any EventLoop { owner }
    package var localAddress: SocketAddress { local.address }
    package var remoteAddress: SocketAddress { peer.address }
    package var unsentCount: Int { queue.unsentCount }

    package func start(_ handler: any TransportHandler) {
        owner.assertInside()
        precondition(watch == nil && self.handler == nil, "a connection is started once")
        guard socket >= 0 else { return }
        self.handler = handler
        watched = isReading ? .reading : []
        do throws(NetworkError) {
            watch = try owner.watch(socket, for: watched, self)
        } catch {
            return end(.failed(error))
        }
        flush()
    }

    package func send(_ pieces: [Outgoing]) {
        owner.assertInside()
        guard socket >= 0, !isDraining else { return }
        queue.append(pieces)
        flush()
    }

    package func setReading(_ isReading: Bool) {
        owner.assertInside()
        self.isReading = isReading
        updateInterest()
    }

    package func setPatient(_ isPatient: Bool) {
        owner.assertInside()
        guard let watch, isPatient != watch.isPatient else { return }
        owner.forget(watch)
        self.watch = nil
        do throws(NetworkError) {
            self.watch = try owner.watch(socket, for: watched, isPatient: isPatient, self)
        } catch {
            end(.failed(error))
        }
    }

    package func closeAfterSending() {
        owner.assertInside()
        guard socket >= 0, !isDraining else { return }
        isDraining = true
        isReading = false
        updateInterest()
        if queue.isEmpty { end(.closedHere) }
    }

    package func close() {
        owner.assertInside()
        end(.closedHere)
    }

    func loopEnds() { end(.closedHere) }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        if !isReading, !readiness.isDisjoint(with: [.failure, .hangUp]) {
            let error = martlet_socket_error(socket)
            return end(error == 0 ? .endOfStream : .failed(NetworkError(errno: -error, "poll")))
        }
        if readiness.contains(.writing) {
            isFull = false
            progress()
        }
        if isReading, socket >= 0, !readiness.isDisjoint(with: [.reading, .failure, .hangUp]) { receive() }
    }

    /// The loop calls this in the turn after the one in which the share was used up.
    func continueSending() {
        isResuming = false
        if socket >= 0 { progress() }
    }

    private func progress() {
        let before = queue.unsentCount
        flush()
        if queue.unsentCount < before { handler?.sent() }
    }

    private func updateInterest() {
        guard let watch, socket >= 0 else { return }
        var wanted: Readiness = isReading ? .reading : []
        if isFull { wanted.insert(.writing) }
        guard wanted != watched else { return }
        watched = wanted
        owner.change(watch, to: wanted)
    }

    // MARK: Receiving

    private func receive() {
        let target: (memory: Memory, offset: Int)
        var room = 0
        let asked = handler?.receiveTarget
        if let asked {
            target = (asked.memory, asked.offset)
            room = asked.capacity
        } else {
            target = owner.receiving.room(from: owner.buffers)
            room = target.memory.capacity - target.offset
        }
        room = min(room, SocketTransport.receiveMax)
        // Safety: the bytes behind `offset` belong to the handler that asked for them, or are covered by no slice.
        let count = unsafe target.memory.withMutableBytes(in: target.offset..<target.offset + room) {
            unsafe owner.calls.receive(socket, into: $0)
        }
        if count > 0 {
            if asked == nil { owner.receiving.advance(count) }
            handler?.received(ByteSlice(target.memory, offset: target.offset, count: count))
        } else if count == 0 {
            end(.endOfStream)
        } else if let error = failure(count, "recv") {
            end(.failed(error))
        }
    }

    /// The error of a call that gave `result`, nil if it is to be made again later.
    private func failure(_ result: Int, _ operation: String) -> NetworkError? {
        let number = Int32(-result)
        if number == EAGAIN || number == EINTR { return nil }
        precondition(number != EBADF && number != EFAULT, "\(operation) on an open socket with memory of ours")
        return NetworkError(errno: number, operation)
    }

    // MARK: Sending

    /// Sends until the queue is empty, the kernel is full or the share of this turn is used up.
    private func flush() {
        guard watch != nil, socket >= 0, !isFull else { return }
        if shareTurn != owner.turn {
            shareTurn = owner.turn
            share = SocketTransport.sendShare
        }
        while !queue.isEmpty, !isFull, socket >= 0 {
            guard share > 0 else { return resumeLater() }
            sendOnce()
        }
        guard socket >= 0 else { return }
        updateInterest()
        if isDraining, queue.isEmpty { end(.closedHere) }
    }

    private func resumeLater() {
        updateInterest()
        guard !isResuming else { return }
        isResuming = true
        owner.resumeInNextTurn(self)
    }

    private func sendOnce() {
        switch queue.next(limit: share, into: owner.gathering) {
        case .nothing: break
        case .gathered:
            let count = owner.gathering.byteCount
            let hasMore = queue.unsentCount > count
            // Safety: the queue holds the slices until `advance`.
            let sent = unsafe owner.calls.send(socket, owner.gathering.buffer, more: hasMore)
            took(sent, of: count, "sendmsg")
        case .file(let region):
            guard let file = region.source as? RealFile else {
                preconditionFailure("a region of a file that another file system opened")
            }
            let sent = owner.calls.sendFile(
                socket, from: file.descriptor.raw, at: region.position, count: region.count)
            if sent == 0 { return end(.failed(NetworkError(.shortFile, "sendfile"))) }
            took(sent, of: region.count, "sendfile")
        }
    }

    private func took(_ result: Int, of count: Int, _ operation: String) {
        if result >= 0 {
            share -= result
            queue.advance(result)
        } else if result == -Int(EAGAIN) {
            isFull = true
        } else if let error = failure(result, operation) {
            end(.failed(error))
        }
    }

    // MARK: End

    private func end(_ reason: CloseReason) {
        guard socket >= 0 else { return }
        if isDraining, reason == .closedHere { martlet_end_sending(socket) }
        if let watch { owner.forget(watch) }
        watch = nil
        queue.removeAll()
        release()
        guard let handler else { return }
        self.handler = nil
        owner.proceed { handler.closed(reason) }
    }

    private func release() {
        _ = martlet_close(socket)
        socket = -1
        owner.connectionCount.subtract(1, ordering: .relaxed)
    }
}
