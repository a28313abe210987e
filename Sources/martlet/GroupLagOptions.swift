// Looking at the lag of groups, once or again and again: shared by `group describe` and `offsets -g`.

import Basics
import Client
import Environment
import Reactor

enum GroupLagOptions {
    static let all = [
        OptionSpec("--sample", value: "TIME", "The time between two looks, for rates; 0 looks once. Default: 1s."),
        OptionSpec("-w", "--watch", "Look again and again, every --interval, until interrupted."),
        OptionSpec("--interval", value: "TIME", "The time between looks of --watch. Default: 2s."),
        OptionSpec("--sort", value: "ORDER", choices: ["name", "lag"], "name (default) or lag: the farthest behind first."),
        OptionSpec("--topics", value: "TOPIC,…", "Only these topics."),
    ]

    static func run(_ arguments: Arguments, groups: [String]) throws -> Int32 {
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let topics = arguments.all("--topics").flatMap { $0.split(separator: ",").map(String.init) }
        let sample = try duration(arguments, "--sample") ?? .seconds(1)
        let interval = try duration(arguments, "--interval") ?? .seconds(2)
        let byLag = try order(arguments)
        var watches = groups.map { GroupWatch(session, session.link(to: $0)) }
        var isFirst = true
        while true {
            var standings = try looks(&watches, topics)
            if isFirst, sample > .zero, !arguments.has("--watch") {
                session.wait(sample)
                standings = try looks(&watches, topics)
            }
            isFirst = false
            if byLag { for index in standings.indices { standings[index].rows.sort { $0.lag ?? -1 > $1.lag ?? -1 } } }
            let text = json
                ? Json.array(standings.map(GroupListing.lagDocument)).text + "\n"
                : standings.map { GroupListing.lag($0, json: false, headings: !arguments.has("--no-headers")) }.joined(separator: "\n")
            if !json { for remark in standings.compactMap(GroupListing.remark) { session.say(remark) } }
            guard arguments.has("--watch") else {
                try TextTable.print(text)
                return 0
            }
            // On a terminal the screen is redrawn; elsewhere each look follows the one before.
            try TextTable.print(StandardStream.output.isTerminal ? "\u{1b}[H\u{1b}[2J" + text : text)
            session.wait(interval)
        }
    }

    private static func looks(_ watches: inout [GroupWatch], _ topics: [String]) throws -> [GroupStanding] {
        var standings: [GroupStanding] = []
        for index in watches.indices { standings.append(try watches[index].look(topics: topics)) }
        return standings
    }

    private static func duration(_ arguments: Arguments, _ option: String) throws(UsageError) -> Duration? {
        guard let text = arguments.value(option) else { return nil }
        guard let duration = TimeExpression.duration(text) else {
            throw UsageError(description: "\(option) \(text): a time such as 500ms or 2s is wanted")
        }
        return duration
    }

    private static func order(_ arguments: Arguments) throws(UsageError) -> Bool {
        switch arguments.value("--sort") {
        case nil, "name": false
        case "lag": true
        case let other?: throw UsageError(description: "--sort \(other): name or lag is wanted")
        }
    }
}

extension Session {
    /// Lets the main thread wait.
    func wait(_ duration: Duration) {
        let loop = loop
        let inbox = Inbox<Bool>()
        loop.post { _ = loop.schedule(at: loop.now + duration) { inbox.put(true) } }
        _ = inbox.takeAll()
    }
}
