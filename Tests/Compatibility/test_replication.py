"""Three real processes and partitions with three replicas: acknowledged records outlive the death of leaders."""
import logging
import signal
import time

import kafka
import pytest
from confluent_kafka import Consumer, ElectionType, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import TopicPartition as KafkaPartition
from kafka.admin import KafkaAdminClient

from conftest import free_port
from test_quorum import cluster, live, make_node, nodes, topics, until  # noqa: F401


class Collected(logging.Logger):
    """Keeps what a client logs."""

    def __init__(self, lines):
        super().__init__("collected")
        self.lines = lines

    def handle(self, record):
        self.lines.append(record.getMessage())


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


def end(nodes, topic, partition=0):
    """Where the log of a partition ends."""
    consumer = Consumer({"bootstrap.servers": addresses(nodes), "group.id": "none"})
    found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)[1]
    consumer.close()
    return found


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
def three(nodes):
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    return nodes


def test_followers_copy_and_take_over(three):
    make(three, "copied", 3, min_insync_replicas="2")
    in_sync(three, "copied", 3)
    acknowledged = produce(three, "copied", range(3000))
    leaders = {p.leader for p in described(three, "copied").values()}
    assert len(leaders) == 3
    for round_number, victim in enumerate(three):
        victim.kill()
        others = [node for node in three if node is not victim]
        start = 3000 * (round_number + 1)
        acknowledged += produce(others, "copied", range(start, start + 3000))
        assert victim.number not in {p.leader for p in described(others, "copied").values()}
        victim.start()
        until(lambda: len(live(victim)) == 3)
        in_sync(three, "copied", 3)
    values = consume(three, "copied", len(acknowledged), 3)
    assert sorted(values) == sorted(acknowledged) == list(range(12000))


def test_too_few_in_sync_refuse(three):
    make(three, "strict", 1, min_insync_replicas="3")
    in_sync(three, "strict", 3)
    produce(three, "strict", range(10))
    leader = described(three, "strict")[0].leader
    victim = next(node for node in three if node.number != leader)
    victim.kill()
    others = [node for node in three if node is not victim]
    in_sync(others, "strict", 2)
    producer = Producer({
        "bootstrap.servers": addresses(others), "acks": "all", "retries": 0, "message.timeout.ms": 8000})
    errors = []
    producer.produce("strict", value="11", on_delivery=lambda error, message: errors.append(error))
    producer.flush(20)
    assert errors and errors[0] is not None
    victim.start()
    until(lambda: len(live(victim)) == 3)
    in_sync(three, "strict", 3)
    produce(three, "strict", range(10, 20))
    assert consume(three, "strict", 20)[:10] == list(range(10))


def test_a_leader_cuts_what_nobody_copied(three):
    make(three, "cut", 1, min_insync_replicas="2")
    in_sync(three, "cut", 3)
    produce(three, "cut", range(100))
    number = described(three, "cut")[0].leader
    leader = next(node for node in three if node.number == number)
    others = [node for node in three if node is not leader]
    for node in others:
        node.process.send_signal(signal.SIGSTOP)
    # What one node alone has written is promised to nobody.
    producer = Producer({"bootstrap.servers": leader.address, "acks": 1, "message.timeout.ms": 2500})
    for value in range(1000, 1050):
        producer.produce("cut", value=str(value), partition=0)
        producer.flush(5)
    leader.kill()
    for node in others:
        node.process.send_signal(signal.SIGCONT)
    until(lambda: described(others, "cut")[0].leader in {node.number for node in others}, 60)
    produce(others, "cut", range(100, 200))
    leader.start()
    until(lambda: len(live(leader)) == 3)
    in_sync(three, "cut", 3)
    # A fetch that waited when the others stood still was answered with the first of them; that they read when they woke.
    copied = end(three, "cut") - 200
    assert copied < 50
    due = [*range(100), *range(1000, 1000 + copied), *range(100, 200)]
    for node in others:
        assert consume([node], "cut", len(due)) == due
    for node in others:
        node.kill()
        until(lambda: described([leader], "cut")[0].leader != node.number, 60)
        node.start()
        until(lambda: len(live(node)) == 3)
        in_sync(three, "cut", 3)
    assert consume(three, "cut", len(due)) == due


