"""Throttled copies (KIP-73), and deletions that wait for all replicas (KIP-107), in a cluster of three."""
import json
import signal
import time

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from test_operations import martlet
from test_quorum import cluster, live, make_node, nodes, until  # noqa: F401
from test_replication import addresses, described, in_sync, make, produce, three  # noqa: F401

RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
LISTS = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")


def fill(nodes, topic, count, size):
    producer = Producer({"bootstrap.servers": addresses(nodes), "acks": "all", "linger.ms": 5})
    for _ in range(count):
        producer.produce(topic, bytes(size), partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0


def settings(nodes, kind, name):
    resource = ConfigResource(kind, name)
    admin = AdminClient({"bootstrap.servers": addresses(nodes)})
    found = admin.describe_configs([resource])[resource].result(timeout=20)
    return {key: entry.value for key, entry in found.items()}


def alter(nodes, kind, name, values):
    operation = AlterConfigOpType.SET
    resource = ConfigResource(kind, name, incremental_configs=[
        ConfigEntry(key, value, incremental_operation=operation) for key, value in values.items()])
    admin = AdminClient({"bootstrap.servers": addresses(nodes)})
    admin.incremental_alter_configs([resource])[resource].result(timeout=20)


@pytest.mark.parametrize("side", ["leader", "follower"])
def test_a_throttled_copy_takes_its_time_on_either_side(three, side):
    make(three, "slow", 1, 1)
    fill(three, "slow", 6000, 1000)
    number = described(three, "slow")[0].leader
    other = next(node.number for node in three if node.number != number)
    throttled = number if side == "leader" else other
    alter(three, ResourceType.TOPIC, "slow", {f"{side}.replication.throttled.replicas": f"0:{throttled}"})
    alter(three, ResourceType.BROKER, str(throttled), {f"{side}.replication.throttled.rate": "1000000"})
    begun = time.monotonic()
    martlet(three, "cluster", "reassign", "--assign", f"slow:0={number},{other}", "--execute", "--wait", "60s")
    # 6 MB at 1 MB a second; what goes out before the first look at the rate is at most one answer of 1 MB for each sample.
    assert time.monotonic() - begun > 2
    until(lambda: len(described(three, "slow")[0].isrs) == 2)


def test_reassign_throttles_and_takes_the_throttle_away(three):
    make(three, "held", 1, 1)
    fill(three, "held", 6000, 1000)
    number = described(three, "held")[0].leader
    other = next(node.number for node in three if node.number != number)
    assign = ("cluster", "reassign", "--assign", f"held:0={other}", "--throttle", "1M", "--execute")
    martlet(three, *assign, "--wait", "0")
    until(lambda: settings(three, ResourceType.TOPIC, "held")[LISTS[0]] == f"0:{number}")
    assert settings(three, ResourceType.TOPIC, "held")[LISTS[1]] == f"0:{other}"
    for broker in (number, other):
        until(lambda: all(settings(three, ResourceType.BROKER, str(broker))[rate] == "1048576" for rate in RATES))
    assert json.loads(martlet(three, "cluster", "reassign", "-o", "json"))
    begun = time.monotonic()
    until(lambda: not json.loads(martlet(three, "cluster", "reassign", "-o", "json")), 60)
    assert time.monotonic() - begun > 1
    martlet(three, "cluster", "reassign", "--clear-throttle", "held")
    until(lambda: not any(settings(three, ResourceType.TOPIC, "held")[key] for key in LISTS))
    for broker in (number, other):
        until(lambda: all(settings(three, ResourceType.BROKER, str(broker))[rate] == str(2**63 - 1) for rate in RATES))
    martlet(three, "cluster", "reassign", "--assign", f"held:0={number}", "--throttle", "100M", "--execute")
    until(lambda: not any(settings(three, ResourceType.TOPIC, "held")[key] for key in LISTS))


def test_a_throttle_is_no_list_of_nonsense(three):
    make(three, "named", 1, 3)
    with pytest.raises(KafkaException, match="list of replicas"):
        alter(three, ResourceType.TOPIC, "named", {LISTS[0]: "0-1"})
    alter(three, ResourceType.TOPIC, "named", {LISTS[0]: "*"})


def delete(nodes, topic, offset, timeout):
    """The low watermark then."""
    admin = AdminClient({"bootstrap.servers": addresses(nodes)})
    (done,) = admin.delete_records([TopicPartition(topic, 0, offset)], operation_timeout=timeout, request_timeout=30).values()
    return done.result(timeout=40).low_watermark


def test_a_deletion_is_answered_when_all_live_replicas_have_it(three):
    make(three, "cut", 1, 3)
    in_sync(three, "cut", 3)
    produce(three, "cut", range(1000))
    assert delete(three, "cut", 600, 20) == 600
    # A follower that stands still is live until its session ends; it cannot have deleted anything.
    leader = described(three, "cut")[0].leader
    victim = next(node for node in three if node.number != leader and not node.leads())
    victim.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(KafkaException) as raised:
            delete([node for node in three if node is not victim], "cut", 700, 1)
        assert "TIMED_OUT" in raised.value.args[0].name() or "timed out" in raised.value.args[0].str().lower()
        rest = [node for node in three if node is not victim]
        until(lambda: victim.number not in live(rest[0]), 60)
        assert delete(rest, "cut", 800, 20) == 800
    finally:
        victim.process.send_signal(signal.SIGCONT)
    in_sync(three, "cut", 3)
    assert delete(three, "cut", 900, 20) == 900
