"""A broker killed again and again under load loses nothing that it acknowledged."""
import random
import socket
import threading
import time

import confluent_kafka
import confluent_kafka.admin

from conftest import FULL
from test_idempotence import read_all

ROUNDS = 200 if FULL else 8
PRODUCERS = 4


class SteadyProducer:
    """Sends numbered records to one partition as fast as they are taken, until it is told to stop."""

    def __init__(self, address, partition):
        self.partition = partition
        self.acknowledged = {}
        self.sent = 0
        self.failures = []
        self.stopping = threading.Event()
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": address, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
            "queue.buffering.max.messages": 500, "message.timeout.ms": 300_000,
            "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 50, "retry.backoff.ms": 10, "log_level": 0})
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
                self.producer.produce("t", str(self.sent), partition=self.partition, on_delivery=self._delivered)
                self.sent += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)
        self.unsent = self.producer.flush(120)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        assert self.unsent == 0 and not self.failures, self.failures[:3]


def answers(broker):
    """Waits for the answer to an ApiVersions."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=30) as connection:
        connection.sendall(bytes.fromhex("0000000e00120000000000010004") + b"test")
        assert connection.recv(10)


def test_nothing_acknowledged_is_lost_or_doubled(make_broker):
    # Small segments, so that kills meet rolls.
    broker = make_broker("log.segment.bytes=1048576")
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", PRODUCERS, 1)])["t"].result()
    producers = [SteadyProducer(broker.address, p) for p in range(PRODUCERS)]
    chance = random.Random(20261121)
    slowest = 0.0
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.05, 0.6))  # the moment of the kill is what is drawn
        broker.kill()
        began = time.monotonic()
        broker.start()
        answers(broker)
        slowest = max(slowest, time.monotonic() - began)
    for producer in producers:
        producer.stop()
    records = read_all(broker.address, "t", PRODUCERS)
    for producer in producers:
        assert records[producer.partition] == list(range(producer.sent))
        assert len(producer.acknowledged) == producer.sent
        for value, offset in producer.acknowledged.items():
            assert offset in (value, -1)
    # Only where the machine has nothing else to do.
    assert not FULL or slowest < 2
    print(f"{ROUNDS} kills, {sum(p.sent for p in producers)} records, slowest start {slowest * 1000:.0f} ms")
