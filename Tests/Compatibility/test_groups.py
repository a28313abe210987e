"""Consumer groups of the classic protocol with real clients: members come, go and die; every record is delivered, no
partition has two owners in one generation, and what was committed survives the broker's end."""
import asyncio
import collections
import errno
import subprocess
import sys
import textwrap
import threading

import confluent_kafka
import confluent_kafka.admin
import pytest

from disk_faults import FaultyDisk

PARTITIONS = 6
SETTINGS = ["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=5", "group.min.session.timeout.ms=1000",
            "group.consumer.min.heartbeat.interval.ms=100", "group.consumer.heartbeat.interval.ms=200"]
# In place of an assignment strategy: the broker assigns (KIP-848).
NEW_PROTOCOL = "new protocol"
PATIENCE = 45


@pytest.fixture
def groups_broker(make_broker):
    broker = make_broker(*SETTINGS)
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", PARTITIONS)])["t"].result(10)
    return broker


def produce(broker, start, count):
    errors = []
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for index in range(start, start + count):
        producer.produce("t", str(index).encode(), partition=index % PARTITIONS,
                         on_delivery=lambda e, m: errors.append(e) if e else None)
    assert producer.flush(30) == 0 and not errors, errors[:3]


def committed(broker, group):
    """Offset by partition."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": group})
    wanted = [confluent_kafka.TopicPartition("t", p) for p in range(PARTITIONS)]
    found = {entry.partition: entry.offset for entry in reader.committed(wanted, timeout=20)}
    reader.close()
    return found


class Member(threading.Thread):
    """A librdkafka consumer in a thread of its own, which tells what it gets."""

    def __init__(self, broker, shared, strategy="range", instance=None, session_ms=6000):
        super().__init__(daemon=True)
        self.shared = shared
        self.ending = threading.Event()
        self.owned = set()
        self.failure = None
        settings = {
            "bootstrap.servers": broker.address, "group.id": "g", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "fetch.wait.max.ms": 50}
        if strategy == NEW_PROTOCOL:
            settings["group.protocol"] = "consumer"
        else:
            settings |= {"partition.assignment.strategy": strategy, "session.timeout.ms": session_ms,
                         "heartbeat.interval.ms": 200}
        if instance:
            settings["group.instance.id"] = instance
        self.cooperative = strategy in ("cooperative-sticky", NEW_PROTOCOL)
        self.consumer = confluent_kafka.Consumer(settings)

    def run(self):
        try:
            self.consumer.subscribe(["t"], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
            while not self.ending.is_set():
                message = self.consumer.poll(0.05)
                if message is None:
                    continue
                if message.error():
                    raise AssertionError(message.error())
                self.shared.deliver(message.value())
                self.consumer.commit(message=message, asynchronous=True)
            self.consumer.close()
        except BaseException as failure:
            self.failure = failure

    def assigned(self, consumer, partitions):
        new = {p.partition for p in partitions}
        self.shared.take(self, new)
        self.owned = self.owned | new if self.cooperative else new

    def revoked(self, consumer, partitions):
        gone = {p.partition for p in partitions}
        self.shared.give(self, gone)
        self.owned -= gone

    def end(self):
        self.ending.set()
        self.join(PATIENCE)
        assert not self.is_alive()
        assert self.failure is None, self.failure


class Shared:
    """What all members together have, checked as it changes."""

    def __init__(self):
        self.lock = threading.Condition()
        self.values = collections.Counter()
        self.owners = {}
        self.conflicts = []

    def deliver(self, value):
        with self.lock:
            self.values[value] += 1
            self.lock.notify_all()

    def take(self, member, partitions):
        with self.lock:
            for partition in partitions:
                other = self.owners.get(partition)
                if other not in (None, member) and not other.failure:
                    self.conflicts.append((partition, other.name, member.name))
                self.owners[partition] = member
            self.lock.notify_all()

    def give(self, member, partitions):
        with self.lock:
            for partition in partitions:
                if self.owners.get(partition) is member:
                    del self.owners[partition]

    def wait(self, condition, what):
        with self.lock:
            assert self.lock.wait_for(condition, PATIENCE), what

    def wait_for_records(self, count):
        self.wait(lambda: len(self.values) >= count, f"{count} records")

    def wait_for_owners(self, *members):
        def shared():
            return len(self.owners) == PARTITIONS and set(self.owners.values()) == set(members)
        self.wait(shared, f"the partitions are to be shared by {len(members)}")


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky", NEW_PROTOCOL])
def test_members_come_and_go(groups_broker, strategy):
    shared = Shared()
    produce(groups_broker, 0, 300)
    members = [Member(groups_broker, shared, strategy) for _ in range(3)]
    members[0].start()
    shared.wait_for_records(300)
    members[1].start()
    members[2].start()
    shared.wait_for_owners(*members)
    produce(groups_broker, 300, 300)
    shared.wait_for_records(600)
    members[0].end()
    shared.wait_for_owners(*members[1:])
    produce(groups_broker, 600, 300)
    shared.wait_for_records(900)
    for member in members[1:]:
        member.end()
    assert shared.conflicts == []
    assert sum(committed(groups_broker, "g").values()) == 900


def test_a_group_moves_to_the_new_protocol_and_back(groups_broker):
    shared = Shared()
    produce(groups_broker, 0, 120)
    old = Member(groups_broker, shared, "cooperative-sticky")
    old.start()
    shared.wait_for_records(120)
    new = Member(groups_broker, shared, NEW_PROTOCOL)
    new.start()
    shared.wait_for_owners(old, new)
    produce(groups_broker, 120, 120)
    shared.wait_for_records(240)
    new.end()
    shared.wait_for_owners(old)
    produce(groups_broker, 240, 120)
    shared.wait_for_records(360)
    old.end()
    assert shared.conflicts == []
    assert sum(committed(groups_broker, "g").values()) == 360


def test_a_killed_member_is_replaced(groups_broker):
    produce(groups_broker, 0, 120)
    script = textwrap.dedent(f"""
        import confluent_kafka
        consumer = confluent_kafka.Consumer({{
            "bootstrap.servers": "{groups_broker.address}", "group.id": "g", "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 200, "auto.offset.reset": "earliest", "enable.auto.commit": False}})
        consumer.subscribe(["t"], on_assign=lambda c, p: print("assigned", len(p), flush=True))
        while True:
            consumer.poll(0.05)
    """)
    victim = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert victim.stdout.readline().split() == ["assigned", str(PARTITIONS)]
    shared = Shared()
    heir = Member(groups_broker, shared)
    heir.start()
    while victim.stdout.readline().split() != ["assigned", str(PARTITIONS // 2)]:
        pass
    victim.kill()
    victim.wait()
    shared.wait_for_owners(heir)
    shared.wait_for_records(120)
    heir.end()


def test_a_static_member_comes_back_without_a_rebalance(groups_broker):
    shared = Shared()
    produce(groups_broker, 0, 60)
    staying = Member(groups_broker, shared, instance="one", session_ms=30000)
    leaving = Member(groups_broker, shared, instance="two", session_ms=30000)
    staying.start()
    leaving.start()
    shared.wait_for_owners(staying, leaving)
    shared.wait_for_records(60)
    before = set(leaving.owned)
    kept = set(staying.owned)
    # A static member that closes does not leave the group.
    leaving.end()
    with shared.lock:
        for partition in before:
            shared.owners.pop(partition, None)
    back = Member(groups_broker, shared, instance="two", session_ms=30000)
    back.start()
    shared.wait_for_owners(staying, back)
    assert back.owned == before and staying.owned == kept
    produce(groups_broker, 60, 60)
    shared.wait_for_records(120)
    back.end()
    staying.end()


def test_the_second_of_two_instances_with_one_name_wins(groups_broker):
    shared = Shared()
    first = Member(groups_broker, shared, instance="same", session_ms=30000)
    first.start()
    shared.wait_for_owners(first)
    with shared.lock:
        shared.owners.clear()
    second = Member(groups_broker, shared, instance="same", session_ms=30000)
    second.start()
    shared.wait_for_owners(second)
    first.join(PATIENCE)
    assert not first.is_alive() and first.failure is not None
    assert "FENCED" in str(first.failure).upper()
    second.end()


def test_commits_survive_the_kill_of_the_broker(groups_broker):
    produce(groups_broker, 0, 300)
    reader = confluent_kafka.Consumer({
        "bootstrap.servers": groups_broker.address, "group.id": "g", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "session.timeout.ms": 6000})
    reader.subscribe(["t"])
    seen = 0
    while seen < 300:
        message = reader.poll(PATIENCE)
        assert message is not None and message.error() is None
        seen += 1
    acknowledged = {p.partition: p.offset for p in reader.commit(asynchronous=False)}
    assert sum(acknowledged.values()) == 300
    groups_broker.kill()
    groups_broker.start()
    # The member goes on, too: it is known to the group that was read back.
    produce(groups_broker, 300, 60)
    while seen < 360:
        message = reader.poll(PATIENCE)
        assert message is not None
        assert message.error() is None or message.error().retriable() or not message.error().fatal()
        seen += message.error() is None
    assert committed(groups_broker, "g") == acknowledged
    reader.close()


def test_kcat_balances(groups_broker):
    produce(groups_broker, 0, 120)
    common = ["kcat", "-b", groups_broker.address, "-G", "g", "-X", "auto.offset.reset=earliest", "-X",
              "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=200"]
    done = subprocess.run(common + ["-e", "-f", "%s\\n", "t"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(int(line) for line in done.stdout.split()) == list(range(120))
    assert sum(committed(groups_broker, "g").values()) == 120
    produce(groups_broker, 120, 60)
    done = subprocess.run(common + ["-e", "-f", "%s\\n", "t"], capture_output=True, text=True, timeout=60)
    assert sorted(int(line) for line in done.stdout.split()) == list(range(120, 180))


def kafka_python_assignors():
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    return [RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor]


@pytest.mark.parametrize("number", range(3), ids=["range", "roundrobin", "sticky"])
def test_kafka_python_shares_a_topic(groups_broker, number):
    from kafka import KafkaConsumer
    produce(groups_broker, 0, 120)
    values = collections.Counter()
    ending = threading.Event()
    lock = threading.Condition()
    assignments = {}
    failures = []

    def consume(name):
        try:
            consumer = KafkaConsumer(
                "t", bootstrap_servers=groups_broker.address, group_id="g", auto_offset_reset="earliest",
                partition_assignment_strategy=[kafka_python_assignors()[number]], session_timeout_ms=6000,
                heartbeat_interval_ms=200, max_poll_interval_ms=10000, enable_auto_commit=False)
            while not ending.is_set():
                # Shorter, it may end in the middle of a join, whose answer this client then loses.
                polled = consumer.poll(timeout_ms=3000)
                with lock:
                    assignments[name] = {p.partition for p in consumer.assignment()}
                    for records in polled.values():
                        values.update(record.value for record in records)
                    lock.notify_all()
                if polled:
                    consumer.commit()
            consumer.close()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=consume, args=(n,), daemon=True) for n in range(2)]
    for thread in threads:
        thread.start()

    def shared():
        parts = list(assignments.values())
        return failures or (
            len(values) == 120 and len(parts) == 2 and all(parts) and sum(map(len, parts)) == PARTITIONS)

    with lock:
        lock.wait_for(shared, PATIENCE)
        parts = list(assignments.values())
    ending.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures, failures
    assert len(values) == 120
    assert sorted(len(part) for part in parts) == [PARTITIONS // 2] * 2 and not set.intersection(*parts)
    assert sum(committed(groups_broker, "g").values()) == 120


def test_aiokafka_shares_a_topic(groups_broker):
    produce(groups_broker, 0, 120)

    async def run():
        from aiokafka import AIOKafkaConsumer
        values = set()
        consumers = [AIOKafkaConsumer(
            "t", bootstrap_servers=groups_broker.address, group_id="g", auto_offset_reset="earliest",
            session_timeout_ms=6000, heartbeat_interval_ms=200, enable_auto_commit=False) for _ in range(2)]
        await asyncio.gather(*(consumer.start() for consumer in consumers))
        try:
            async with asyncio.timeout(PATIENCE):
                while len(values) < 120 or not all(consumer.assignment() for consumer in consumers):
                    for consumer in consumers:
                        polled = await consumer.getmany(timeout_ms=50)
                        values.update(r.value for records in polled.values() for r in records)
                        if polled:
                            try:
                                await consumer.commit()
                            except Exception as error:  # a rebalance came first
                                assert "CommitFailed" in type(error).__name__ or "Rebalance" in str(error), error
            parts = [{p.partition for p in consumer.assignment()} for consumer in consumers]
            assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == PARTITIONS
        finally:
            for consumer in consumers:
                await consumer.stop()
        return len(values)

    assert asyncio.run(run()) == 120


def test_tools_see_groups_and_change_their_offsets(groups_broker):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": groups_broker.address})
    produce(groups_broker, 0, 60)
    shared = Shared()
    member = Member(groups_broker, shared)
    member.start()
    shared.wait_for_records(60)
    listed = admin.list_consumer_groups(request_timeout=20).result(20)
    assert [(g.group_id, g.state.name) for g in listed.valid] == [("g", "STABLE")] and not listed.errors
    described = admin.describe_consumer_groups(["g"], request_timeout=20)["g"].result(20)
    assert len(described.members) == 1 and len(described.members[0].assignment.topic_partitions) == PARTITIONS
    assert described.partition_assignor == "range"
    with pytest.raises(confluent_kafka.KafkaException):
        admin.delete_consumer_groups(["g"], request_timeout=20)["g"].result(20)
    member.end()
    change = confluent_kafka.ConsumerGroupTopicPartitions("g", [confluent_kafka.TopicPartition("t", 0, 3)])
    admin.alter_consumer_group_offsets([change])["g"].result(20)
    assert committed(groups_broker, "g")[0] == 3
    admin.delete_consumer_groups(["g"], request_timeout=20)["g"].result(20)
    assert set(committed(groups_broker, "g").values()) == {confluent_kafka.OFFSET_INVALID}


def test_a_disk_that_takes_nothing_refuses_commits_and_loses_none(make_broker_on, tmp_path):
    disk = FaultyDisk(tmp_path, tmp_path / "data")
    disk.only("__consumer_offsets")
    broker = make_broker_on(tmp_path / "data", *SETTINGS, environment=disk.environment)
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", PARTITIONS)])["t"].result(10)
    client = confluent_kafka.Consumer({
        "bootstrap.servers": broker.address, "group.id": "g", "enable.auto.commit": False, "log_level": 0})

    def commit(offset):
        return client.commit(offsets=[confluent_kafka.TopicPartition("t", 0, offset)], asynchronous=False)

    commit(1)
    disk.write_error = errno.ENOSPC
    # Every attempt fails, and has the coordinator read its log again.
    for _ in range(3):
        with pytest.raises(confluent_kafka.KafkaException):
            commit(2)
    disk.write_error = 0
    shared = threading.Condition()

    def succeeds():
        try:
            return commit(3)[0].error is None
        except confluent_kafka.KafkaException:
            return False

    with shared:
        assert any(succeeds() or shared.wait(0.2) for _ in range(100))
    assert committed(broker, "g")[0] == 3
    client.close()
    broker.kill()
    broker.start()
    assert committed(broker, "g")[0] == 3
