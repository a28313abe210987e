// A chance beside the world's: what draws from it leaves the draws of everything else as they were.

import Basics

/// Draws of their own.
final class Chance {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    func chance(_ percent: Int) -> Bool { number(in: 0...99) < percent }

    func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
}
