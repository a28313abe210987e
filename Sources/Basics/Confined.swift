// Values that belong to one event loop, carried through closures that cross threads.

/// Something that code can be inside of or not, such as the thread of an event loop.
public protocol Confinement: AnyObject, Sendable {
    /// Whether the caller runs inside.
    var isInside: Bool { get }

    /// Stops the process unless the caller runs inside.
    func assertInside()

    /// Runs `message` inside, later. Any thread may call.
    func post(_ message: @escaping @Sendable () -> Void)

    /// The same, for a message that may wait so long for others: on its own it wakes nobody who wakes by then.
    func post(within delay: Duration, _ message: @escaping @Sendable () -> Void)
}

extension Confinement {
    public func post(within delay: Duration, _ message: @escaping @Sendable () -> Void) { post(message) }
}

/// A value that may be named anywhere and touched only inside its confinement.
///
/// Proof of `@unchecked Sendable`: the value is reached through `value` alone, which asserts that the caller is
/// inside; so all accesses happen on one thread.
@frozen
public struct Confined<Value>: @unchecked Sendable {
    private let content: Value
    public let confinement: any Confinement

    public init(_ content: Value, to confinement: any Confinement) {
        self.content = content
        self.confinement = confinement
    }

    public var value: Value {
        confinement.assertInside()
        return content
    }
}
