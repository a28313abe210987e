// The syntax of topic expressions is RE2's, since Kafka resolves them with it: no back reference, no look around, no
// possessive or atomic group, no recursion, no callout. An expression is read here, refused if RE2 would refuse it, and
// written anew in the words of PCRE2 that mean the same.
//
// Rule: nothing reaches PCRE2 that was not understood here. What the two read differently is rewritten: a brace that
// is no repetition is escaped, an assertion that is repeated stands in a group. Source:
// https://github.com/google/re2/wiki/Syntax

/// Why an expression is refused.
package struct TopicPatternProblem: Error, Hashable, Sendable {
    package var reason: String
}

struct TopicPatternSyntax {
    /// RE2's limits of a counted repetition and of nesting.
    static let repetitionLimit = 1000
    static let nestingLimit = 250

    private let source: [Unicode.Scalar]
    private var position = 0
    private var output = String.UnicodeScalarView()
    private var depth = 0
    /// Whether what was read last can be repeated, and whether it was a repetition itself.
    private var isRepeatable = false
    private var isRepetition = false

    private init(_ text: String) { source = Array(text.unicodeScalars) }

    /// The expression for PCRE2.
    static func translate(_ text: String) throws(TopicPatternProblem) -> String {
        var syntax = TopicPatternSyntax(text)
        while let scalar = syntax.next() { try syntax.read(scalar) }
        if syntax.depth > 0 { throw TopicPatternProblem(reason: "missing closing )") }
        return String(syntax.output)
    }

    private var peek: Unicode.Scalar? { position < source.count ? source[position] : nil }

