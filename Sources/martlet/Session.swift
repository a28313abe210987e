// A command's connection to a cluster: a real environment with one loop, a client on it, and a way for the main thread
// to wait for what happens there.

import Basics
import Channel
import Client
import Environment
import Reactor
import Synchronization

/// Values from the loop for the main thread, which waits for them.
final class Inbox<Value: Sendable>: Sendable {
    private let point = WaitPoint()
    private let stored = Mutex<[Value]>([])

    /// Any thread.
    func put(_ value: Value) {
        stored.withLock { $0.append(value) }
        point.locked { point.wakeAll() }
    }

    /// Waits until something is there and takes all of it, in order.
    func takeAll() -> [Value] {
        point.locked {
            while true {
                let taken = stored.withLock { stored in
                    defer { stored = [] }
                    return stored
                }
                if !taken.isEmpty { return taken }
                point.wait()
            }
        }
    }

    /// Takes what is there, without waiting.
    func takePresent() -> [Value] {
        stored.withLock { stored in
            defer { stored = [] }
            return stored
        }
    }
}

/// A running client.
final class Session: Sendable {
    let real: RealEnvironment
    let loop: any EventLoop
    let timeout: Duration
    let isQuiet: Bool
    private let client: Confined<ClusterClient>

    init(_ arguments: Arguments) throws {
        let properties = try arguments.properties()
        timeout = try arguments.timeout()
        isQuiet = arguments.has("-q")
        var settings = ClientSettings(bootstrap: try arguments.bootstrap(properties))
        settings.channel.clientId = arguments.value("--client-id") ?? properties["client.id"] ?? "martlet"
        settings.channel.softwareVersion = programVersion
        settings.allowsAutoCreation = properties["allow.auto.create.topics"] == "true"
        if let text = properties["request.timeout.ms"] {
            guard let milliseconds = Int64(text), milliseconds > 0 else {
                throw UsageError(description: "request.timeout.ms '\(text)' is no time")
            }
            settings.requestTimeout = .milliseconds(milliseconds)
        }
        real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        real.start()
        let loop = real.environment.loops[0]
        self.loop = loop
        let made = Inbox<Confined<ClusterClient>>()
        let environment = real.environment
        let chosen = settings
        loop.post { made.put(Confined(ClusterClient(environment, on: loop, chosen), to: loop)) }
        client = made.takeAll()[0]
    }

    /// Runs `body` inside the loop and waits for the value that it hands to its last argument.
    func call<Value: Sendable>(
        _ body: @escaping @Sendable (ClusterClient, @escaping (Value) -> Void) -> Void
    ) -> Value {
        let inbox = Inbox<Value>()
        let client = client
        loop.post { body(client.value) { inbox.put($0) } }
        return inbox.takeAll()[0]
    }

    /// As `call`, of an operation with a deadline; throws its error.
    func admin<Value: Sendable>(
        _ body: @escaping @Sendable (Admin, Instant, @escaping (Result<Value, ClientError>) -> Void) -> Void
    ) throws -> Value {
        let timeout = timeout
        let result: Result<Value, ClientError> = call { client, done in
            body(Admin(client), client.loop.now + timeout, done)
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw Failure(error)
        }
    }

    /// Runs `body` inside the loop.
    func post(_ body: @escaping @Sendable (ClusterClient) -> Void) {
        let client = client
        loop.post { body(client.value) }
    }

    func say(_ text: String) { if !isQuiet { Talk.say(text) } }
}

extension Arguments {
    /// `-X key=value` as a table; the last of equals counts.
    func properties() throws(UsageError) -> [String: String] {
        var found: [String: String] = [:]
        for pair in all("-X") {
            guard let equals = pair.firstIndex(of: "=") else { throw UsageError(description: "-X \(pair): key=value is wanted") }
            found[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
        }
        return found
    }

    func bootstrap(_ properties: [String: String]) throws(UsageError) -> [SocketAddress] {
        let variable = Process.variables.first { $0.name == "MARTLET_BROKERS" }?.value
        let text = value("-b") ?? properties["bootstrap.servers"] ?? variable ?? "127.0.0.1:9092"
        guard let addresses = ClientSettings.addresses(text) else {
            throw UsageError(description: "'\(text)' is no list of HOST:PORT")
        }
        return addresses
    }

    func timeout() throws(UsageError) -> Duration {
        guard let text = value("--timeout") else { return .seconds(10) }
        guard let duration = TimeExpression.duration(text) else {
            throw UsageError(description: "--timeout \(text): a time such as 500ms, 10s or 1m is wanted")
        }
        return duration
    }

    func wantsJson() throws(UsageError) -> Bool {
        switch value("-o") {
        case nil, "table": return false
        case "json", "ndjson": return true
        case let other?: throw UsageError(description: "--output \(other): table or json is wanted")
        }
    }
}

extension Arguments {
    /// Asks the person, if there is one and `-y` was not given; throws unless the answer is yes.
    func confirm(_ question: String) throws {
        guard !has("-y"), StandardStream.input.isTerminal else { return }
        Process.write("\(question) [y/N] ", toError: true)
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw Failure("nothing was deleted")
        }
    }
}