def test_a_follower_begins_anew_where_the_leader_does(three):
    make(three, "anew", 1, min_insync_replicas="2")
    in_sync(three, "anew", 3)
    number = described(three, "anew")[0].leader
    victim = next(node for node in three if node.number != number)
    victim.kill()
    others = [node for node in three if node is not victim]
    in_sync(others, "anew", 2)
    produce(others, "anew", range(300))
    admin = AdminClient({"bootstrap.servers": addresses(others)})
    for result in admin.delete_records([TopicPartition("anew", 0, 250)]).values():
        assert result.result(timeout=20).low_watermark == 250
    victim.start()
    until(lambda: len(live(victim)) == 3)
    in_sync(three, "anew", 3)
    # The others die one after the other, so that the one that had to begin anew leads in between.
    for node in others:
        node.kill()
        until(lambda: described([victim], "anew")[0].leader not in (node.number, -1), 60)
        assert consume([victim], "anew", 50) == list(range(250, 300))
        node.start()
        until(lambda: len(live(victim)) == 3)
        in_sync(three, "anew", 3)
    assert consume(three, "anew", 50) == list(range(250, 300))


def test_a_node_that_stops_hands_over(three):
    make(three, "handed", 3, min_insync_replicas="2")
    in_sync(three, "handed", 3)
    produce(three, "handed", range(300))
    victim = three[0]
    victim.process.terminate()
    victim.process.wait(timeout=30)
    others = three[1:]
    partitions = described(others, "handed").values()
    assert victim.number not in {p.leader for p in partitions} and all(p.leader > 0 for p in partitions)
    produce(others, "handed", range(300, 600))
    victim.start()
    until(lambda: len(live(victim)) == 3)
    in_sync(three, "handed", 3)
    admin = AdminClient({"bootstrap.servers": addresses(three)})
    admin.elect_leaders(ElectionType.PREFERRED, None).result(timeout=20)
    # Whoever answers may be a moment behind.
    until(lambda: {p.leader for p in described(three, "handed").values()} == {1, 2, 3})
    assert sorted(consume(three, "handed", 600, 3)) == list(range(600))


def test_a_partition_moves_and_a_former_replica_is_gone(three):
    make(three, "moved", 1, 1)
    produce(three, "moved", range(500))
    former = described(three, "moved")[0].leader
    others = [node.number for node in three if node.number != former]
    admin = KafkaAdminClient(bootstrap_servers=[node.address for node in three])
    admin.alter_partition_reassignments({KafkaPartition("moved", 0): others})
    until(lambda: sorted(described(three, "moved")[0].replicas) == sorted(others), 60)
    in_sync(three, "moved", 2)
    assert described(three, "moved")[0].leader in others
    assert not admin.list_partition_reassignments()
    admin.close()
    produce(three, "moved", range(500, 600))
    assert consume(three, "moved", 600) == list(range(600))
    folder = next(node.folder for node in three if node.number == former)
    until(lambda: not (folder / "moved-0").exists())


def test_a_consumer_reads_from_the_replica_in_its_rack(three):
    for node in three:
        node.kill()
        node.settings["broker.rack"] = f"rack-{node.number}"
        node.settings["replica.selector.class"] = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
    for node in three:
        node.start()
    for node in three:
        until(lambda: len(live(node)) == 3, 60)
    make(three, "near", 1, min_insync_replicas="2")
    in_sync(three, "near", 3)
    produce(three, "near", range(500))
    leader = described(three, "near")[0].leader
    near = next(node.number for node in three if node.number != leader)
    log = []
    consumer = Consumer({
        "bootstrap.servers": addresses(three), "group.id": "none", "auto.offset.reset": "error",
        "enable.auto.commit": False, "client.rack": f"rack-{near}", "debug": "fetch",
        "logger": Collected(log)})
    consumer.assign([TopicPartition("near", 0, 0)])
    values, deadline = [], time.monotonic() + 40
    while len(values) < 700 and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        assert not message.error(), message.error()
        values.append(int(message.value()))
        if len(values) == 500:
            produce(three, "near", range(500, 700))
    consumer.close()
    assert values == list(range(700))
    assert any("preferred" in line.lower() and f"to {near}" in line for line in log), [
        line for line in log if "preferred" in line.lower()][:5]