    private mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek else { return nil }
        position += 1
        return scalar
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        position += 1
        return true
    }

    private mutating func read(_ scalar: Unicode.Scalar) throws(TopicPatternProblem) {
        switch scalar {
        case "(": try openGroup()
        case ")":
            guard depth > 0 else { throw TopicPatternProblem(reason: "unexpected )") }
            depth -= 1
            emit(")")
        case "|":
            emit("|")
            isRepeatable = false
        case "*", "+", "?": try repetition(String(scalar))
        case "{":
            if let bounds = try countedRepetition() { try repetition(bounds) } else { emit("\\{") }
        case "[": try readClass()
        case "\\": try readEscape()
        case "^", "$": emit("(?:\(scalar))")
        case ".": emit(".")
        default: emitLiteral(scalar)
        }
    }

    private mutating func emit(_ text: String) {
        output.append(contentsOf: text.unicodeScalars)
        isRepeatable = true
        isRepetition = false
    }

    private mutating func emitLiteral(_ scalar: Unicode.Scalar) { emit(TopicPatternSyntax.literal(scalar)) }

    /// A character that stands for itself, within and without a class.
    private static func literal(_ scalar: Unicode.Scalar) -> String {
        let isPlain = scalar.value >= 0x80 || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
        if isPlain || scalar == "_" { return String(scalar) }
        return scalar.value < 0x20 ? "\\x{\(String(scalar.value, radix: 16))}" : "\\" + String(scalar)
    }

    // MARK: - Groups and repetitions

    private mutating func openGroup() throws(TopicPatternProblem) {
        depth += 1
        guard depth <= TopicPatternSyntax.nestingLimit else {
            throw TopicPatternProblem(reason: "expression nests too deeply")
        }
        if !take("?") {
            emit("(")
        } else if take("P") || (peek == "<" && !isLookBehind) {
            try openNamed()
        } else {
            try openFlags()
        }
        isRepeatable = false
    }

    private var isLookBehind: Bool {
        position + 1 < source.count && (source[position + 1] == "=" || source[position + 1] == "!")
    }

    private mutating func openNamed() throws(TopicPatternProblem) {
        var name = ""
        guard take("<") else { throw TopicPatternProblem(reason: "invalid or unsupported Perl syntax") }
        while let scalar = next(), scalar != ">" { name.unicodeScalars.append(scalar) }
        let isName = name.unicodeScalars.allSatisfy {
            $0 == "_" || ($0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil))
        }
        guard source[position - 1] == ">", isName, !name.isEmpty else {
            throw TopicPatternProblem(reason: "invalid named capture")
        }
        // What the group captures is not asked for, nor are two of a name a problem worth telling apart.
        emit("(")
    }

    private mutating func openFlags() throws(TopicPatternProblem) {
        var flags = ""
        var isNegative = false
        while let scalar = next() {
            switch scalar {
            case "i", "m", "s", "U": flags.unicodeScalars.append(scalar)
            case "-" where !isNegative:
                isNegative = true
                flags += "-"
            case ":" where !flags.hasSuffix("-"):
                emit("(?\(flags):")
                return
            case ")" where !flags.isEmpty && !flags.hasSuffix("-"):
                depth -= 1
                emit("(?\(flags))")
                return
            default: throw TopicPatternProblem(reason: "invalid or unsupported Perl syntax")
            }
        }
        throw TopicPatternProblem(reason: "missing closing )")
    }

    private mutating func repetition(_ text: String) throws(TopicPatternProblem) {
        guard isRepeatable else {
            throw TopicPatternProblem(reason: "missing argument to repetition operator: `\(text)`")
        }
        guard !isRepetition else { throw TopicPatternProblem(reason: "invalid nested repetition operator: `\(text)`") }
        emit(take("?") ? text + "?" : text)
        isRepetition = true
    }

    /// Reads what follows `{` if it is `n}`, `n,}` or `n,m}`; else nothing.
    private mutating func countedRepetition() throws(TopicPatternProblem) -> String? {
        let start = position
        var bounds: [Int?] = [number()]
        if bounds[0] != nil, take(",") { bounds.append(number()) }
        guard let least = bounds[0], take("}") else {
            position = start
            return nil
        }
        let most = bounds.last ?? nil
        guard least <= TopicPatternSyntax.repetitionLimit, (most ?? least) <= TopicPatternSyntax.repetitionLimit,
            most.map({ least <= $0 }) ?? true
        else { throw TopicPatternProblem(reason: "invalid repeat count") }
        return bounds.count == 1 ? "{\(least)}" : "{\(least),\(most.map { String($0) } ?? "")}"
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = peek, ("0"..."9").contains(scalar) {
            position += 1
            value = min((value ?? 0) * 10 + Int(scalar.value - 48), 1 << 20)
        }
        return value
    }

    // MARK: - Escapes

    private mutating func readEscape() throws(TopicPatternProblem) {
        guard let scalar = peek else { throw TopicPatternProblem(reason: "trailing backslash at end of expression") }
        switch scalar {
        case "A", "z", "b", "B":
            position += 1
            emit("(?:\\\(scalar))")
        case "Q":
            position += 1
            readQuoted()
        default:
            if let text = try classEscape() { emit(text) } else { emit(try characterEscape().text) }
        }
    }

    private mutating func readQuoted() {
        while let scalar = next() {
            if scalar == "\\", take("E") { return }
            emitLiteral(scalar)
        }
    }

    /// An escape that stands for several characters; nil if it is none.
    private mutating func classEscape() throws(TopicPatternProblem) -> String? {
        guard let scalar = peek else { return nil }
        switch scalar {
        case "d", "D", "s", "S", "w", "W":
            position += 1
            return "\\" + String(scalar)
        case "p", "P":
            position += 1
            var name = ""
            guard let first = next() else { throw TopicPatternProblem(reason: "invalid character class range") }
            if first == "{" {
                while let scalar = next(), scalar != "}" { name.unicodeScalars.append(scalar) }
                guard source[position - 1] == "}" else {
                    throw TopicPatternProblem(reason: "invalid character class range")
                }
            } else {
                name.unicodeScalars.append(first)
            }
            let letters = name.hasPrefix("^") ? name.dropFirst() : name[...]
            let isName = letters.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || $0 == "_") }
            guard isName, !letters.isEmpty else { throw TopicPatternProblem(reason: "invalid character class range") }
            return "\\\(scalar){\(name)}"
        default: return nil
        }
    }

    /// An escape that stands for one character, and that character.
    private mutating func characterEscape() throws(TopicPatternProblem) -> (text: String, value: UInt32) {
        guard let scalar = next() else { throw TopicPatternProblem(reason: "trailing backslash at end of expression") }
        let controls: [Unicode.Scalar: UInt32] = ["a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11]
        var value: UInt32
        switch scalar {
        case _ where controls[scalar] != nil: value = controls[scalar] ?? 0
        case "x": value = try hexadecimal()
        case "0", "1"..."7":
            // A single digit from 1 on would refer back.
            guard scalar == "0" || (peek.map { ("0"..."7").contains($0) } ?? false) else { throw invalid(scalar) }
            value = scalar.value - 48
            for _ in 0..<2 {
                guard let digit = peek, ("0"..."7").contains(digit) else { break }
                value = value * 8 + digit.value - 48
                position += 1
            }
        default:
            let isWord = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            guard scalar.isASCII, !isWord else { throw invalid(scalar) }
            return (TopicPatternSyntax.literal(scalar), scalar.value)
        }
        guard value <= 0x10ffff else { throw TopicPatternProblem(reason: "invalid escape sequence") }
        return ("\\x{\(String(value, radix: 16))}", value)
    }

    private func invalid(_ scalar: Unicode.Scalar) -> TopicPatternProblem {
        TopicPatternProblem(reason: "invalid escape sequence: `\\\(scalar)`")
    }

    private mutating func hexadecimal() throws(TopicPatternProblem) -> UInt32 {
        var digits = ""
        if take("{") {
            while let scalar = next(), scalar != "}" { digits.unicodeScalars.append(scalar) }
            guard source[position - 1] == "}" else { throw invalid("x") }
        } else {
            for _ in 0..<2 { if let scalar = next() { digits.unicodeScalars.append(scalar) } }
            guard digits.unicodeScalars.count == 2 else { throw invalid("x") }
        }
        guard digits.utf8.count <= 8, digits.unicodeScalars.allSatisfy({ $0.properties.isASCIIHexDigit }),
            let value = UInt32(digits, radix: 16)
        else { throw invalid("x") }
        return value
    }

    // MARK: - Classes

    private static let posixNames: Set<String> = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit"
    ]

    private mutating func readClass() throws(TopicPatternProblem) {
        var text = take("^") ? "[^" : "["
        var isFirst = true
        while true {
            guard let scalar = peek else { throw TopicPatternProblem(reason: "missing closing ]") }
            if scalar == "]", !isFirst { break }
            isFirst = false
            if let name = try posixClass() {
                text += name
                continue
            }
            if scalar == "\\" {
                position += 1
                if let several = try classEscape() {
                    text += several
                    continue
                }
                position -= 1
            }
            text += try classRange()
        }
        position += 1
        emit(text + "]")
    }

    private mutating func posixClass() throws(TopicPatternProblem) -> String? {
        guard peek == "[", position + 1 < source.count, source[position + 1] == ":" else { return nil }
        let rest = source[(position + 2)...]
        guard let end = rest.firstIndex(of: ":"), end + 1 < source.count, source[end + 1] == "]" else { return nil }
        var name = String(String.UnicodeScalarView(source[(position + 2)..<end]))
        let isNegated = name.hasPrefix("^")
        if isNegated { name.removeFirst() }
        guard TopicPatternSyntax.posixNames.contains(name) else {
            throw TopicPatternProblem(reason: "invalid character class range")
        }
        position = end + 2
        return "[:\(isNegated ? "^" : "")\(name):]"
    }

    /// One character, or two with a dash between them.
    private mutating func classRange() throws(TopicPatternProblem) -> String {
        let low = try classCharacter()
        guard peek == "-", position + 1 < source.count, source[position + 1] != "]" else { return low.text }
        position += 1
        let high = try classCharacter()
        guard low.value <= high.value else { throw TopicPatternProblem(reason: "invalid character class range") }
        return low.text + "-" + high.text
    }

    private mutating func classCharacter() throws(TopicPatternProblem) -> (text: String, value: UInt32) {
        guard let scalar = next() else { throw TopicPatternProblem(reason: "missing closing ]") }
        if scalar == "\\" { return try characterEscape() }
        return (TopicPatternSyntax.literal(scalar), scalar.value)
    }
}
