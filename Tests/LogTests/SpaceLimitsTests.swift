// When producers are held back: the decision, and the folder that carries it.

import Basics
import Environment
import Log
import Synchronization
import Testing

@Suite struct SpaceLimitsTests {
    @Test(arguments: [(100 << 20, 5 << 20), (1 << 40, 64 << 20), (0, 0)])
    func `the reserve is a twentieth of the disk and at most 64 MiB, and producers are slowed down at twice as much`(
        total: Int, reserve: Int
    ) {
        let limits = SpaceLimits(total: total, reserve: nil, throttle: nil)
        #expect(limits.reserve == reserve && limits.throttle == 2 * reserve)
    }

    @Test func `the wait grows from the throttle to the reserve, and below it is the longest`() {
        let limits = SpaceLimits(total: 1 << 40, reserve: 1000, throttle: 2000)
        #expect(limits.verdict(free: 2000) == .open)
        #expect(limits.verdict(free: 1999) == .throttled(.milliseconds(1)))
        #expect(limits.verdict(free: 1500) == .throttled(.milliseconds(500)))
        #expect(limits.verdict(free: 1000) == .throttled(.seconds(1)))
        #expect(limits.verdict(free: 999) == .refused)
        #expect(limits.verdict(free: 999).delay == .seconds(1))
        #expect(limits.verdict(free: 2000).delay == .zero)
    }

    @Test func `a throttle below the reserve is none, and no reserve refuses nobody`() {
        #expect(SpaceLimits(total: 1 << 40, reserve: 1000, throttle: 10).verdict(free: 1000) == .open)
        #expect(SpaceLimits(total: 1 << 40, reserve: 0, throttle: 0).verdict(free: 0) == .open)
        #expect(SpaceLimits(total: 1 << 40, reserve: .max, throttle: nil).verdict(free: .max - 1) == .refused)
    }

    @Test func `what was admitted counts until the disk is looked at again`() {
        let folder = FolderStanding("/d")
        folder.measured(free: 1500, SpaceLimits(total: 1 << 40, reserve: 1000, throttle: 1000))
        #expect(folder.admit(300) && folder.admit(200))
        #expect(!folder.admit(1))
        #expect(folder.refusedCount.load(ordering: .relaxed) == 1)
        folder.measured(free: 1500, SpaceLimits(total: 1 << 40, reserve: 1000, throttle: 1000))
        #expect(folder.admit(1))
    }

    @Test func `a folder goes offline once, for the first reason, and whoever asks later is told at once`() {
        let folder = FolderStanding("/d")
        let told = Told()
        folder.onFailure { told.add($0) }
        let first = StorageError.file(FileError(.notSynced, "fsync", path: "/d/a"))
        folder.fail(first)
        folder.fail(.file(FileError(.notSynced, "fsync", path: "/d/b")))
        #expect(folder.isOffline && folder.failure == first)
        #expect(told.all == [first])
        folder.onFailure { told.add($0) }
        #expect(told.all == [first, first])
    }
}
