// CRC-32C, the checksum of record batches and of our own checkpoints. The arithmetic is C, in `CLinux`.

internal import CLinux

/// CRC-32C (Castagnoli) of `bytes`, continuing from `seed`; 0 begins.
package func crc32c(_ bytes: UnsafeRawBufferPointer, continuing seed: UInt32 = 0) -> UInt32 {
    guard let base = bytes.baseAddress else { return seed }
    // Safety: the buffer's own bounds are passed on.
    return unsafe martlet_crc32c(seed, base, bytes.count)
}

/// The same sum by table alone; tests hold one against the other.
package func crc32cByTable(_ bytes: [UInt8]) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe martlet_crc32c_table(0, $0.baseAddress, $0.count) }
}
