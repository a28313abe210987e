// The places of a group's members: each is taken by one process after the other, by two at once if a new one starts
// while the old one stands still.

import Basics
import Client

/// One place.
final class Seat {
    var settings: MemberSettings
    /// All processes that there were, the present one last.
    private(set) var processes: [GroupMember] = []
    /// No process is started for now.
    var isVacant = false
    private var startsAt: Int64?
    private let world: World

    init(_ world: World, _ settings: MemberSettings) {
        self.world = world
        self.settings = settings
    }

    var present: GroupMember? { processes.last.flatMap { $0.isOver ? nil : $0 } }

    func start(_ make: (MemberSettings, Int) -> GroupMember) {
        startsAt = nil
        let process = make(settings, processes.count + 1)
        processes.append(process)
        process.start()
    }

    /// Has a process come up some time after the last one ended.
    func supervise(_ make: (MemberSettings, Int) -> GroupMember) {
        guard !isVacant, present == nil else { return }
        guard let startsAt else {
            let slow = world.chance(30) ? 12_000_000 : 2_000_000
            startsAt = world.now + 100_000_000 + world.delay(upTo: slow)
            return
        }
        if startsAt <= world.now { start(make) }
    }
}

/// The members of one group.
final class SeatedGroup {
    let id: String
    let seats: [Seat]
    /// Members of both protocols come and go.
    let isMixed: Bool

    init(_ world: World, id: String) {
        self.id = id
        let lists: [[ClassicAssignor]] = [[.range], [.roundRobin], [.cooperativeSticky], [.range, .cooperativeSticky]]
        let assignors = lists[world.number(in: 0...3)]
        let kind = world.number(in: 0...4)
        let isMixed = kind == 4
        self.isMixed = isMixed
        let hasStatic = world.chance(50)
        seats = (0..<world.number(in: 2...4)).map { number in
            let usesNew = isMixed ? world.chance(50) : kind >= 2
            return Seat(
                world,
                MemberSettings(
                    group: id, name: "\(id).\(number)", groupProtocol: usesNew ? .consumer : .classic,
                    assignors: assignors, instanceId: hasStatic && world.chance(60) ? "\(id)-s\(number)" : nil,
                    slowness: world.chance(20) ? 1_500_000 : 50_000))
        }
    }

    var processes: [GroupMember] { seats.flatMap(\.processes) }

    /// Whom members have been, the last of each seat last.
    var said: [(group: String, identity: MemberIdentity, isClassic: Bool)] {
        processes.flatMap { process in
            process.identities.map { (id, $0, process.settings.groupProtocol == .classic) }
        }
    }
}
