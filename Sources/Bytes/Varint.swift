// Sizes of variable-length integers, for computing exact sizes before writing.

/// Bytes that the unsigned LEB128 form of `value` takes: 1 to 10.
@inlinable
package func sizeOfUnsignedVarlong(_ value: UInt64) -> Int {
    (70 - (value | 1).leadingZeroBitCount) / 7
}

/// Bytes that the unsigned LEB128 form of `value` takes: 1 to 5.
@inlinable
package func sizeOfUnsignedVarint(_ value: UInt32) -> Int { sizeOfUnsignedVarlong(UInt64(value)) }

/// Bytes that the zigzag form of `value` takes: 1 to 5.
@inlinable
package func sizeOfVarint(_ value: Int32) -> Int {
    sizeOfUnsignedVarlong(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)))
}

/// Bytes that the zigzag form of `value` takes: 1 to 10.
@inlinable
package func sizeOfVarlong(_ value: Int64) -> Int {
    sizeOfUnsignedVarlong(UInt64(bitPattern: value << 1 ^ value >> 63))
}
