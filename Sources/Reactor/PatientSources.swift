// The descriptors of a loop whose events may wait a little: a poller of their own. It is looked at as soon as it has
// something, and from then on once in `pause` until it has nothing. So what thousands of quiet peers say is read together:
// it costs a wake of the loop per pause, not one per peer.
//
// Owned by the loop's thread.

internal import Basics
internal import CLinux
internal import Environment

final class PatientSources: EventSource {
    /// The longest that an event waits.
    static let pause: Duration = .milliseconds(10)

    var poller: Poller
    /// To be looked at in this turn.
    private(set) var isDue = false
    /// The loop's own poller tells when there is something.
    private(set) var isArmed = true
    private var token: Poller.Token = 0

    /// Has `main` tell when there is something.
    init(in main: inout Poller) throws(NetworkError) {
        poller = try Poller()
        token = try main.watch(poller.descriptor, for: .reading, self)
    }

    func ready(_ readiness: Readiness) { isDue = true }
    func loopEnds() {}

    /// Notes that `count` events were found. True: look again after the pause; the loop's poller is silent until then.
    func looked(_ count: Int, _ main: borrowing Poller) -> Bool {
        // More are there than one call tells of.
        isDue = count == Int(MARTLET_READY_MAX)
        let isQuiet = count == 0
        if isArmed != isQuiet {
            isArmed = isQuiet
            main.change(poller.descriptor, to: isQuiet ? .reading : [], token)
        }
        return !isQuiet && !isDue
    }
}
