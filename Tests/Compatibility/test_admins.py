"""Every operation on a cluster that the admin clients of confluent-kafka and kafka-python have, and what it changed. What they have
for groups is in test_group_operations.py and test_groups.py; rules, credentials, quotas and transactions are not served."""
import json

import pytest
from confluent_kafka import ElectionType, IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)
from kafka import TopicPartition as KafkaPartition
from kafka.admin import (ConfigResource as KafkaResource, ConfigResourceType, KafkaAdminClient, NewPartitions as MorePartitions,
                         NewTopic as KafkaTopic)
from kafka.protocol.admin.topics import ElectionType as KafkaElection

from test_operations import healthy, martlet, node_of
from test_quorum import cluster, live, make_node, nodes, until  # noqa: F401
from test_replication import addresses, consume, described, in_sync, make, produce, three  # noqa: F401


EARLIEST, LATEST = -2, -1


@pytest.fixture
def confluent(three):
    return AdminClient({"bootstrap.servers": addresses(three)})


@pytest.fixture
def python(three):
    admin = KafkaAdminClient(bootstrap_servers=[node.address for node in three])
    yield admin
    admin.close()


def one(futures):
    (future,) = futures.values()
    return future.result(timeout=30)


def settings(admin, kind, name):
    return {key: entry.value for key, entry in one(admin.describe_configs([ConfigResource(kind, name)])).items()}


def eventually(read, wanted, seconds=30):
    """Whoever answers may be a moment behind."""
    until(lambda: read() == wanted, seconds)


# confluent-kafka

def test_confluent_makes_describes_grows_and_deletes_topics(three, confluent):
    one(confluent.create_topics([NewTopic("made", 2, 3, config={"retention.ms": "100000"})]))
    until(lambda: "made" in confluent.list_topics(timeout=20).topics)
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        one(confluent.create_topics([NewTopic("made", 2, 3)]))
    one(confluent.create_topics([NewTopic("only-asked", 1, 3)], validate_only=True))
    one(confluent.create_partitions([NewPartitions("made", 4)]))
    eventually(lambda: len(described(three, "made")), 4)
    found = one(confluent.describe_topics(TopicCollection(["made"])))
    assert not found.is_internal and [sorted(replica.id for replica in p.replicas) for p in found.partitions] == [[1, 2, 3]] * 4
    one(confluent.delete_topics(["made"]))
    until(lambda: {"made", "only-asked"}.isdisjoint(confluent.list_topics(timeout=20).topics))


def test_confluent_describes_the_cluster(three, confluent):
    found = confluent.describe_cluster().result(timeout=20)
    assert found.cluster_id == three[0].settings["cluster.id"]
    assert sorted((node.id, f"{node.host}:{node.port}") for node in found.nodes) == [(n.number, n.address) for n in three]
    assert found.controller.id in (1, 2, 3)


