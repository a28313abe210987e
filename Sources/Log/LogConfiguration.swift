// The settings of one partition's log, as the topic's configuration gives them.


/// What decides when segments end and how they are indexed. Defaults are Kafka's.
package struct LogConfiguration: Hashable, Sendable {
    /// `segment.bytes`: a segment ends before it would exceed this.
    package var segmentBytes = 1 << 30
    /// `segment.ms`: a segment ends when its records span more than this.
    package var segmentAge: Duration = .seconds(7 * 24 * 3600)
    /// `segment.jitter.ms`: at most so much is taken off the age, so that not all partitions roll together.
    package var segmentJitter: Duration = .zero
    /// `segment.index.bytes`: bounds both indexes of a segment.
    package var segmentIndexBytes = 10 << 20
    /// `index.interval.bytes`: at least so many bytes lie between two index entries.
    package var indexIntervalBytes = 4096

    package init() {}

    /// Entries of 8 bytes that an offset index may hold.
    package var offsetIndexEntriesMax: Int { segmentIndexBytes / OffsetIndex.entrySize }
    /// Entries of 12 bytes that a time index may hold.
    package var timeIndexEntriesMax: Int { segmentIndexBytes / TimeIndex.entrySize }
}
