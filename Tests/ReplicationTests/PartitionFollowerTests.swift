// Where a follower cuts its log (KIP-101, KIP-279).

import Basics
import Log
import Replication
import Testing

@Suite struct PartitionFollowerTests {
    private static func epochs(_ entries: (Int32, Int64)...) -> LeaderEpochs {
        var epochs = LeaderEpochs()
        for (epoch, start) in entries { epochs.begin(LeaderEpoch(epoch), at: Offset(start)) }
        return epochs
    }

    private static func cut(_ epochs: LeaderEpochs, _ end: Int64, _ epoch: Int32, _ leaderEnd: Int64) -> Offset {
        PartitionFollower.cut(epochs, end: Offset(end), diverging: (LeaderEpoch(epoch), Offset(leaderEnd)))
    }

    @Test func `an epoch that both have is cut where the leader's ends`() {
        #expect(Self.cut(Self.epochs((0, 0), (2, 10)), 20, 2, 15) == Offset(15))
        #expect(Self.cut(Self.epochs((0, 0), (2, 10)), 20, 0, 30) == Offset(10))
    }

    @Test func `an epoch that only the leader has is cut to the end of the one before, to be asked about next`() {
        #expect(Self.cut(Self.epochs((0, 0), (3, 10)), 20, 2, 40) == Offset(10))
    }

    @Test func `without an epoch that old, the leader's end is all there is to go by`() {
        #expect(Self.cut(Self.epochs((3, 5)), 20, 2, 8) == Offset(8))
        #expect(Self.cut(Self.epochs((3, 5)), 20, 2, 30) == Offset(20))
    }
}
