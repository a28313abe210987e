import Basics
import Bytes
import CLinux
import Environment
import Glibc
import Reactor
import Testing

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

@Suite struct FileTests {
    private let files: any FileSystem = RealFileSystem()

    @Test func `reads back what gathered writes wrote, more pieces than one call takes`() throws {
        try withFolder { folder in
            let file = try files.open("\(folder)/f", .create)
            let slices = (0..<3000).map { ByteSlice(pattern($0 % 7)) }
            try file.write(slices, at: 5)
            let expected = slices.flatMap(\.array)
            #expect(try file.size() == 5 + expected.count)
            #expect(try file.read(at: 5, count: expected.count).array == expected)
            #expect(try file.read(at: expected.count, count: 100).count == 5)
            #expect(try file.read(at: 1 << 30, count: 100).isEmpty)
            try file.write([], at: 0)
            try file.write([.empty], at: 0)
            try file.sync()
            try file.truncate(to: 9)
            #expect(try file.size() == 9)
        }
    }

    @Test func `writes and reads go on after short and interrupted calls`() throws {
        try withFolder { folder in
            let writes = Script([3, -Int(EINTR), 1, 20, -Int(EINTR)])
            let reads = Script([1, -Int(EINTR), 5, 2])
            let syncs = Script([-Int(EINTR)])
            var calls = ScriptedCalls()
            calls.onWrite = { _ in writes.next }
            calls.onRead = { _ in reads.next }
            calls.onSync = { _ in syncs.next }
            let file = try RealFileSystem(calls: calls).open("\(folder)/f", .create)
            try file.write((1...40).map { ByteSlice(pattern($0)) }, at: 0)
            try file.sync()
            let expected = (1...40).flatMap { pattern($0) }
            #expect(try file.read(at: 0, count: 5000).array == expected)
            #expect(writes.isDone && reads.isDone && syncs.isDone)
        }
    }

    @Test func `a full or failing disk is an error of the call that met it`() throws {
        try withFolder { folder in
            let path = "\(folder)/f"
            var calls = ScriptedCalls()
            let writes = Script([2, -Int(ENOSPC), -Int(EIO)])
            calls.onWrite = { _ in writes.next }
            calls.onRead = { _ in -Int(EIO) }
            let syncs = Script([-Int(EIO)])
            calls.onSync = { _ in syncs.next }
            calls.onTruncate = { _ in -Int(EIO) }
            let file = try RealFileSystem(calls: calls).open(path, .create)
            let data = [ByteSlice([1, 2, 3])]
            #expect(throws: FileError(.noSpace, "pwritev", path: path, errno: ENOSPC)) { try file.write(data, at: 0) }
            #expect(throws: FileError(.inputOutput, "pwritev", path: path, errno: EIO)) { try file.write(data, at: 0) }
            #expect(throws: FileError(.inputOutput, "pread", path: path, errno: EIO)) { try file.read(at: 0, count: 1) }
            #expect(throws: FileError(.notSynced, "fdatasync", path: path, errno: EIO)) { try file.sync() }
            #expect(throws: FileError(.inputOutput, "ftruncate", path: path, errno: EIO)) { try file.truncate(to: 0) }
        }
    }

    @Test func `a failed sync is not tried again by itself`() throws {
        try withFolder { folder in
            let syncs = Script([-Int(EIO), -Int(EINTR)])
            var calls = ScriptedCalls()
            calls.onSync = { _ in syncs.next }
            let file = try RealFileSystem(calls: calls).open("\(folder)/f", .create)
            #expect(throws: FileError.self) { try file.sync() }
            #expect(!syncs.isDone)
        }
    }

    @Test func `a lock refuses a second taker, in this process and in another, until it ends`() throws {
        try withFolder { folder in
            let path = "\(folder)/.lock"
            var lock: (any FileLock)? = try files.lock(path)
            let refusal = #expect(throws: FileError.self) { try files.lock(path) }
            #expect(refusal?.kind == .locked)
            #expect(isRefusedElsewhere(path))
            withExtendedLifetime(lock) {}
            lock = nil
            #expect(!isRefusedElsewhere(path))
            lock = try files.lock(path)
        }
    }

    /// Whether another process is refused a POSIX lock as Java takes it.
    private func isRefusedElsewhere(_ path: String) -> Bool {
        let program = "import fcntl,sys\nf=open(sys.argv[1],'r+')\nfcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB)"
        let words = ["python3", "-c", program, path]
        var child: pid_t = 0
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        let spawned = unsafe posix_spawnp(&child, "python3", nil, nil, &arguments, environ)
        for index in unsafe arguments.indices { unsafe free(arguments[index]) }
        var status: Int32 = 0
        guard spawned == 0, unsafe waitpid(child, &status, 0) == child else { return false }
        return status != 0
    }

