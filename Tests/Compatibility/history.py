"""What producers sent, what was acknowledged, and whether a log agrees: nothing lost, doubled, out of order, or from nowhere."""
import threading

import kafka
from confluent_kafka import Consumer, Producer, TopicPartition


class Writer:
    """An idempotent producer with acks=all that sends numbered records to one partition until it is told to stop."""

    def __init__(self, servers, topic, partition, pace=0.001):
        self.topic, self.partition, self.pace = topic, partition, pace
        self.sent = 0
        self.acknowledged = {}
        self.failures = []
        # Librdkafka's own word for errors that a client does not live through.
        self.fatal = []
        self.stopping = threading.Event()
        self.producer = Producer({
            "bootstrap.servers": servers, "enable.idempotence": True, "acks": "all", "linger.ms": 1,
            "message.timeout.ms": 120_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
            "retry.backoff.ms": 20, "topic.metadata.refresh.interval.ms": 1000, "socket.timeout.ms": 5000,
            "request.timeout.ms": 5000, "queue.buffering.max.messages": 20_000, "log_level": 0,
            "error_cb": lambda error: self.fatal.append(error) if error.fatal() else None})
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _delivered(self, error, message):
        if error is not None:
            self.failures.append(error)
        else:
            self.acknowledged[int(message.value())] = message.offset()

    def _run(self):
        while not self.stopping.is_set():
            try:
                self.producer.produce(
                    self.topic, str(self.sent), partition=self.partition, on_delivery=self._delivered)
                self.sent += 1
            except BufferError:
                pass
            self.producer.poll(self.pace)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.unsent = self.producer.flush(130)


class KafkaPythonWriter:
    """The same with kafka-python, which is an implementation of its own and blocks where librdkafka refuses."""

    WINDOW = 5000

    def __init__(self, servers, topic, partition, pace=0.001):
        self.topic, self.partition, self.pace = topic, partition, pace
        self.sent, self.ended = 0, 0
        self.acknowledged = {}
        self.failures, self.fatal = [], []
        self.stopping = threading.Event()
        self.producer = kafka.KafkaProducer(
            bootstrap_servers=servers.split(","), enable_idempotence=True, acks="all", linger_ms=1, retry_backoff_ms=20,
            delivery_timeout_ms=120_000, request_timeout_ms=5000, max_block_ms=120_000, metadata_max_age_ms=1000,
            reconnect_backoff_ms=20, reconnect_backoff_max_ms=200)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _delivered(self, number, metadata):
        self.acknowledged[number] = metadata.offset
        self.ended += 1

    def _failed(self, error):
        self.failures.append(error)
        self.ended += 1

    def _run(self):
        while not self.stopping.wait(self.pace):
            if self.sent - self.ended >= self.WINDOW:
                continue
            number = self.sent
            try:
                future = self.producer.send(self.topic, str(number).encode(), partition=self.partition)
            except kafka.errors.KafkaError as error:
                self.failures.append(error)
                continue
            self.sent += 1
            future.add_callback(lambda metadata, number=number: self._delivered(number, metadata))
            future.add_errback(self._failed)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.producer.flush(130)
        self.unsent = self.sent - self.ended
        self.producer.close(timeout=10)


def read(servers, topic, partition, seconds=60):
    """The records of a partition up to its end, as (offset, number)."""
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True,
        "auto.offset.reset": "error", "check.crcs": True, "log_level": 0})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found = []
    try:
        while True:
            message = consumer.poll(seconds)
            assert message is not None, f"{topic}-{partition}: nothing after {len(found)} records"
            if message.error() is None:
                found.append((message.offset(), int(message.value())))
            elif message.error().name() == "_PARTITION_EOF":
                return found
            else:
                assert message.error().retriable(), message.error()
    finally:
        consumer.close()


def faults(writer, records):
    """What is wrong with the records of the partition that `writer` alone wrote to, in words; nothing if all is well."""
    found = []
    if writer.fatal or writer.failures:
        found.append(f"the producer failed: {(writer.fatal + writer.failures)[:2]}")
    numbers = [number for _, number in records]
    offsets = [offset for offset, _ in records]
    if lost := sorted(set(writer.acknowledged) - set(numbers)):
        found.append(f"lost {len(lost)} acknowledged records, the first {lost[0]}")
    if len(set(numbers)) != len(numbers):
        found.append(f"{len(numbers) - len(set(numbers))} records are there more than once")
    if numbers != sorted(numbers):
        found.append("the order is not that of sending")
    if phantoms := set(numbers) - set(range(writer.sent)):
        found.append(f"records that nobody sent: {sorted(phantoms)[:3]}")
    if offsets != list(range(len(offsets))):
        found.append("offsets have gaps")
    places = dict(zip(numbers, offsets))
    # A producer that was told of a duplicate does not know where the first one is.
    told = {number: offset for number, offset in writer.acknowledged.items() if offset is not None and offset >= 0}
    if moved := [number for number, offset in told.items() if places.get(number, offset) != offset]:
        found.append(f"{len(moved)} records are not where the acknowledgement said, the first {moved[0]}")
    return found
