"""Voters that the configuration names (kraft.version 0), and the upgrade by which the log names them (KIP-853)."""
import json
import subprocess

from kafka.admin import KafkaAdminClient

from conftest import BINARY
from test_operations import healthy, martlet
from test_quorum import cluster, create, live, make_node, nodes, until  # noqa: F401
from test_replication import three  # noqa: F401


def level(node):
    """The level of kraft.version that a node tells; 0 if it tells none."""
    admin = KafkaAdminClient(bootstrap_servers=node.address)
    try:
        return admin.describe_features()["kraft.version"].get("finalized", (0, 0))[1]
    finally:
        admin.close()


def directories(nodes):
    """The folders of the voters, as the leader knows them."""
    replicas = json.loads(martlet(nodes, "cluster", "quorum", "-o", "json"))["replicas"]
    return {entry["node"]: entry["directory"] for entry in replicas if entry["role"] != "observer"}


def test_the_configuration_names_the_voters_until_the_upgrade(three):
    assert [level(node) for node in three] == [0, 0, 0]
    admin = KafkaAdminClient(bootstrap_servers=three[0].address)
    assert admin.update_features({"kraft.version": 1}) == {"kraft.version": "OK"}
    until(lambda: [level(node) for node in three] == [1, 1, 1])
    assert admin.update_features({"kraft.version": 1}) == {"kraft.version": "OK"}
    admin.close()
    named = directories(three)
    assert sorted(named) == [1, 2, 3] and len(set(named.values())) == 3
    create(three[1], "after")
    for node in three:
        node.kill()
    for node in three:
        node.start()
    healthy(three)
    assert [level(node) for node in three] == [1, 1, 1] and directories(three) == named
    for node in three:
        found = json.loads(subprocess.run(
            [str(BINARY), "cluster", "image", str(node.folder), "-o", "json"], capture_output=True, text=True, check=True).stdout)
        assert found["kraftVersion"] == 1 and {voter["id"]: voter["directoryId"] for voter in found["voters"]} == named


def test_formatting_takes_the_level_of_the_quorum(make_node, cluster):
    node = make_node(20000, controller_quorum_voters="1@127.0.0.1:20000")

    def format(*words):
        return subprocess.run(
            [str(BINARY), "storage", "format", "-t", cluster, "-c", "/dev/null", *node.flags, *words],
            capture_output=True, text=True)

    refused = format("--feature", "kraft.version=0", "--standalone")
    assert refused.returncode != 0 and "--standalone" in refused.stderr
    refused = format("--feature", "kraft.version=1")
    assert refused.returncode != 0 and "--standalone" in refused.stderr
    refused = format("--feature", "kraft.version=2", "--standalone")
    assert refused.returncode != 0 and "levels 0 to 1" in refused.stderr
    done = format("--feature", "kraft.version=0")
    assert done.returncode == 0, done.stderr
    found = json.loads(subprocess.run(
        [str(BINARY), "cluster", "image", str(node.folder), "-o", "json"], capture_output=True, text=True, check=True).stdout)
    assert found["kraftVersion"] == 0 and found["voters"] == []
