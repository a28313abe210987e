// Reading a command line against the spec of its command.

/// The command line was not understood: exit code 2.
struct UsageError: Error, CustomStringConvertible {
    var description: String
}

/// The options and arguments that were given to a command.
struct Arguments: Sendable {
    let command: CommandSpec
    /// The words by which the command was called, such as `topic create`.
    let path: [String]
    private(set) var positional: [String] = []
    private var values: [(name: String, value: String)] = []
    private(set) var wantsHelp = false

    init(_ command: CommandSpec, path: [String], _ words: ArraySlice<String>) throws(UsageError) {
        self.command = command
        self.path = path
        var rest = words
        while let word = rest.popFirst() {
            if word == "--" {
                positional += rest
                return
            }
            if word.hasPrefix("--") {
                try takeLong(word, &rest)
            } else if word.hasPrefix("-"), word != "-" {
                try takeShort(word, &rest)
            } else {
                positional.append(word)
            }
        }
    }

    private mutating func takeLong(_ word: String, _ rest: inout ArraySlice<String>) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let option = try find(parts[0])
        if option.value == nil {
            guard parts.count == 1 else { throw UsageError(description: "\(parts[0]) takes no value") }
            note(option, "")
        } else if parts.count == 2 {
            note(option, parts[1])
        } else {
            note(option, try value(of: word, &rest))
        }
    }

    /// `-n 5`, `-n5`, and switches together as in `-qe`.
    private mutating func takeShort(_ word: String, _ rest: inout ArraySlice<String>) throws(UsageError) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            let option = try find("-\(letter)")
            if option.value == nil {
                note(option, "")
                continue
            }
            if letters.first == "=" { letters.removeFirst() }
            note(option, letters.isEmpty ? try value(of: "-\(letter)", &rest) : String(letters))
            return
        }
    }

    private func find(_ name: String) throws(UsageError) -> OptionSpec {
        if let option = command.option(name) { return option }
        let known = command.allOptions.flatMap(\.names)
        let hint = closest(to: name, known).map { "; did you mean \($0)?" } ?? ""
        throw UsageError(description: "unknown option \(name)\(hint)")
    }

    private func value(of name: String, _ rest: inout ArraySlice<String>) throws(UsageError) -> String {
        guard let value = rest.popFirst() else { throw UsageError(description: "\(name) needs a value") }
        return value
    }

    private mutating func note(_ option: OptionSpec, _ value: String) {
        if option.names.contains("--help") { wantsHelp = true }
        values.append((option.names[0], value))
    }

    // MARK: Asking

    /// Whether the option was given; `name` is any of its spellings.
    func has(_ name: String) -> Bool { !all(name).isEmpty }

    /// The last value of the option.
    func value(_ name: String) -> String? { all(name).last }

    /// All values of the option in order.
    func all(_ name: String) -> [String] {
        guard let first = command.option(name)?.names[0] else { return [] }
        return values.filter { $0.name == first }.map(\.value)
    }

    /// The last value as a number of `range`.
    func int(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw UsageError(description: "\(name) \(text): a number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return number
    }

    /// The positional argument `index`, called `name` in the complaint.
    func required(_ index: Int, _ name: String) throws(UsageError) -> String {
        guard positional.indices.contains(index) else { throw UsageError(description: "\(name) is missing") }
        return positional[index]
    }

    func refuseMore(than count: Int) throws(UsageError) {
        guard positional.count > count else { return }
        throw UsageError(description: "'\(positional[count])' is one argument too many")
    }
}

/// The known word that is closest to `word`, if any is close.
func closest(to word: String, _ known: [String]) -> String? {
    func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.utf8)
        let b = Array(right.utf8)
        var previous = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var current = [i + 1]
            for (j, y) in b.enumerated() {
                current.append(min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1))
            }
            previous = current
        }
        return previous[b.count]
    }
    let limit = max(2, word.utf8.count / 3)
    let scored = known.filter { $0.utf8.count > 2 }.map { (distance: distance(word, $0), word: $0) }
    guard let best = scored.min(by: { $0.distance < $1.distance }), best.distance <= limit else { return nil }
    return best.word
}
