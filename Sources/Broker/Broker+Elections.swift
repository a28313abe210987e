// Elections that the active controller makes by itself, now and then: preferred leaders are put back, and partitions without
// a leader get one that is out of sync where their topic lets them, which it may since the last one was lost.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment

extension Broker {
    /// From when the node serves. Inside the controller's loop.
    func beginElections() {
        every(Broker.uncleanElectionInterval) { broker in
            broker.elect { $0.electUncleanLeaders() }
        }
        guard node.bool("auto.leader.rebalance.enable") else { return }
        every(.seconds(Int64(node.int("leader.imbalance.check.interval.seconds")))) { broker in
            broker.elect { $0.balanceLeaders() }
        }
    }

    private static let uncleanElectionInterval: Duration = .seconds(300)

    /// Goes on as long as a round finds something.
    private func elect(_ decide: @escaping (Controller) -> [VersionedRecord]) {
        guard let driver = withState({ $0.driver })?.value, driver.isActive else { return }
        let records = decide(driver.controller)
        guard !records.isEmpty else { return }
        driver.append(records) { failure in
            guard let failure else { return self.elect(decide) }
            self.logger.warning("controller", "an election came to nothing", [("reason", "\(failure)")])
        }
    }
}
