"""Four client libraries behind one face: produce records, read them back."""
import asyncio
import subprocess

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def record(index: int):
    """Key, value and headers of the record number `index`; values differ in length and content."""
    key = f"key-{index}".encode()
    value = (f"value {index} ".encode() * (1 + index % 7)) + bytes([index % 251])
    headers = [("n", str(index).encode()), ("empty", b""), ("n", b"again")]
    return key, value, headers


class ConfluentClient:
    name = "confluent-kafka"

    def __init__(self, address):
        self.address = address

    def produce(self, topic, codec, start, count):
        from confluent_kafka import Producer
        errors = []
        producer = Producer({"bootstrap.servers": self.address, "compression.type": codec, "linger.ms": 5,
                             "queue.buffering.max.messages": 1000000})
        for index in range(start, start + count):
            key, value, headers = record(index)
            while True:
                try:
                    producer.produce(topic, key=key, value=value, headers=headers, partition=0,
                                     on_delivery=lambda e, m: errors.append(e) if e else None)
                    break
                except BufferError:
                    producer.poll(0.1)
            if index % 1000 == 0:
                producer.poll(0)
        assert producer.flush(120) == 0
        assert not errors, errors[:3]

    def consume(self, topic, count):
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "unused", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = 0
        while found < count:
            message = consumer.poll(30)
            assert message is not None, f"{found} of {count} records came"
            assert message.error() is None, message.error()
            yield message.offset(), message.key(), message.value(), message.headers() or []
            found += 1
        consumer.close()


class KafkaPythonClient:
    name = "kafka-python"

    def __init__(self, address):
        self.address = address

    def produce(self, topic, codec, start, count):
        from kafka import KafkaProducer
        producer = KafkaProducer(bootstrap_servers=self.address, compression_type=None if codec == "none" else codec,
                                 linger_ms=5, acks="all", batch_size=65536)
        futures = []
        for index in range(start, start + count):
            key, value, headers = record(index)
            futures.append(producer.send(topic, key=key, value=value, headers=headers, partition=0))
            if len(futures) >= 20000:
                for future in futures:
                    future.get(timeout=60)
                futures = []
        producer.flush()
        for future in futures:
            future.get(timeout=60)
        producer.close()

    def consume(self, topic, count):
        from kafka import KafkaConsumer, TopicPartition
        consumer = KafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False, group_id=None,
                                 auto_offset_reset="earliest", consumer_timeout_ms=30000)
        consumer.assign([TopicPartition(topic, 0)])
        found = 0
        for message in consumer:
            yield message.offset, message.key, message.value, message.headers
            found += 1
            if found == count:
                break
        assert found == count, f"{found} of {count} records came"
        consumer.close()


class AioKafkaClient:
    name = "aiokafka"

    def __init__(self, address):
        self.address = address

    def produce(self, topic, codec, start, count):
        asyncio.run(self._produce(topic, codec, start, count))

    async def _produce(self, topic, codec, start, count):
        from aiokafka import AIOKafkaProducer
        producer = AIOKafkaProducer(bootstrap_servers=self.address, linger_ms=5, acks="all",
                                    compression_type=None if codec == "none" else codec)
        await producer.start()
        try:
            futures = []
            for index in range(start, start + count):
                key, value, headers = record(index)
                futures.append(await producer.send(topic, key=key, value=value, headers=headers, partition=0))
                if len(futures) >= 20000:
                    await asyncio.gather(*futures)
                    futures = []
            await asyncio.gather(*futures)
        finally:
            await producer.stop()

    def consume(self, topic, count):
        return asyncio.run(self._consume(topic, count))

    async def _consume(self, topic, count):
        from aiokafka import AIOKafkaConsumer, TopicPartition
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False,
                                    auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        found = []
        try:
            while len(found) < count:
                batches = await asyncio.wait_for(consumer.getmany(timeout_ms=30000, max_records=10000), 60)
                assert batches, f"{len(found)} of {count} records came"
                for messages in batches.values():
                    found += [(m.offset, m.key, m.value, list(m.headers)) for m in messages]
        finally:
            await consumer.stop()
        return found


class KcatClient:
    """kcat sends lines, so keys and values are text here, and all records of a run have the same header."""
    name = "kcat"

    def __init__(self, address):
        self.address = address

    def produce(self, topic, codec, start, count):
        lines = "".join(f"key-{i}\tvalue {i} {'x' * (i % 97)}\n" for i in range(start, start + count))
        subprocess.run(["kcat", "-b", self.address, "-t", topic, "-p", "0", "-P", "-K", "\t", "-z", codec,
                        "-H", "source=kcat"], input=lines.encode(), check=True, timeout=600)

    def consume(self, topic, count):
        done = subprocess.run(["kcat", "-b", self.address, "-t", topic, "-p", "0", "-C", "-q", "-e", "-o", "beginning",
                               "-c", str(count), "-f", "%o\t%k\t%s\t%h\n"], capture_output=True, check=True,
                              timeout=600)
        for line in done.stdout.decode().splitlines():
            offset, key, value, headers = line.split("\t")
            yield int(offset), key, value, headers


CLIENTS = [ConfluentClient, KafkaPythonClient, AioKafkaClient, KcatClient]


def expect(client, topic, count):
    """Reads `count` records and checks each against what was produced."""
    index = -1
    for index, (offset, key, value, headers) in enumerate(client.consume(topic, count)):
        assert offset == index
        if isinstance(client, KcatClient):
            assert (key, value, headers) == (f"key-{index}", f"value {index} {'x' * (index % 97)}", "source=kcat")
        else:
            assert (key, value, [tuple(h) for h in headers]) == record(index), index
    assert index == count - 1
