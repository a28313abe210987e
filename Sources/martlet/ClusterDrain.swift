// `martlet cluster drain` and `decommission`: a broker gives up its leaders, its replicas, and at last its registration.
//
// A drained broker stays drained: it becomes the last of the replicas where it was the first, so that no later balance puts it
// back.

import Basics
import Client
import Reactor
import WireProtocol

enum ClusterDrain {
    static let drain = CommandSpec(
        name: "drain", summary: "Let other brokers lead what a broker leads; with --replicas keep its records, too.",
        arguments: "NODE",
        details: """
            Prints the plan; --execute does it. The broker becomes the last replica of what it was the first of, so that it does
            not lead again by itself; cluster reassign puts it back.
            """,
        options: [OptionSpec("--replicas", "Move its replicas to other brokers, too.")] + PlannedMoves.options,
        examples: [
            ("martlet cluster drain 3", "what would lead instead"),
            ("martlet cluster drain 3 --execute", "before a long stop"),
            ("martlet cluster drain 3 --replicas --execute", "nothing is left on it"),
        ],
        run: runDrain)

    static let decommission = CommandSpec(
        name: "decommission", summary: "Take a broker out of the cluster for good.", arguments: "NODE",
        details: """
            Moves all its replicas to other brokers, waits until they are there, waits until the broker is stopped, and ends its
            registration. Prints the plan; --execute does it. The same command again goes on after an interruption. A node that
            votes in the quorum stays a voter: RemoveRaftVoter ends that.
            """,
        options: PlannedMoves.options,
        examples: [("martlet cluster decommission 4", "the plan"), ("martlet cluster decommission 4 --execute", "do it")],
        run: runDecommission)

    @Sendable private static func runDrain(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 1)
        let broker = try arguments.node(0)
        let session = try Session(arguments)
        let state = try state(session, with: broker)
        var plan = ReplicaPlan(state.topics, state.nodes)
        arguments.has("--replicas") ? plan.moveReplicas(from: broker) : plan.moveLeaders(from: broker)
        let moves = PlannedMoves(plan: plan)
        guard try moves.show(session, arguments) else { return 0 }
        try moves.execute(session, arguments)
        guard plan.stuck.isEmpty else {
            throw Failure("broker \(broker) keeps \(plan.stuck.count) partitions that no other broker can take")
        }
        session.say("broker \(broker) is drained")
        return 0
    }

    @Sendable private static func runDecommission(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 1)
        let broker = try arguments.node(0)
        let session = try Session(arguments)
        let state = try state(session, with: broker)
        var plan = ReplicaPlan(state.topics, state.nodes)
        plan.moveReplicas(from: broker)
        let moves = PlannedMoves(plan: plan)
        guard try moves.show(session, arguments) else {
            if plan.moves.isEmpty { session.say("broker \(broker) has no replicas; --execute ends its registration") }
            return 0
        }
        guard plan.stuck.isEmpty else { throw Failure("nothing was changed: not all replicas can be moved") }
        try moves.execute(session, arguments)
        try awaitEmpty(broker, session)
        try awaitStopped(broker, session, try arguments.duration("--wait") ?? .seconds(600))
        let _: Bool = try session.admin { admin, deadline, done in
            admin.unregister(broker, deadline: deadline) { result in done(result.map { true }) }
        }
        session.say("broker \(broker) is no part of the cluster any more")
        if state.quorum?.replicas.contains(where: { $0.node == broker && $0.isVoter }) ?? false {
            Talk.say("node \(broker) is still a voter of the metadata quorum")
        }
        return 0
    }

    private static func state(_ session: Session, with broker: NodeId) throws -> ClusterState {
        let state = try ClusterState(session)
        guard state.nodes.contains(where: { $0.broker.id == broker }) else {
            throw Failure("there is no broker \(broker)", .notFound)
        }
        return state
    }

    /// What was created meanwhile may have replicas on it.
    private static func awaitEmpty(_ broker: NodeId, _ session: Session) throws {
        let left = try ClusterState(session).partitions.filter { $0.info.replicas.contains(broker) }
        guard left.isEmpty else {
            throw Failure("broker \(broker) still has \(left.count) replicas, such as \(left[0].key); run the command again")
        }
    }

    /// A broker that runs would register again.
    private static func awaitStopped(_ broker: NodeId, _ session: Session, _ patience: Duration) throws {
        let clock = SystemClock()
        let end = clock.now + patience
        var isTold = false
        while true {
            let nodes: [NodeInfo] = try session.admin { admin, deadline, done in
                admin.describeNodes(deadline: deadline, completion: done)
            }
            guard nodes.contains(where: { $0.broker.id == broker && !$0.isFenced }) else { return }
            if !isTold { session.say("broker \(broker) has nothing left; stop its process now") }
            isTold = true
            guard clock.now < end else {
                throw Failure("broker \(broker) still runs; it is empty, and the same command again goes on", .unreachable)
            }
            session.wait(.milliseconds(500))
        }
    }
}
