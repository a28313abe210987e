// The voters of the quorum as the log names them (KIP-853), and their history.
//
// A set counts from the offset at which it was appended, committed or not, and gives way to the former one when that
// offset is cut off. Endpoints are only carried.

package import Basics

/// A replica that votes.
package struct Voter: Hashable, Sendable {
    package struct Endpoint: Hashable, Sendable {
        package var name: String
        package var host: String
        package var port: UInt16

        package init(name: String, host: String, port: UInt16) {
            self.name = name
            self.host = host
            self.port = port
        }
    }

    package var key: ReplicaKey
    package var endpoints: [Endpoint]
    /// The levels of kraft.version that it supports.
    package var versions: ClosedRange<Int16>

    package init(key: ReplicaKey, endpoints: [Endpoint] = [], versions: ClosedRange<Int16> = 0...1) {
        self.key = key
        self.endpoints = endpoints
        self.versions = versions
    }
}

/// All voters, by id.
package struct VoterSet: Hashable, Sendable {
    package private(set) var voters: [Voter]

    package init(_ voters: [Voter] = []) { self.voters = voters.sorted { $0.key < $1.key } }

    package subscript(id: NodeId) -> Voter? { voters.first { $0.key.id == id } }

    package func contains(_ key: ReplicaKey) -> Bool { voters.contains { $0.key.means(key) } }

    /// Whether so many are more than half.
    func isMajority(_ count: Int) -> Bool { count > voters.count / 2 }

    func adding(_ voter: Voter) -> VoterSet { VoterSet(voters + [voter]) }
    func removing(_ key: ReplicaKey) -> VoterSet { VoterSet(voters.filter { $0.key != key }) }
    func updating(_ voter: Voter) -> VoterSet { VoterSet(voters.map { $0.key == voter.key ? voter : $0 }) }

    /// Whether exactly this replica votes.
    func hasVoter(_ key: ReplicaKey) -> Bool { voters.contains { $0.key == key } }

    /// Whether the voters may change: their folders are known (KIP-853).
    package var isDynamic: Bool { !voters.isEmpty && voters.allSatisfy { $0.key.directory != .zero } }
}

/// Which voters the log named from which offset on.
package struct VoterHistory: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var offset: Offset
        var voters: VoterSet
    }

    private var entries: [Entry]

    /// `voters`: what is known before the log begins, from the configuration or from a snapshot.
    package init(_ voters: VoterSet) { entries = [Entry(offset: .none, voters: voters)] }

    package var latest: VoterSet { entries[entries.count - 1].voters }
    /// Where the latest set stands in the log; none if it is older than the log.
    package var latestOffset: Offset { entries[entries.count - 1].offset }

    /// The set that counts for a log which ends at `end`.
    package func voters(below end: Offset) -> VoterSet { (entries.last { $0.offset < end } ?? entries[0]).voters }

    /// Whether `key` votes in a set that is in force, or may be again if what is behind `committed` is lost.
    func mayVote(_ key: ReplicaKey, committed: Offset) -> Bool {
        for entry in entries.reversed() {
            if entry.voters.contains(key) { return true }
            if entry.offset < committed { return false }
        }
        return false
    }

    package mutating func append(_ voters: VoterSet, at offset: Offset) {
        entries.append(Entry(offset: offset, voters: voters))
    }

    /// Forgets the sets that stand at `end` or behind.
    mutating func truncate(to end: Offset) {
        while entries.count > 1, latestOffset >= end { entries.removeLast() }
    }

    /// Forgets the sets that gave way below `offset`, which is committed.
    mutating func trim(below offset: Offset) {
        while entries.count > 1, entries[1].offset < offset { entries.removeFirst() }
    }
}
