// What a group sees of the world while it decides: the time, the cluster, its settings, and who asks.

package import Basics
package import ClusterImage
package import Coordination

/// What changes seldom of that, so that every step shares it.
package final class GroupSurroundings: Sendable {
    package let image: ClusterImage
    package let settings: GroupSettings

    package init(image: ClusterImage, settings: GroupSettings) {
        self.image = image
        self.settings = settings
    }
}

/// The surroundings of one step.
package struct GroupContext: Sendable {
    package let moment: Moment
    private let surroundings: GroupSurroundings

    package init(_ surroundings: GroupSurroundings, _ moment: Moment) {
        self.moment = moment
        self.surroundings = surroundings
    }

    package var image: ClusterImage { surroundings.image }
    package var settings: GroupSettings { surroundings.settings }

    /// The same with the settings of one group.
    func forGroup(_ groupId: String) -> GroupContext {
        guard !image.configuration(.group, groupId).isEmpty else { return self }
        let settings = settings.forGroup(groupId, in: image)
        return GroupContext(GroupSurroundings(image: image, settings: settings), moment)
    }
}

/// Who sends a request.
package struct GroupClient: Hashable, Sendable {
    package var id: String
    /// The address, as Kafka writes it: "/127.0.0.1".
    package var host: String
    /// The version of the request, on which some rules depend.
    package var version: Int16
    /// A new random id for a member that has none yet.
    package var newMemberId: Uuid

    package init(id: String, host: String, version: Int16, newMemberId: Uuid) {
        self.id = id
        self.host = host
        self.version = version
        self.newMemberId = newMemberId
    }
}
