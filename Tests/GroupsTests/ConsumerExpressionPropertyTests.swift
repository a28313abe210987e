import Basics
import Groups
import Testing

/// Expressions by chance: those that mean something are compared with a matcher that is plainly right, the others must do
/// no harm.
@Suite struct ConsumerExpressionPropertyTests {
    /// What an expression is made of. `ends` gives all places where a match that began at `start` may end.
    private indirect enum Expression {
        case text(Character), any, set(ClosedRange<Character>, isNegated: Bool)
        case sequence(Expression, Expression), choice(Expression, Expression)
        case many(Expression, least: Int, most: Int?)

        static func random(_ depth: Int, _ random: inout SeededRandom) -> Expression {
            let kind = depth == 0 ? Int.random(in: 0..<3, using: &random) : Int.random(in: 0..<8, using: &random)
            switch kind {
            case 0: return .text("abc".randomElement(using: &random) ?? "a")
            case 1: return .any
            case 2: return .set("a"..."b", isNegated: Bool.random(using: &random))
            case 3, 4: return .sequence(.random(depth - 1, &random), .random(depth - 1, &random))
            case 5: return .choice(.random(depth - 1, &random), .random(depth - 1, &random))
            default:
                let least = Int.random(in: 0...2, using: &random)
                let most = Bool.random(using: &random) ? nil : least + Int.random(in: 0...2, using: &random)
                return .many(.random(depth - 1, &random), least: least, most: most)
            }
        }

        var pattern: String {
            switch self {
            case .text(let character): String(character)
            case .any: "."
            case .set(let range, let isNegated): "[\(isNegated ? "^" : "")\(range.lowerBound)-\(range.upperBound)]"
            case .sequence(let left, let right): left.pattern + right.pattern
            case .choice(let left, let right): "(?:\(left.pattern)|\(right.pattern))"
            case .many(let inner, 0, nil): "(\(inner.pattern))*"
            case .many(let inner, 1, nil): "(\(inner.pattern))+?"
            case .many(let inner, let least, let most): "(\(inner.pattern)){\(least),\(most.map(String.init) ?? "")}"
            }
        }

        func ends(_ name: [Character], _ start: Int) -> Set<Int> {
            func one(_ matches: (Character) -> Bool) -> Set<Int> {
                start < name.count && matches(name[start]) ? [start + 1] : []
            }
            switch self {
            case .text(let character): return one { $0 == character }
            case .any: return one { _ in true }
            case .set(let range, let isNegated): return one { range.contains($0) != isNegated }
            case .sequence(let left, let right):
                return left.ends(name, start).reduce(into: []) { $0.formUnion(right.ends(name, $1)) }
            case .choice(let left, let right): return left.ends(name, start).union(right.ends(name, start))
            case .many(let inner, let least, let most):
                var reached: Set<Int> = least == 0 ? [start] : []
                var front: Set<Int> = [start]
                // After as many rounds as there are characters nothing new is reached.
                for round in 1...(name.count + 3) where round <= most ?? Int.max {
                    front = front.reduce(into: []) { $0.formUnion(inner.ends(name, $1)) }
                    if round >= least { reached.formUnion(front) }
                }
                return reached
            }
        }
    }

    @Test(arguments: 0..<10)
    func `an expression matches what a plain matcher says`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<150 {
            let expression = Expression.random(4, &random)
            let pattern = try TopicPattern(expression.pattern)
            for _ in 0..<20 {
                let name = String(
                    (0..<Int.random(in: 0...7, using: &random)).compactMap { _ in "abcd".randomElement(using: &random) }
                )
                let expected = expression.ends(Array(name), 0).contains(name.count)
                #expect(pattern.matches(name) == expected, "\(expression.pattern) and \(name)")
            }
        }
    }

    @Test func `what makes no sense is refused or matches something, and does no harm`() {
        var random = SeededRandom(seed: 11)
        let pieces = [
            "a", "b", ".", "*", "+", "?", "(", ")", "[", "]", "{", "}", "1", ",", "|", "^", "$", "\\", "-", ":", "?:",
            "(?", "P<",
            "\\Q", "\\E", "\\x", "\\p", "[:alpha:]", "{2,3}", "é", "\u{1F600}", "\n", "\0", "i", "\\b", "&&", "~~",
            "--", "#", " "
        ]
        var taken = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
            }
            .joined()
            guard let pattern = try? TopicPattern(text) else { continue }
            taken += 1
            _ = pattern.matches("abab1")
            _ = pattern.matches("")
        }
        #expect(taken > 1000)
    }

    @Test func `a thousand members join, and go on, in little time`() {
        let harness = ConsumerHarness(topics: (0..<10).map { ("t\($0)", 100) }, assignmentInterval: .seconds(1))
        let topics = (0..<10).map { "t\($0)" }
        let time = ContinuousClock().measure {
            for member in 0..<1000 {
                _ = harness.join("m\(member)", topics)
                harness.wait(.milliseconds(5))
            }
            for _ in 0..<8 {
                harness.wait(.seconds(5))
                for id in harness.group.members.keys.sorted() {
                    guard let member = harness.group.members[id] else { continue }
                    _ = harness.beat(id, member.epoch, owned: member.assigned.mapValues { $0.keys.sorted() })
                }
            }
        }
        #expect(harness.group.stateName == "Stable")
        #expect(time < .seconds(60))
        print("a thousand members: \(time)")
    }
}
