// Looking for bytes in a slice, for input that is split at line ends and separators.

extension ByteSlice {
    /// The position of the first `byte` at or after `start`; nil if there is none. Eight bytes are looked at together.
    package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        precondition(start >= 0 && start <= count, "start outside of the slice")
        let pattern = 0x0101_0101_0101_0101 * UInt64(byte)
        return unsafe withUnsafeBytes { bytes in
            var position = start
            // Safety: eight bytes are left at every load.
            while position + 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian ^ pattern
                // A byte of `word` is zero where the bytes are equal; its lowest such byte gets its high bit set.
                let zeros = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
                if zeros != 0 { return position + zeros.trailingZeroBitCount / 8 }
                position += 8
            }
            while position < bytes.count {
                if unsafe bytes[position] == byte { return position }
                position += 1
            }
            return nil
        }
    }

    /// The position of the first occurrence of `pattern`, which is not empty.
    package func firstRange(of pattern: ByteSlice) -> Range<Int>? {
        guard !pattern.isEmpty else { return nil }
        var position = 0
        while let found = firstIndex(of: pattern[0], from: position) {
            guard found + pattern.count <= count else { return nil }
            if self[found..<found + pattern.count] == pattern { return found..<found + pattern.count }
            position = found + 1
        }
        return nil
    }
}
