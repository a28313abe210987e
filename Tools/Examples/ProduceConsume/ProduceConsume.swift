// An example of the client library: writes a few records to a topic and reads them back.
//
//     swift run ProduceConsume 127.0.0.1:9092 greetings

import MartletClient

@main
struct ProduceConsume {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let topic = arguments.dropFirst().first ?? "greetings"
        let cluster = try await Cluster(bootstrap: arguments.first ?? "127.0.0.1:9092")
        if try await !cluster.topics().contains(where: { $0.name == topic }) {
            try await cluster.createTopic(topic, partitions: 3)
        }
        try await write(["Ada", "Grace", "Barbara"], to: topic, cluster)
        try await read(topic, cluster)
        cluster.close()
    }

    static func write(_ names: [String], to topic: String, _ cluster: Cluster) async throws {
        var options = ProducerOptions()
        options.compression = .zstd
        let producer = await cluster.producer(options)
        for name in names {
            let position = try await producer.send(OutgoingRecord(key: name, text: "Hello, \(name)!"), to: topic)
            print("stored in partition \(position.partition) at offset \(position.offset)")
        }
    }

    static func read(_ topic: String, _ cluster: Cluster) async throws {
        for try await record in try await cluster.records(of: topic, stopsAtEnd: true) {
            print("\(record.partition):\(record.offset) \(record.text ?? "nothing")")
        }
    }
}
