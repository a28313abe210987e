"""A log that is damaged below what was synced: it is quarantined, everybody sees that, and repair brings it back."""
import json
import subprocess

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import BINARY
from test_quorum import until

TOPICS = 15


def martlet(*words):
    return subprocess.run([str(BINARY), *words], capture_output=True, text=True, timeout=60)


def fill(address, topic, count):
    producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
    for number in range(count):
        producer.produce(topic, str(number).encode() * 50, partition=0)
        producer.flush(30)


def values(address, topic):
    consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(30)).error() is None:
        found.append(message.value())
    assert message.error().code() == KafkaError._PARTITION_EOF
    consumer.close()
    return found


def leader(address, topic):
    said = json.loads(martlet("topic", "describe", topic, "-o", "json", "-b", address).stdout)
    return said[0]["partitions"][0]["leader"]


def recovery_points(broker):
    path = broker.folder / "recovery-point-offset-checkpoint"
    return path.read_text().splitlines() if path.exists() else []


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))


def test_a_damaged_log_is_seen_by_all_and_repaired(make_broker):
    # Every record is synced before it is acknowledged, and the recovery point follows at once.
    broker = make_broker("log.durability=fsync", "log.flush.offset.checkpoint.interval.ms=50")
    names = [f"t{number:02}" for number in range(TOPICS)]
    admin = AdminClient({"bootstrap.servers": broker.address})
    for made in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        made.result(timeout=30)
    for name in names:
        fill(broker.address, name, 3)
    until(lambda: all(f"{name} 0 3" in recovery_points(broker) for name in names))
    broker.kill()
    for name in names[1:]:
        flip(broker.folder / f"{name}-0" / f"{0:020}.log", 100)
    broker.start()
    until(lambda: leader(broker.address, names[-1]) == -1)
    health = martlet("cluster", "health", "-b", broker.address)
    assert health.returncode == 11, health.stdout
    assert leader(broker.address, names[0]) == 1 and len(values(broker.address, names[0])) == 3
    said = broker.log.read_text()
    for name in names[1:]:
        (line,) = [line for line in said.splitlines() if "quarantined" in line and f"{name}-0" in line]
        assert "offset 0" in line
    broker.stop()
    done = martlet("log", "repair", str(broker.folder), "--drop-damaged", "--execute")
    assert done.returncode == 0, done.stdout + done.stderr
    broker.start()
    until(lambda: all(leader(broker.address, name) == 1 for name in names))
    for name in names[1:]:
        assert [value[:1] for value in values(broker.address, name)] == [b"1", b"2"]
        fill(broker.address, name, 1)
    assert martlet("cluster", "health", "-b", broker.address).returncode == 0


def test_damage_in_a_sealed_segment_is_no_end_after_a_kill(make_broker):
    broker = make_broker()
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic("t", 1, 1, config={"internal.segment.bytes": "2000"})])["t"].result(timeout=30)
    fill(broker.address, "t", 100)
    folder = broker.folder / "t-0"
    segments = sorted(folder.glob("*.log"))
    assert len(segments) > 3
    # What was rolled is synced, and known to be, before long.
    until(lambda: f"t 0 {int(segments[-1].stem)}" in recovery_points(broker))
    broker.kill()
    flip(segments[-2], 100)
    broker.start()
    until(lambda: leader(broker.address, "t") == -1)
    assert sorted(folder.glob("*.log")) == segments
    assert "offset" in next(line for line in broker.log.read_text().splitlines() if "quarantined" in line)
