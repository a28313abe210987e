// What a group sees of the world while it decides: the time, the cluster, its settings, and who asks.

package import Basics
package import ClusterImage
package import Coordination

/// The surroundings of one step.
package struct GroupContext: Sendable {
    package var moment: Moment
    package var image: ClusterImage
    package var settings: GroupSettings

    package init(moment: Moment, image: ClusterImage, settings: GroupSettings) {
        self.moment = moment
        self.image = image
        self.settings = settings
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
