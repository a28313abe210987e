// A controller's own place among the voters, where the log names them (KIP-853): a voter whose listener has moved says so to the
// leader, and a controller that is none joins by itself if it is asked to (`controller.quorum.auto.join.enable`). One that lost
// its folder first has its former self removed.
//
// Owner: the controller's loop. One request is under way at a time; what was refused is tried again later.

internal import Basics
internal import Configuration
internal import Environment
internal import Raft
internal import WireProtocol

final class QuorumMembership {
    private static let pause: Duration = .seconds(2)

    private let driver: MetadataDriver
    private let link: ControllerLink
    private let loop: any EventLoop
    private var isUnderWay = false
    /// An older leader knows no answer but that of a committed change.
    private var waitsForCommit = false

    init(driver: MetadataDriver, link: ControllerLink) {
        self.driver = driver
        self.link = link
        loop = driver.loop
    }

    /// Does what is due. To be called when the leader or the log has changed.
    func look() {
        let (quorum, own) = (driver.quorum, driver.speaker.endpoints)
        guard !isUnderWay, !driver.isClosed, driver.node.isController, !own.isEmpty, quorum.leader != nil else { return }
        if quorum.isVoter {
            guard quorum.voters.isDynamic, !driver.isActive, quorum.voters.moved(quorum.local, to: own) != quorum.voters
            else { return }
            send(update(own))
        } else if driver.node.bool("controller.quorum.auto.join.enable"), quorum.voters.isDynamic {
            if let former = quorum.voters[quorum.local.id] { send(removal(of: former.key)) } else { send(addition(own)) }
        }
    }

    private func send(_ request: some ControllerRequest) {
        isUnderWay = true
        link.send(request, deadline: loop.now + .seconds(10)) { result in
            if case .failure(.unsupported) = result { self.waitsForCommit = true }
            // Whether it is done shows in the voters that the log names.
            _ = self.loop.schedule(at: self.loop.now + QuorumMembership.pause) {
                self.isUnderWay = false
                self.look()
            }
        }
    }

    private func update(_ endpoints: [Voter.Endpoint]) -> UpdateRaftVoterRequest {
        let (key, epoch) = (driver.quorum.local, driver.epoch)
        return UpdateRaftVoterRequest {
            $0.clusterId = driver.speaker.clusterId
            $0.currentLeaderEpoch = epoch.rawValue
            $0.voterId = key.id.rawValue
            $0.voterDirectoryId = key.directory
            $0.kRaftVersionFeature.maxSupportedVersion = 1
            $0.listeners = endpoints.map { endpoint in
                UpdateRaftVoterRequest.Listener {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                }
            }
        }
    }

    private func addition(_ endpoints: [Voter.Endpoint]) -> AddRaftVoterRequest {
        let key = driver.quorum.local
        return AddRaftVoterRequest {
            $0.clusterId = driver.speaker.clusterId
            $0.timeoutMs = 10_000
            // The commit may need the fetches of this very replica.
            $0.ackWhenCommitted = waitsForCommit
            $0.voterId = key.id.rawValue
            $0.voterDirectoryId = key.directory
            $0.listeners = endpoints.map { endpoint in
                AddRaftVoterRequest.Listener {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                }
            }
        }
    }

    private func removal(of key: ReplicaKey) -> RemoveRaftVoterRequest {
        RemoveRaftVoterRequest {
            $0.clusterId = driver.speaker.clusterId
            $0.voterId = key.id.rawValue
            $0.voterDirectoryId = key.directory
        }
    }
}
