import Basics
import ClusterImage
import Groups
import WireProtocol

/// A cluster for tests of consumer groups.
enum ConsumerHarness {
    static func add(_ id: Uuid, _ name: String, _ partitions: Int32, to image: inout ClusterImage) {
        image.replay(
            .topic(
                .init {
                    $0.name = name
                    $0.topicId = id
                }), at: image.endOffset)
        for index in 0..<partitions { addPartition(id, index, to: &image) }
    }

    static func addPartition(_ id: Uuid, _ index: Int32, to image: inout ClusterImage) {
        image.replay(
            .partition(
                .init {
                    $0.topicId = id
                    $0.partitionId = index
                    $0.replicas = [0]
                    $0.isr = [0]
                    $0.leader = 0
                }), at: image.endOffset)
    }
}
