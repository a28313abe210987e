"""Three real processes and partitions with three replicas: acknowledged records outlive the death of leaders."""
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from test_quorum import live, nodes, until  # noqa: F401


def addresses(nodes):
    return ",".join(node.address for node in nodes)


def described(nodes, topic):
    """The partitions of a topic by number, as any living node says."""
    found = AdminClient({"bootstrap.servers": addresses(nodes)}).list_topics(topic, timeout=5).topics[topic]
    return found.partitions


def make(nodes, topic, partitions=1, factor=3, **settings):
    config = {key.replace("_", "."): value for key, value in settings.items()}
    admin = AdminClient({"bootstrap.servers": addresses(nodes)})
    admin.create_topics(
        [NewTopic(topic, partitions, factor, config=config)], request_timeout=20)[topic].result(timeout=30)


def produce(nodes, topic, values, partition=-1):
    """Sends with acks=all; answers what was acknowledged."""
    acknowledged, failed = [], []
    producer = Producer({
        "bootstrap.servers": addresses(nodes), "acks": "all", "enable.idempotence": True, "linger.ms": 1,
        "message.timeout.ms": 60000, "topic.metadata.refresh.interval.ms": 1000})
    for value in values:
        producer.produce(
            topic, value=str(value), partition=partition,
            on_delivery=lambda error, message: failed.append(error) if error else acknowledged.append(int(message.value())))
        producer.poll(0)
    producer.flush(90)
    assert not failed, failed[:3]
    return acknowledged


def consume(nodes, topic, count, partitions=1, **settings):
    consumer = Consumer({
        "bootstrap.servers": addresses(nodes), "group.id": "none", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, **settings})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    values, deadline = [], time.monotonic() + 40
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        values.append(int(message.value()))
    consumer.close()
    return values


def in_sync(nodes, topic, count):
    def check():
        try:
            return all(len(p.isrs) == count for p in described(nodes, topic).values())
        except KafkaException:
            return False
    return until(check, 60)


@pytest.fixture
def cluster(nodes):
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    return nodes


def test_followers_copy_and_take_over(cluster):
    make(cluster, "copied", 3, min_insync_replicas="2")
    in_sync(cluster, "copied", 3)
    acknowledged = produce(cluster, "copied", range(3000))
    leaders = {p.leader for p in described(cluster, "copied").values()}
    assert len(leaders) == 3
    for round_number, victim in enumerate(cluster):
        victim.kill()
        others = [node for node in cluster if node is not victim]
        start = 3000 * (round_number + 1)
        acknowledged += produce(others, "copied", range(start, start + 3000))
        assert victim.number not in {p.leader for p in described(others, "copied").values()}
        victim.start()
        until(lambda: len(live(victim)) == 3)
        in_sync(cluster, "copied", 3)
    values = consume(cluster, "copied", len(acknowledged), 3)
    assert sorted(values) == sorted(acknowledged) == list(range(12000))


def test_too_few_in_sync_refuse(cluster):
    make(cluster, "strict", 1, min_insync_replicas="3")
    in_sync(cluster, "strict", 3)
    produce(cluster, "strict", range(10))
    leader = described(cluster, "strict")[0].leader
    victim = next(node for node in cluster if node.number != leader)
    victim.kill()
    others = [node for node in cluster if node is not victim]
    in_sync(others, "strict", 2)
    producer = Producer({
        "bootstrap.servers": addresses(others), "acks": "all", "retries": 0, "message.timeout.ms": 8000})
    errors = []
    producer.produce("strict", value="11", on_delivery=lambda error, message: errors.append(error))
    producer.flush(20)
    assert errors and errors[0] is not None
    victim.start()
    until(lambda: len(live(victim)) == 3)
    in_sync(cluster, "strict", 3)
    produce(cluster, "strict", range(10, 20))
    assert consume(cluster, "strict", 20)[:10] == list(range(10))