    @Test func `a window reads what the file holds, and big-endian integers`() throws {
        try withFolder { folder in
            let file = try files.open("\(folder)/f", .create)
            try file.write([ByteSlice(pattern(10_000))], at: 0)
            let window = try file.window(count: 10_000)
            let block = Memory(capacity: 100)
            try window.copy(at: 9_900, count: 100, into: block)
            #expect(ByteSlice(block, offset: 0, count: 100).array == Array(pattern(10_000).suffix(100)))
            let value = try window.load(UInt32.self, at: 8_191)
            #expect(value == ByteSlice(pattern(10_000)).load(UInt32.self, at: 8_191))
            #expect(try file.window(count: 0).count == 0)
            let growing = try file.window(count: 100_000)
            #expect(throws: FileError.self) { try growing.load(Int64.self, at: 50_000) }
            try file.write([ByteSlice(pattern(60_000))], at: 0)
            #expect(try growing.load(UInt32.self, at: 50_000) == ByteSlice(pattern(60_000)).load(UInt32.self, at: 50_000))
        }
    }

    @Test func `a file that becomes shorter under its window is an error, and the process lives`() throws {
        let real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        try withFolder { folder in
            let file = try real.environment.fileSystem.open("\(folder)/f", .create)
            try file.write([ByteSlice(pattern(100_000))], at: 0)
            let window = try file.window(count: 100_000)
            try file.truncate(to: 4096)
            let block = Memory(capacity: 100_000)
            let error = FileError(.inputOutput, "read mapping", path: "\(folder)/f", errno: EIO)
            for _ in 0..<3 {
                #expect(throws: error) { try window.copy(at: 50_000, count: 8, into: block) }
                #expect(throws: error) { try window.copy(at: 0, count: 100_000, into: block) }
                #expect(throws: error) { try window.load(Int64.self, at: 8_192) }
                try window.copy(at: 0, count: 4096, into: block)
                #expect(ByteSlice(block, offset: 0, count: 4096).array == pattern(4096))
            }
        }
    }

    @Test func `folders are made with those above them, listed by bytes, and removed when empty`() throws {
        try withFolder { folder in
            try files.createDirectory("\(folder)/a/b/c")
            try files.createDirectory("\(folder)/a/b/c")
            for name in ["10", "9", "é", "Z"] { _ = try files.open("\(folder)/a/\(name)", .create) }
            let names = try files.entries("\(folder)/a")
            #expect(names.map(\.name) == ["10", "9", "Z", "b", "é"])
            #expect(names.map(\.isDirectory) == [false, false, false, true, false])
            let failure = #expect(throws: FileError.self) { try files.remove("\(folder)/a") }
            #expect(failure?.kind == .notEmpty)
            try files.remove("\(folder)/a/b/c")
            try files.remove("\(folder)/a/Z")
            try files.syncDirectory("\(folder)/a")
            #expect(try files.entries("\(folder)/a/b").isEmpty)
            let file = #expect(throws: FileError.self) { try files.createDirectory("\(folder)/a/9") }
            #expect(file?.kind == .exists)
        }
    }

    @Test func `names are replaced in one step, and what is missing is told`() throws {
        try withFolder { folder in
            let (first, second) = ("\(folder)/1", "\(folder)/2")
            try files.open(first, .create).write([ByteSlice([1])], at: 0)
            try files.open(second, .create).write([ByteSlice([2, 2])], at: 0)
            try files.rename(first, to: second)
            #expect(try files.attributes(first) == nil)
            #expect(try files.attributes("\(second)/x") == nil)
            let found = try #require(try files.attributes(second))
            #expect(found.size == 1 && !found.isDirectory && found.modified > 1_600_000_000_000)
            for mode in [OpenMode.read, .update] {
                let failure = #expect(throws: FileError.self) { try files.open(first, mode) }
                #expect(failure == FileError(.notFound, "open", path: first, errno: ENOENT))
            }
            #expect(try files.open(second, .replace).size() == 0)
            let space = try files.space(folder)
            #expect(space.total >= space.free && space.free > 0)
        }
    }

    @Test func `bytes just written are in memory`() throws {
        try withFolder { folder in
            let file = try files.open("\(folder)/f", .create)
            try file.write([ByteSlice(pattern(100_000))], at: 0)
            let window = try file.window(count: 100_000)
            #expect(window.isResident(0..<100_000))
            #expect(window.isResident(4_095..<4_097))
            #expect(window.isResident(5..<5))
            #expect(!window.isResident(99_999..<100_001), "beyond the window nothing is known")
            file.willNeed(0..<100_000)
        }
    }
}
