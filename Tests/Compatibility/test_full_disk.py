"""A full disk: producers are refused with an error that they try again, the rest goes on, and all recovers by itself."""
import os
import subprocess
import time

import confluent_kafka
import confluent_kafka.admin
import pytest

from conftest import FULL
from disk_faults import FaultyDisk
from test_idempotence import read_all

VALUE = b"x" * 10_000


class Writer:
    """Sends numbered records of 10 kB to partition 0 and remembers where each was acknowledged."""

    def __init__(self, address, topic="t", **settings):
        self.topic = topic
        self.acknowledged = {}
        self.failures = []
        self.sent = 0
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": address, "acks": "all", "enable.idempotence": True, "linger.ms": 0,
            "message.timeout.ms": 600_000, "retry.backoff.ms": 20, "log_level": 0,
            "queue.buffering.max.messages": 200, **settings})

    def _delivered(self, error, message):
        if error is not None:
            self.failures.append(error)
        else:
            self.acknowledged[int(message.key())] = message.offset()

    def write(self, count):
        for _ in range(count):
            while True:
                try:
                    self.producer.produce(self.topic, VALUE, key=str(self.sent), partition=0, on_delivery=self._delivered)
                    break
                except BufferError:
                    self.producer.poll(0.05)
            self.sent += 1
            self.producer.poll(0)

    def finish(self, timeout=120):
        return self.producer.flush(timeout)


def until(what, condition, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def make_topic(address, name="t", partitions=1, **config):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address})
    admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1, config=config)])[name].result(30)
    return admin


def keys(address, topic="t"):
    """The keys of partition 0 by offset, from its first record to its end."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False,
                                         "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    found = {}
    while True:
        message = consumer.poll(30)
        assert message is not None, "no end of the partition"
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            break
        found[message.offset()] = int(message.key())
    consumer.close()
    return found


@pytest.mark.parametrize("durability", ["page-cache", "fsync"])
def test_partial_writes_are_cut_back_and_producers_try_again(make_broker_on, tmp_path, durability):
    data = tmp_path / "data"
    disk = FaultyDisk(tmp_path, data)
    broker = make_broker_on(data, "martlet.disk.reserve.bytes=0", "log.segment.bytes=1048576",
                            environment=disk.environment)
    make_topic(broker.address, durability=durability)
    disk.only("t-0")
    writer = Writer(broker.address)
    writer.write(50)
    assert writer.finish() == 0
    for _ in range(20 if FULL else 4):
        disk.space = 105_000  # ten and a half records, and the rest of one
        writer.write(100)
        until("the disk is full", lambda: disk.space == 0)
        assert writer.finish(1) > 0  # what has no room waits in the client
        assert len(keys(broker.address)) >= 50  # reads go on
        make_topic(broker.address, f"other-{time.monotonic_ns()}")  # and so does the rest
        disk.space = -1
        assert writer.finish() == 0
    assert not writer.failures and len(writer.acknowledged) == writer.sent
    assert broker.is_running()
    expected = {offset: key for key, offset in writer.acknowledged.items()}
    assert keys(broker.address) == expected
    broker.kill()
    broker.start()
    assert keys(broker.address) == expected


def test_another_client_tries_again_too(make_broker_on, tmp_path):
    import kafka

    data = tmp_path / "data"
    disk = FaultyDisk(tmp_path, data)
    broker = make_broker_on(data, "martlet.disk.reserve.bytes=0", environment=disk.environment)
    make_topic(broker.address)
    disk.only("t-0")
    producer = kafka.KafkaProducer(bootstrap_servers=broker.address, acks="all", retries=1_000_000,
                                   retry_backoff_ms=20, max_block_ms=60_000)
    producer.send("t", key=b"0", value=VALUE, partition=0).get(30)
    disk.space = 5000
    future = producer.send("t", key=b"1", value=VALUE, partition=0)
    until("the disk is full", lambda: disk.space == 0)
    assert not future.is_done
    disk.space = -1
    assert future.get(60).offset == 1
    producer.close()
    assert keys(broker.address) == {0: 0, 1: 1}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.fail("to mount a small disk takes root; the tests with the preloaded disk do not")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_small_disk_fills_drains_and_takes_more(make_broker_on, small_disk, tmp_path):
    broker = make_broker_on(
        small_disk / "data", "log.segment.bytes=4194304", "log.retention.check.interval.ms=200",
        "log.segment.delete.delay.ms=0", "log.cleaner.enable=false")
    admin = make_topic(broker.address)
    writer = Writer(broker.address, **{"queue.buffering.max.messages": 5000})

    def is_refused():
        if len(writer.producer) < 1000:
            writer.write(100)
        writer.producer.poll(0.01)
        return "producers are refused" in (small_disk / "broker.log").read_text()

    until("producers are refused", is_refused, 240)
    assert writer.finish(1) > 0
    assert broker.is_running()
    # The reserve is kept for what must go on.
    assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 8 << 20
    make_topic(broker.address, "another")
    before = keys(broker.address)
    for key, offset in list(writer.acknowledged.items()):
        assert before[offset] == key
    resource = confluent_kafka.admin.ConfigResource("topic", "t", incremental_configs=[
        confluent_kafka.admin.ConfigEntry("retention.bytes", "20000000",
                                          incremental_operation=confluent_kafka.admin.AlterConfigOpType.SET)])
    admin.incremental_alter_configs([resource])[resource].result(30)
    assert writer.finish() == 0
    writer.write(2000)
    assert writer.finish() == 0
    assert not writer.failures and len(writer.acknowledged) == writer.sent
    after = keys(broker.address)
    first = min(after)
    for key, offset in writer.acknowledged.items():
        if offset >= first:
            assert after[offset] == key
    broker.stop()


def test_little_room_slows_producers_down(make_broker_on, tmp_path):
    # Free bytes are next to nothing beside this bound, so that each producer waits nearly the longest: a second.
    broker = make_broker_on(tmp_path / "data", "martlet.disk.reserve.bytes=1", f"martlet.disk.throttle.bytes={1 << 60}")
    make_topic(broker.address)
    told = []
    writer = Writer(broker.address, throttle_cb=lambda event: told.append(event.throttle_time))
    until("the producer is told to wait", lambda: writer.write(1) or writer.finish() == 0 and told)
    began, before = time.monotonic(), len(told)
    for _ in range(4):
        writer.write(1)
        assert writer.finish() == 0
    until("it is told each time", lambda: writer.producer.poll(0.01) or len(told) >= before + 4)
    assert all(0.9 <= seconds <= 1 for seconds in told), told
    # The broker itself reads nothing more for so long: this client does not wait by itself.
    assert time.monotonic() - began >= 3 * 0.9
    assert not writer.failures and len(writer.acknowledged) == writer.sent
    assert keys(broker.address) == {offset: key for key, offset in writer.acknowledged.items()}
