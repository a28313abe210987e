// Where epochs end, as followers and as readers ask for it.

import Basics
import Log
import Testing

@Suite struct LeaderEpochsTests {
    private static func epochs(_ entries: (Int32, Int64)...) -> LeaderEpochs {
        var epochs = LeaderEpochs()
        for (epoch, start) in entries { epochs.begin(LeaderEpoch(epoch), at: Offset(start)) }
        return epochs
    }

    @Test func `an epoch before all of the log ends where the first begins, for who reads on`() throws {
        let epochs = Self.epochs((3, 10), (5, 20))
        let before = try #require(epochs.endOffset(forReader: LeaderEpoch(1), end: Offset(30)))
        #expect(before.epoch == LeaderEpoch(1) && before.end == Offset(10))
        #expect(epochs.endOffset(for: LeaderEpoch(1), end: Offset(30)) == nil, "a follower has nothing to cut by")
        let within = try #require(epochs.endOffset(forReader: LeaderEpoch(4), end: Offset(30)))
        #expect(within.epoch == LeaderEpoch(3) && within.end == Offset(20))
        #expect(LeaderEpochs().endOffset(forReader: LeaderEpoch(1), end: .zero) == nil)
    }
}
