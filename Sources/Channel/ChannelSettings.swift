// The sizes and names that a channel is made with.

/// How a channel introduces itself, and its limits.
package struct ChannelSettings: Sendable {
    /// The client id in every request header.
    package var clientId: String?
    /// What ApiVersions tells of this software; the broker takes letters, digits, dots and dashes.
    package var softwareName = "martlet"
    package var softwareVersion = "0.1"
    /// Requests that wait for their answers at one time; more wait unsent.
    package var inFlightMax = 16
    /// Requests that wait unsent; beyond that a request fails with `ChannelError.full`.
    package var queuedMax = 1024
    /// Unsent bytes beyond which requests wait.
    package var unsentMax = 8 << 20
    /// Bytes of an answer beyond which the channel is closed.
    package var responseBytesMax = 256 << 20
    /// Time from `open` to the first answer of the peer.
    package var setupTimeout = Duration.seconds(10)

    package init() {}
}
