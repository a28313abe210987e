// What goes wrong in a world of clusters: one thing after the other, by chance. What its operator does meanwhile is in
// `ClusterWorld+Operations`.

import Basics
import Broker

extension ClusterWorld {
    func disturb() {
        // Whoever ends now is looked at as it was last.
        look()
        if extra.chance(33) { return strike() }
        if world.chance(30) { return operate() }
        let node = nodes[world.number(in: 0...nodes.count - 1)]
        let long = Int64(world.number(in: 300...(world.chance(30) ? 15_000 : 4000))) * 1_000_000
        switch world.number(in: 0...19) {
        case 0, 1: cut(node, isolates: true, long)
        case 2, 3: cut(node, isolates: false, long)
        case 4, 5: stall(node, long)
        case 6: jump(node)
        case 7: node.machine.life.poolDelayMax = world.chance(50) ? 200_000 : nil
        case 8: roll()
        case 9: if node.isSteady { node.stop(downFor: long) }
        case 10: wipe(node, long)
        case 11, 12: damage(node, node.plan.folders[0], min(long, 6_000_000_000))
        case 13: slow(node, long)
        case 14: breakConnections(node, long)
        case 15: group.disturb()
        case 16, 17: end(node, power: false, long)
        default: end(node, power: true, long)
        }
    }

    /// What came later than the others, by a chance of its own: what befalls one folder, or all nodes at once.
    private func strike() {
        let node = nodes[extra.number(in: 0...nodes.count - 1)]
        let long = Int64(extra.number(in: 300...6000)) * 1_000_000
        switch extra.number(in: 0...9) {
        case 0, 1: damage(node, node.plan.folders[extra.number(in: 0...node.plan.folders.count - 1)], long)
        case 2: blackOut(long)
        case 3: stopAll(long)
        case 4: replace(node, long)
        default: operateMore()
        }
    }

    // MARK: Ways

    /// Cuts a node off from all others or from one, for clients or not, in one direction or both.
    private func cut(_ node: ClusterNode, isolates: Bool, _ long: Int64) {
        let other = nodes[world.number(in: 0...nodes.count - 1)]
        var others = (isolates ? nodes : [other]).map(\.plan.name).filter { $0 != node.plan.name }
        if world.chance(30) { others += ["p1", "c1", "m1", "m2"] }
        let direction = world.number(in: 0...3)
        world.note("CUT \(node.plan.name) \(["->", "<-", "<->", "<->"][direction]) \(others) for \(long / 1_000_000) ms")
        for other in others {
            if direction != 1 { internet.close(from: node.plan.name, to: other, for: long) }
            if direction != 0 { internet.close(from: other, to: node.plan.name, for: long) }
        }
    }

    private func slow(_ node: ClusterNode, _ long: Int64) {
        let delay = world.number(in: 10_000...1_500_000)
        world.note("SLOW \(node.plan.name) by \(delay) us for \(long / 1_000_000) ms")
        internet.slow(node.plan.name, by: delay, for: long)
    }

    /// What is on its way is lost, once, or again and again.
    private func breakConnections(_ node: ClusterNode, _ long: Int64) {
        if world.chance(50) {
            world.note("BREAK all connections of \(node.plan.name)")
            internet.cut(node.machine.life)
        } else {
            world.note("BREAK connections for \(long / 1_000_000) ms")
            internet.breakChance = 1
            connectionsBreakUntil = world.now + long
        }
    }

    // MARK: Machines

    private func stall(_ node: ClusterNode, _ long: Int64) {
        world.note("\(node.plan.name) stands still for \(long / 1_000_000) ms")
        node.machine.life.stalledUntil = world.now + long
    }

    private func jump(_ node: ClusterNode) {
        let jump = Int64(world.number(in: -3600...3600)) * 1000
        world.note("the clock of \(node.plan.name) jumps by \(jump) ms")
        node.machine.wallClockJump += jump
    }

    /// Whether `node` may end without order; see the head of `ClusterWorld`.
    func mayEnd(_ node: ClusterNode, loses: Bool) -> Bool {
        let others = nodes.filter { $0 !== node && $0.plan.isBroker && $0.isUnclean }
        guard node.plan.isBroker else { return true }
        guard loses || node.hasLost || others.contains(where: \.hasLost) else { return true }
        return others.count + 1 <= plan.lossesMax && changedMinimums.isEmpty
    }

    private func end(_ node: ClusterNode, power: Bool, _ long: Int64) {
        let loses = power && !plan.isStrict && node.plan.isBroker
        guard node.isUp, node.isViable, mayEnd(node, loses: loses) else { return }
        node.kill(power: power, loses: loses, downFor: long)
    }

    private func wipe(_ node: ClusterNode, _ long: Int64) {
        guard node.isUp, node.harm == nil, mayEnd(node, loses: true) else { return }
        if node.plan.isController {
            guard plan.mayWipeVoter, !hasWipedVoter else { return }
            hasWipedVoter = true
        }
        node.wipe(downFor: long)
        oracle.forgetVotes(of: node.plan.name)
    }

    /// A folder that does not hold the metadata is lost, and formatted anew.
    private func replace(_ node: ClusterNode, _ long: Int64) {
        let others = node.plan.folders.dropFirst()
        guard !others.isEmpty, node.isUp, node.harm == nil, mayEnd(node, loses: true) else { return }
        node.replace(others[others.startIndex + extra.number(in: 0...others.count - 1)], downFor: long)
    }

    private func damage(_ node: ClusterNode, _ folder: String, _ long: Int64) {
        let fault = ClusterNode.DiskFault.allCases[world.number(in: 0...3)]
        let loses = fault == .syncs && !plan.isStrict && node.plan.isBroker
        guard node.isSteady, fault == .full || mayEnd(node, loses: loses) else { return }
        node.damage(fault, of: folder, loses: loses, for: long)
    }

    /// The power fails everywhere, or where that would cost records, all processes are killed.
    private func blackOut(_ long: Int64) {
        world.note("BLACKOUT")
        for node in nodes { end(node, power: plan.isStrict, long) }
    }

    /// Stops all nodes in order at once: nobody is left who could take over.
    private func stopAll(_ long: Int64) {
        world.note("STOP ALL")
        for node in nodes where node.isSteady { node.stop(downFor: long) }
    }

    /// Stops and starts all nodes, one after the other.
    private func roll() {
        world.note("ROLLING RESTART")
        for node in nodes where node.isSteady {
            node.stop(downFor: 300_000_000)
            _ = step(seconds: 15) { node.isSteady }
        }
    }
}
