"""An idempotent producer loses and doubles nothing, whatever becomes of answers and brokers."""
import confluent_kafka
import confluent_kafka.admin

from conftest import FULL
from lossy_proxy import LossyProxy

COUNT = 200_000 if FULL else 20_000


def read_all(address, topic, partitions):
    reader = confluent_kafka.Consumer({
        "bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "enable.partition.eof": True, "fetch.wait.max.ms": 5})
    reader.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)])
    records, ended = {p: [] for p in range(partitions)}, set()
    while len(ended) < partitions:
        message = reader.poll(30)
        assert message is not None
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            assert message.offset() == len(records[message.partition()])
            records[message.partition()].append(int(message.value()))
    reader.close()
    return records


def test_answers_lost_and_brokers_killed(make_broker):
    proxy = LossyProxy(0, seed=7, loss=0.05)
    broker = make_broker(f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy.port}")
    proxy.target = broker.port
    address = f"127.0.0.1:{proxy.port}"
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address})
    admin.create_topics([confluent_kafka.admin.NewTopic("once", 3, 1)])["once"].result()
    producer = confluent_kafka.Producer({
        "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50,
        "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 5,
        "message.timeout.ms": 120_000, "queue.buffering.max.messages": 1000})
    placed = {}

    def delivered(error, message):
        assert error is None, error
        placed[int(message.value())] = (message.partition(), message.offset())

    for number in range(COUNT):
        while True:
            try:
                producer.produce("once", str(number), partition=number % 3, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
        if number in (COUNT // 3, COUNT // 2, 3 * COUNT // 4):
            broker.kill()
            broker.start()
    assert producer.flush(120) == 0
    assert proxy.dropped > 10
    records = read_all(address, "once", 3)
    for partition, values in records.items():
        assert values == list(range(partition, COUNT, 3))
    for value, (partition, offset) in placed.items():
        # librdkafka does not learn the offset of a record whose first answer was lost.
        assert offset < 0 or records[partition][offset] == value
    assert len(placed) == COUNT
    proxy.close()
