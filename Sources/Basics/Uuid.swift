// A 128-bit identifier as Kafka writes it: big-endian on the wire, unpadded URL-safe base64 in text.

/// A topic id, directory id, cluster id or incarnation id.
@frozen
public struct Uuid: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var high: UInt64
    public var low: UInt64

    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// All bits zero: "no id".
    public static let zero = Uuid(high: 0, low: 0)
    /// The id of the cluster metadata topic (KIP-631).
    public static let metadataTopic = Uuid(high: 0, low: 1)

    /// A random id of version 4 (RFC 9562) whose text does not begin with a dash, so that it can stand alone on a
    /// command line; Kafka makes the same choice.
    public static func random(using random: inout some RandomNumberGenerator) -> Uuid {
        while true {
            let high = random.next() & 0xffff_ffff_ffff_0fff | 0x4000
            let low = random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
            let uuid = Uuid(high: high, low: low)
            if !uuid.description.utf8.starts(with: [UInt8(ascii: "-")]) { return uuid }
        }
    }

    public static func < (left: Uuid, right: Uuid) -> Bool { (left.high, left.low) < (right.high, right.low) }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The 22 characters that Kafka's tools print.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(22)
        for index in 0..<22 {
            let shift = 122 - 6 * index
            let bits: UInt64 =
                switch shift {
                case 64...: high >> UInt64(shift - 64)
                case 59..<64: high << UInt64(64 - shift) | low >> UInt64(shift)
                case 0..<59: low >> UInt64(shift)
                default: low << UInt64(-shift)
                }
            text.append(Uuid.alphabet[Int(bits & 63)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads the text form; nil unless it is 22 characters of the alphabet whose last four bits are zero.
    public init?(_ text: String) {
        let characters = Array(text.utf8)
        guard characters.count == 22 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, character) in characters.enumerated() {
            guard let value = Uuid.alphabet.firstIndex(of: character) else { return nil }
            let bits = index == 21 ? 2 : 6
            if index == 21, value & 15 != 0 { return nil }
            high = high << UInt64(bits) | low >> UInt64(64 - bits)
            low = low << UInt64(bits) | UInt64(index == 21 ? value >> 4 : value)
        }
        self.init(high: high, low: low)
    }
}
