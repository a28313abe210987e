// What the two group protocols have in common: a member learns of partitions that it must give up and of such that it gets.

internal import Basics
internal import WireProtocol

/// Whom a commit is from.
package struct MemberIdentity: Hashable, Sendable {
    package var memberId: String
    /// The generation of a classic group, or the member's epoch; -1 for none.
    package var generation: Int32
    package var instanceId: String?
}

/// The side of the consumer that a membership talks to. All calls are inside the client's loop.
protocol MembershipOwner: AnyObject {
    /// Gives up `partitions`; `done` is called when they are not read any more and what was read is committed. Lost ones
    /// belong to somebody else already.
    func revoke(_ partitions: [TopicPartition], isLost: Bool, done: @escaping () -> Void)
    /// Begins to read `partitions`, none of which was assigned before.
    func assign(_ partitions: [TopicPartition])
    /// The member cannot be one any more.
    func membershipFailed(_ error: ClientError)
}

/// A member of a group, by one protocol or the other.
protocol Membership: AnyObject {
    var identity: MemberIdentity { get }
    /// Joins the group.
    func start()
    /// Leaves it, or goes away for a while as a static member.
    func leave(deadline: Instant, completion: @escaping () -> Void)
    /// A commit, or a look at the group's offsets, was refused since the coordinator thinks otherwise of this member.
    func commitRefused(_ code: ErrorCode)
}