def test_confluent_changes_settings(three, confluent):
    make(three, "set", 1, 3)
    change = ConfigResource(ResourceType.TOPIC, "set", incremental_configs=[
        ConfigEntry("retention.ms", "100000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)])
    one(confluent.incremental_alter_configs([change]))
    wanted = ("100000", "delete,compact")
    eventually(lambda: tuple(settings(confluent, ResourceType.TOPIC, "set")[key] for key in ("retention.ms", "cleanup.policy")), wanted)
    one(confluent.alter_configs([ConfigResource(ResourceType.TOPIC, "set", set_config={"retention.bytes": "5000"})]))
    wanted = ("604800000", "5000")
    eventually(lambda: tuple(settings(confluent, ResourceType.TOPIC, "set")[key] for key in ("retention.ms", "retention.bytes")), wanted)
    for number in (1, 2, 3):
        change = ConfigResource(ResourceType.BROKER, str(number), incremental_configs=[
            ConfigEntry("log.cleaner.threads", "2", incremental_operation=AlterConfigOpType.SET)])
        one(confluent.incremental_alter_configs([change]))
        eventually(lambda: settings(confluent, ResourceType.BROKER, str(number))["log.cleaner.threads"], "2")


def test_confluent_elects_leaders_and_lists_and_deletes_records(three, confluent):
    make(three, "led", 3, 3)
    in_sync(three, "led", 3)
    produce(three, "led", range(100), partition=0)
    preferred = described(three, "led")[0].replicas[0]
    node_of(three, preferred).kill()
    until(lambda: described([node for node in three if node.number != preferred], "led")[0].leader not in (-1, preferred), 60)
    node_of(three, preferred).start()
    healthy(three)
    confluent.elect_leaders(ElectionType.PREFERRED, [TopicPartition("led", p) for p in range(3)]).result(timeout=30)
    eventually(lambda: described(three, "led")[0].leader, preferred)
    first = TopicPartition("led", 0, 40)
    assert one(confluent.delete_records([first])).low_watermark == 40
    for spec, offset in ((OffsetSpec.earliest(), 40), (OffsetSpec.latest(), 100)):
        eventually(lambda: one(confluent.list_offsets(
            {TopicPartition("led", 0): spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)).offset, offset)


# kafka-python

def test_python_makes_describes_grows_and_deletes_topics(three, python):
    python.create_topics([KafkaTopic("made", 2, 3)])
    python.wait_for_topics(["made"])
    until(lambda: "made" in python.list_topics())
    python.create_partitions({"made": MorePartitions(total_count=4)})
    eventually(lambda: len(described(three, "made")), 4)
    until(lambda: [len(topic["partitions"]) for topic in python.describe_topics(["made"])] == [4])
    (found,) = python.describe_topic_partitions(["made"])["topics"]
    assert [sorted(partition["replica_nodes"]) for partition in found["partitions"]] == [[1, 2, 3]] * 4
    python.delete_topics(["made"])
    until(lambda: "made" not in python.list_topics())


def test_python_describes_the_cluster_its_quorum_and_its_folders(three, python):
    found = python.describe_cluster()
    assert found["cluster_id"] == three[0].settings["cluster.id"]
    assert sorted(broker.get("broker_id", broker.get("node_id")) for broker in found["brokers"]) == [1, 2, 3]
    (topic,) = python.describe_metadata_quorum()["topics"]
    (partition,) = topic["partitions"]
    assert sorted(voter["replica_id"] for voter in partition["current_voters"]) == [1, 2, 3]
    leader = json.loads(martlet(three, "cluster", "quorum", "-o", "json"))["leader"]
    eventually(lambda: python.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"], leader)
    assert len(python.describe_log_dirs()) == 3


def test_python_changes_settings(three, python):
    make(three, "set", 1, 3)
    resource = KafkaResource(ConfigResourceType.TOPIC, "set", {"retention.ms": "100000"})

    def value():
        found = python.describe_configs([KafkaResource(ConfigResourceType.TOPIC, "set")], config_filter="all")
        return str(found).count("'100000'") > 0

    python.alter_configs([resource])
    until(value)
    assert any("set" in names for names in python.list_config_resources().values())
    python.reset_configs([KafkaResource(ConfigResourceType.TOPIC, "set", ["retention.ms"])])
    until(lambda: not value())


def test_python_moves_elects_deletes_and_lists(three, python):
    make(three, "moved", 2, 2)
    first, second = KafkaPartition("moved", 0), KafkaPartition("moved", 1)
    python.alter_partition_reassignments({first: [1, 2, 3], second: [3, 1]})
    until(lambda: not python.list_partition_reassignments())
    eventually(lambda: [sorted(found.replicas) for _, found in sorted(described(three, "moved").items())], [[1, 2, 3], [1, 3]])
    produce(three, "moved", range(100), partition=1)
    python.elect_leaders(KafkaElection.PREFERRED, {"moved": [0, 1]}, raise_errors=False)
    eventually(lambda: [described(three, "moved")[p].leader for p in (0, 1)], [1, 3])
    python.delete_records({second: 30}, timeout_ms=20000)
    eventually(lambda: python.list_partition_offsets({second: EARLIEST})[second].offset, 30)
    assert python.list_partition_offsets({second: LATEST})[second].offset == 100
    assert len(python.describe_producers([second])[second].active_producers) == 1


def test_python_changes_features(three, python):
    def level(name):
        return python.describe_features()[name].get("finalized", (0, 0))[1]

    before = level("eligible.leader.replicas.version")
    assert before == 1 and python.update_features({"eligible.leader.replicas.version": 1}) == {"eligible.leader.replicas.version": "OK"}
    python.update_features({"eligible.leader.replicas.version": ("SAFE_DOWNGRADE", 0)})
    eventually(lambda: level("eligible.leader.replicas.version"), 0)
    python.update_features({"eligible.leader.replicas.version": 1})
    eventually(lambda: level("eligible.leader.replicas.version"), 1)
    python.update_features({"eligible.leader.replicas.version": ("SAFE_DOWNGRADE", 0)}, validate_only=True)
    assert level("eligible.leader.replicas.version") == 1
