import Basics
import Bytes
import Environment
import Log
import Reactor
import Testing

@Suite struct SegmentHandlesTests {
    /// A log of many segments, one record each.
    private static func make(_ folder: Folder, _ handles: SegmentHandles, count: Int) throws -> PartitionLog {
        var configuration = LogConfiguration()
        configuration.segmentBytes = 100
        let log = try openLog(folder.path, configuration, handles: handles).log
        for number in 0..<count { _ = try log.append([try makeBatch(["value \(number)"])]) }
        return log
    }

    @Test func `no more sealed segments are open than allowed, and all can be read`() throws {
        let folder = Folder()
        let handles = SegmentHandles(limit: 3)
        let log = try Self.make(folder, handles, count: 20)
        #expect(log.view.segments.count == 20)
        try log.sync()
        #expect(handles.count <= 3)
        let expected = (0..<20).map { "value \($0)" }
        #expect(try readAll(log) == expected)
        #expect(handles.count <= 3)
        #expect(try readAll(log) == expected)
    }

    @Test func `what is not synced stays open`() throws {
        let folder = Folder()
        let handles = SegmentHandles(limit: 1)
        let log = try Self.make(folder, handles, count: 5)
        #expect(handles.count == 0)
        #expect(log.view.segments.dropLast().allSatisfy { !$0.mayClose })
        try log.sync()
        #expect(log.view.segments.dropLast().allSatisfy { $0.mayClose })
        #expect(handles.count == 1)
    }

    @Test func `a clean start opens no sealed segment`() throws {
        let folder = Folder()
        let log = try Self.make(folder, SegmentHandles(limit: 100), count: 10)
        try log.close()
        let handles = SegmentHandles(limit: 100)
        var configuration = LogConfiguration()
        configuration.segmentBytes = 100
        let opened = try openLog(
            folder.path, configuration, recoveryPoint: log.endOffset, handles: handles).log
        #expect(opened.view.segments.count == 10)
        #expect(handles.count == 0)
        #expect(try readAll(opened).count == 10)
    }

    @Test func `who holds a view reads on when its segments lose their names`() throws {
        let folder = Folder()
        let log = try Self.make(folder, SegmentHandles(limit: 1), count: 10)
        try log.sync()
        let view = log.view
        log.advanceStart(to: Offset(8))
        #expect(try !log.removeBelowStart().isEmpty)
        for segment in view.segments {
            let size = segment === view.active ? view.activeSize : segment.sealedSize
            #expect(try segment.file().read(at: 0, count: size).count == size)
            #expect(try segment.scanStart(for: segment.base) == 0)
        }
    }

    @Test func `segments that are gone make room in the list`() throws {
        let handles = SegmentHandles(limit: 2)
        do {
            let folder = Folder()
            let log = try Self.make(folder, handles, count: 5)
            try log.sync()
        }
        let folder = Folder()
        let log = try Self.make(folder, handles, count: 5)
        try log.sync()
        #expect(handles.count == 2)
        #expect(try readAll(log).count == 5)
    }
}
