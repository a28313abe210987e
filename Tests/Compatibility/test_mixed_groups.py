"""Groups whose members change from the classic protocol to the new one and back, one by one, while records come: every
record is delivered, no partition has two owners, and the group is of the kind that its members make it."""
import json
import subprocess
import threading

import confluent_kafka
import confluent_kafka.admin
import pytest

from conftest import BINARY
from test_groups import NEW_PROTOCOL, PARTITIONS, PATIENCE, SETTINGS, Member, Shared, produce

FAST = ["group.consumer.min.session.timeout.ms=2000", "group.consumer.session.timeout.ms=4000",
        "group.consumer.assignment.interval.ms=0"]


@pytest.fixture
def mixed_broker(make_broker):
    broker = make_broker(*SETTINGS, *FAST)
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", PARTITIONS)])["t"].result(10)
    return broker


def kind(broker):
    """The type of the group, as ListGroups says."""
    done = subprocess.run([BINARY, "group", "list", "-o", "json", "-b", broker.address], capture_output=True, check=True,
                          timeout=30)
    return {row["group"]: row["type"] for row in json.loads(done.stdout)}.get("g")


class KafkaPythonMember(threading.Thread):
    """A kafka-python consumer, which speaks the classic protocol only, with the same book-keeping."""

    def __init__(self, broker, shared):
        super().__init__(daemon=True)
        self.broker, self.shared = broker, shared
        self.ending = threading.Event()
        self.failure = None

    def run(self):
        from kafka import ConsumerRebalanceListener, KafkaConsumer

        class Listener(ConsumerRebalanceListener):
            def on_partitions_assigned(listener, assigned):
                self.shared.take(self, {p.partition for p in assigned})

            def on_partitions_revoked(listener, revoked):
                self.shared.give(self, {p.partition for p in revoked})

        try:
            consumer = KafkaConsumer(
                bootstrap_servers=self.broker.address, group_id="g", auto_offset_reset="earliest",
                session_timeout_ms=6000, heartbeat_interval_ms=200, enable_auto_commit=True, auto_commit_interval_ms=200)
            consumer.subscribe(["t"], listener=Listener())
            while not self.ending.is_set():
                for records in consumer.poll(50).values():
                    for record in records:
                        self.shared.deliver(record.value)
            consumer.close()
        except BaseException as failure:
            self.failure = failure

    def end(self):
        self.ending.set()
        self.join(PATIENCE)
        assert not self.is_alive()
        assert self.failure is None, self.failure


class Migration:
    """Members of both kinds, and records that come all the while."""

    def __init__(self, broker):
        self.broker, self.shared = broker, Shared()
        self.members, self.produced = [], 0

    def write(self):
        produce(self.broker, self.produced, 60)
        self.produced += 60

    def settled(self):
        """All partitions are owned, each by a member that is there, and every member has some."""
        owners = self.shared.owners
        return len(owners) == PARTITIONS and set(owners.values()) == set(self.members)

    def until_settled(self):
        self.write()
        with self.shared.lock:
            done = self.shared.lock.wait_for(
                lambda: self.settled() and len(self.shared.values) == self.produced, PATIENCE)
        assert not self.shared.conflicts, self.shared.conflicts
        failures = [member.failure for member in self.members if member.failure]
        assert done and not failures, (failures, len(self.shared.values), self.produced, len(self.shared.owners))

    def come(self, member):
        member.start()
        self.members.append(member)
        self.until_settled()

    def go(self, member):
        self.members.remove(member)
        member.end()
        if self.members:
            self.until_settled()


@pytest.mark.parametrize("strategy", ["range", "roundrobin"])
def test_a_group_goes_to_the_new_protocol_and_back(mixed_broker, strategy):
    broker = mixed_broker
    group = Migration(broker)
    old = [Member(broker, group.shared, strategy), Member(broker, group.shared, strategy)]
    for member in old:
        group.come(member)
    assert kind(broker) == "classic"
    new = []
    for member in old:
        new.append(Member(broker, group.shared, NEW_PROTOCOL))
        group.come(new[-1])
        assert kind(broker) == "consumer"
        group.go(member)
        assert kind(broker) == "consumer"
    last = [Member(broker, group.shared, strategy), Member(broker, group.shared, strategy)]
    for member, former in zip(last, new):
        group.come(member)
        assert kind(broker) == "consumer"
        group.go(former)
    assert kind(broker) == "classic"
    for member in last:
        group.go(member)
    events = json.loads(subprocess.run(
        [BINARY, "group", "explain", "g", "-o", "json", "-b", broker.address], capture_output=True, check=True).stdout)
    assert [event["reason"] for event in events["events"] if event["event"] == "migrated"] == [
        "from the classic protocol to the new one", "from the new protocol to the classic one"]


def test_a_member_of_another_library_stays_while_the_others_change(mixed_broker):
    broker = mixed_broker
    group = Migration(broker)
    stays = KafkaPythonMember(broker, group.shared)
    group.come(stays)
    old = Member(broker, group.shared, "range")
    group.come(old)
    assert kind(broker) == "classic"
    new = Member(broker, group.shared, NEW_PROTOCOL)
    group.come(new)
    assert kind(broker) == "consumer"
    group.go(old)
    assert kind(broker) == "consumer"
    group.go(new)
    assert kind(broker) == "classic"
    group.go(stays)


def test_an_assignor_with_data_of_its_own_bars_the_new_protocol(mixed_broker):
    """librdkafka's cooperative-sticky writes such data into assignments: Kafka refuses the upgrade of those groups, too."""
    broker = mixed_broker
    group = Migration(broker)
    # The first assignment of a member that is alone has no such data yet.
    old = [Member(broker, group.shared, "cooperative-sticky"), Member(broker, group.shared, "cooperative-sticky")]
    for member in old:
        group.come(member)
    refused = Member(broker, group.shared, NEW_PROTOCOL)
    refused.start()
    refused.join(PATIENCE)
    assert not refused.is_alive() and "group id does not exist" in str(refused.failure)
    assert kind(broker) == "classic"
    for member in old:
        group.go(member)