def test_too_few_in_sync_are_named_before_and_after_the_append(make_node):
    port = free_port()
    voters = f"1@127.0.0.1:{port}"
    nodes = [make_node(port, controller_quorum_voters=voters)] + [make_node(controller_quorum_voters=voters) for _ in range(2)]
    for node in nodes:
        node.start()
    until(lambda: len(live(nodes[0])) == 3)
    admin = AdminClient({"bootstrap.servers": nodes[0].address})
    admin.create_topics([NewTopic(
        "few", 1, replica_assignment=[[1, 2, 3]], config={"min.insync.replicas": "2"})])["few"].result(timeout=30)
    in_sync(nodes, "few", 3)
    produce(nodes, "few", range(100))
    producer = kafka.KafkaProducer(
        bootstrap_servers=nodes[0].address, acks="all", retries=0, enable_idempotence=False, request_timeout_ms=60_000,
        delivery_timeout_ms=70_000)
    # It knows the leader and is connected when the others stall.
    producer.send("few", b"100", partition=0).get(timeout=70)
    for node in nodes[1:]:
        node.process.send_signal(signal.SIGSTOP)
    # It is written where all are in sync, and then they are not.
    with pytest.raises(kafka.errors.NotEnoughReplicasAfterAppendError):
        producer.send("few", b"101", partition=0).get(timeout=70)
    in_sync(nodes[:1], "few", 1)
    with pytest.raises(kafka.errors.NotEnoughReplicasError):
        producer.send("few", b"102", partition=0).get(timeout=70)
    assert consume(nodes[:1], "few", 101) == list(range(101))
    for node in nodes[1:]:
        node.process.send_signal(signal.SIGCONT)
    # Those that stood still may tell of what was before.
    in_sync(nodes[:1], "few", 3)
    producer.send("few", b"103", partition=0).get(timeout=70)
    producer.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_goes_on_when_its_coordinator_is_killed(three, protocol):
    make(three, "shared", 1, min_insync_replicas="2")
    in_sync(three, "shared", 3)
    produce(three, "shared", range(100))
    settings = {
        "bootstrap.servers": addresses(three), "group.id": "g", "group.protocol": protocol, "auto.offset.reset": "earliest",
        "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.subscribe(["shared"])

    def read(upto):
        last = None
        while last is None or last.offset() < upto - 1:
            last = consumer.poll(60)
            assert last is not None and (last.error() is None or last.error().retriable())
            last = None if last.error() else last
        until(lambda: commits(last), 60)

    def commits(message):
        try:
            return consumer.commit(message=message, asynchronous=False)
        except KafkaException as failure:
            assert failure.args[0].retriable() or failure.args[0].code() == KafkaError._WAIT_COORD, failure
            return None

    read(50)
    # All replicas of the group's log have what was committed.
    until(lambda: all(len(p.isrs) == 3 for p in described(three, "__consumer_offsets").values()), 60)
    admin = AdminClient({"bootstrap.servers": addresses(three)})
    number = admin.describe_consumer_groups(["g"])["g"].result(timeout=30).coordinator.id
    victim = next(node for node in three if node.number == number)
    victim.kill()
    read(100)
    consumer.close()
    others = [node for node in three if node is not victim]
    again = Consumer(settings | {"bootstrap.servers": addresses(others)})
    (position,) = again.committed([TopicPartition("shared", 0)], timeout=60)
    assert position.offset == 100
    again.close()


def test_the_first_group_of_a_new_cluster_waits_for_its_brokers(make_node):
    controllers = [free_port() for _ in range(3)]
    voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
    nodes = [make_node(port, controller_quorum_voters=voters) for port in controllers]
    consumer = Consumer({"bootstrap.servers": addresses(nodes), "group.id": "early", "auto.offset.reset": "earliest"})
    consumer.subscribe(["t"])
    for node in nodes[:2]:
        node.start()
    until(lambda: len(live(nodes[0])) == 2)
    # It asks for its coordinator meanwhile, which there is none of.
    for _ in range(10):
        consumer.poll(0.2)
    assert "__consumer_offsets" not in topics(nodes[0])
    nodes[2].start()

    def is_made():
        consumer.poll(0.2)
        return "__consumer_offsets" in topics(nodes[0])

    until(is_made, 60)
    assert all(len(p.replicas) == 3 for p in described(nodes, "__consumer_offsets").values())
    consumer.close()
