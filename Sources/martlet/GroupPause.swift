// `martlet group pause` and `resume`: members of a paused group stay, and are given no partitions. And the fence of
// `group reset`: a pause around what may be done only while nobody has anything.
//
// Rule: a fence ends by itself even if this program is killed: its pause has an end. A pause that was there before is put
// back as it was.

import Basics
import Client
import Environment
import Reactor
import WireProtocol

enum GroupPause {
    static let pause = CommandSpec(
        name: "pause", summary: "Take all partitions from the members of a group, for a while.", arguments: "GROUP…",
        details: """
            The members stay in the group and have nothing to read until the time is up or the group is resumed; then they go
            on where they were. The pause is a configuration of the group, and outlives restarts.
            """,
        options: [OptionSpec("--for", value: "TIME", "How long, such as 10m. Default: until it is resumed.")],
        examples: [("martlet group pause readers --for 10m", "for ten minutes")],
        run: runPause)

    static let resume = CommandSpec(
        name: "resume", summary: "Let a paused group go on where it was.", arguments: "GROUP…",
        examples: [("martlet group resume readers", "at once")], run: runResume)

    @Sendable private static func runPause(_ arguments: Arguments) throws -> Int32 {
        let names = try GroupCommand.groups(arguments)
        var until: Timestamp?
        if let text = arguments.value("--for") {
            guard let duration = TimeExpression.duration(text), duration > .zero else {
                throw UsageError(description: "--for \(text): a time such as 30s or 10m is wanted")
            }
            until = Timestamp(milliseconds: SystemClock().wallClock.milliseconds + duration.wholeMilliseconds)
        }
        let session = try Session(arguments)
        for name in names {
            try session.setPause(name, until.map { "\($0.milliseconds)" } ?? "-1")
            let end = until.map { "until \(TimeExpression.text($0))" } ?? "until it is resumed"
            session.say("group \(name) is paused \(end)")
        }
        return 0
    }

    @Sendable private static func runResume(_ arguments: Arguments) throws -> Int32 {
        let names = try GroupCommand.groups(arguments)
        let session = try Session(arguments)
        for name in names {
            let wasPaused = try !session.pauses(of: [name]).isEmpty
            try session.setPause(name, nil)
            session.say(wasPaused ? "group \(name) goes on" : "group \(name) was not paused")
        }
        return 0
    }
}

extension Session {
    /// The groups of these that are paused.
    func pauses(of groups: [String]) throws -> Set<String> {
        let now = SystemClock().wallClock.milliseconds
        let values = try pauseValues(groups).compactMapValues { Int64($0) }
        return Set(values.filter { $0.value < 0 || $0.value > now }.keys)
    }

    /// What is configured, by group; asked in parts, since a request is bounded.
    fileprivate func pauseValues(_ groups: [String]) throws -> [String: String] {
        var found: [String: String] = [:]
        for start in stride(from: 0, to: groups.count, by: 500) {
            let part = Array(groups[start..<min(start + 500, groups.count)])
            let values: [String: String] = try admin { admin, deadline, done in
                admin.groupConfigs(part, key: Admin.pauseKey, deadline: deadline, completion: done)
            }
            found.merge(values) { first, _ in first }
        }
        return found
    }

    /// Sets when the group's pause ends, in milliseconds of the clock; nil: it is not paused.
    func setPause(_ group: String, _ value: String?) throws {
        let change = ConfigChange(Admin.pauseKey, value == nil ? .delete : .set, value)
        let _: Bool = try admin { admin, deadline, done in
            admin.alterConfigs(.group(group), [change], deadline: deadline) { done($0.map { true }) }
        }
    }

    /// Does `body` while no member of the group has a partition. `patience`: how long to wait for that.
    func fenced<Value>(_ group: String, patience: Duration, _ body: () throws -> Value) throws -> Value {
        let before = try pauseValues([group])[group]
        let stop = Inbox<Bool>()
        try real.onSignal { _ in stop.put(true) }
        let end = SystemClock().wallClock.milliseconds + (patience + .seconds(60)).wholeMilliseconds
        say("pausing group \(group); its members give up their partitions")
        do {
            try setPause(group, "\(end)")
            try awaitIdle(group, patience, stop)
            let value = try body()
            try setPause(group, before)
            say("group \(group) \(before == nil ? "goes on" : "stays paused, as it was")")
            return value
        } catch let failure {
            do {
                try setPause(group, before)
            } catch {
                let until = TimeExpression.text(Timestamp(milliseconds: end))
                throw Failure(
                    "\(failure); the group may stay paused until \(until), martlet group resume \(group) ends that",
                    Failure.Code(rawValue: Failure.exitCode(of: failure)) ?? .failure)
            }
            throw failure
        }
    }

    private func awaitIdle(_ group: String, _ patience: Duration, _ stop: Inbox<Bool>) throws {
        let link = link(to: group)
        let deadline = SystemClock().now + patience
        while true {
            do {
                if try history(link).isIdle { return }
            } catch let failure as Failure where failure.code == .notFound {
                // No group, no members.
                return
            }
            guard stop.takePresent().isEmpty else {
                throw Failure("interrupted: group \(group) goes on, and nothing was changed")
            }
            guard SystemClock().now < deadline else {
                throw Failure(
                    "members of group \(group) have not given up their partitions within \(TimeExpression.text(patience)); "
                        + "it goes on, and nothing was changed (--wait gives them longer)")
            }
            wait(.milliseconds(100))
        }
    }
}
