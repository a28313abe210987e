"""A cluster of three real processes as its operators touch it: losing nodes under load, restarting, commands."""
import json
import signal
import subprocess
import sys

import pytest
from confluent_kafka import Producer

from conftest import BINARY, FULL, ROOT
from history import Writer, faults, read
from test_quorum import cluster, live, make_node, nodes, until  # noqa: F401
from test_replication import addresses, consume, described, in_sync, make, produce, three  # noqa: F401

CHAOS_SECONDS = 1800 if FULL else 160


def martlet(nodes, *words, code=0):
    done = subprocess.run(
        [str(BINARY), *words, "-b", addresses(nodes)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def healthy(nodes):
    martlet(nodes, "cluster", "health", "-q", "--wait", "60s")


def check(writers, nodes):
    for writer in writers:
        writer.stop()
    assert sum(len(writer.acknowledged) for writer in writers) > 0
    for writer in writers:
        assert faults(writer, read(addresses(nodes), writer.topic, writer.partition)) == []


def node_of(nodes, number):
    return next(node for node in nodes if node.number == number)


def test_a_leader_killed_under_load_loses_nothing(three):
    make(three, "load", 3, min_insync_replicas="2")
    in_sync(three, "load", 3)
    writers = [Writer(addresses(three), "load", partition) for partition in range(3)]
    for _ in range(2):
        known = len(writers[0].acknowledged)
        until(lambda: len(writers[0].acknowledged) > known + 300, 60)
        victim = node_of(three, described(three, "load")[0].leader)
        victim.kill()
        others = [node for node in three if node is not victim]
        until(lambda: described(others, "load")[0].leader not in (victim.number, -1))
        victim.start()
        healthy(three)
    check(writers, three)


def test_a_rolling_restart_shows_only_errors_that_pass(three):
    make(three, "rolling", 3, min_insync_replicas="2")
    in_sync(three, "rolling", 3)
    writers = [Writer(addresses(three), "rolling", partition) for partition in range(3)]
    for node in three:
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=60) == 0, node.log.read_text()
        node.start()
        healthy(three)
    check(writers, three)


@pytest.mark.parametrize("role", ["leader", "controller"])
def test_a_stalled_node_is_replaced_and_comes_back(three, role):
    make(three, "stalled", 3, min_insync_replicas="2")
    in_sync(three, "stalled", 3)
    writers = [Writer(addresses(three), "stalled", partition) for partition in range(3)]
    if role == "leader":
        victim = node_of(three, described(three, "stalled")[0].leader)
    else:
        victim = node_of(three, json.loads(martlet(three, "cluster", "quorum", "-o", "json"))["leader"])
    victim.process.send_signal(signal.SIGSTOP)
    others = [node for node in three if node is not victim]
    until(lambda: all(p.leader not in (victim.number, -1) for p in described(others, "stalled").values()), 60)
    victim.process.send_signal(signal.SIGCONT)
    healthy(three)
    check(writers, three)


def test_two_of_three_down_refuses_writes_and_serves_reads(three):
    make(three, "lone", 1, min_insync_replicas="2")
    in_sync(three, "lone", 3)
    produce(three, "lone", range(100))
    # The quorum must live for the in-sync set to shrink: the brokers go one after the other, and what is left is read from.
    number = described(three, "lone")[0].leader
    leader = node_of(three, number)
    others = [node for node in three if node is not leader]
    others[0].kill()
    in_sync([leader, others[1]], "lone", 2)
    others[1].process.send_signal(signal.SIGSTOP)
    failed = []
    producer = Producer({"bootstrap.servers": leader.address, "acks": "all", "message.timeout.ms": 8000})
    producer.produce("lone", b"100", partition=0, on_delivery=lambda error, _: failed.append(error))
    producer.flush(20)
    assert failed and failed[0] is not None
    assert consume([leader], "lone", 100) == list(range(100))
    others[1].process.send_signal(signal.SIGCONT)
    others[0].start()
    healthy(three)
    produce(three, "lone", range(200, 300))


def test_health_tells_what_is_wrong_by_its_exit_code(three):
    make(three, "health", 3, min_insync_replicas="2")
    in_sync(three, "health", 3)
    make(three, "single", 3, 1)
    assert json.loads(martlet(three, "cluster", "health", "-o", "json"))["healthy"]
    victim = three[0]
    victim.kill()
    others = three[1:]
    until(lambda: len(live(others[0])) == 2)
    in_sync(others, "health", 2)
    said = json.loads(martlet(others, "cluster", "health", "-o", "json", code=11))
    assert {problem["kind"] for problem in said["problems"]} >= {"offline-partition", "fenced-broker", "under-replicated"}
    martlet(others, "topic", "delete", "single", "-y")
    martlet(others, "cluster", "health", code=10)
    others[0].kill()
    # The leader of the quorum, if it is what is left, gives up when it has not heard of a majority for a while.
    until(lambda: subprocess.run(
        [str(BINARY), "cluster", "health", "--timeout", "4s", "-b", addresses(three)], capture_output=True).returncode == 12)
    victim.start()
    others[0].start()
    healthy(three)
    assert json.loads(martlet(three, "cluster", "status", "-o", "json"))["brokers"] == 3


def test_a_drained_broker_leads_nothing_and_a_decommissioned_one_is_gone(three, make_node):
    servers = three[0].settings["controller.quorum.voters"].split(",")
    fourth = make_node(controller_quorum_bootstrap_servers=",".join(server.split("@")[1] for server in servers))
    fourth.start()
    until(lambda: len(live(three[0])) == 4)
    make(three, "work", 8, 3, min_insync_replicas="2")
    produce(three, "work", range(1000))
    assert json.loads(martlet(three, "cluster", "drain", "4", "-o", "json"))["executed"] is False
    assert any(p.leader == 4 for p in described(three, "work").values())
    martlet(three, "cluster", "drain", "4", "--execute")
    # Whoever is asked may be a moment behind the node that the command looked at.
    until(lambda: all(p.leader != 4 and p.replicas[0] != 4 for p in described(three, "work").values()))
    martlet(three, "cluster", "drain", "4", "--replicas", "--execute")
    until(lambda: all(4 not in p.replicas for p in described(three, "work").values()))
    removal = subprocess.Popen(
        [str(BINARY), "cluster", "decommission", "4", "--execute", "-b", addresses(three)], stderr=subprocess.PIPE, text=True)
    for line in removal.stderr:
        if "stop its process now" in line:
            fourth.process.terminate()
    assert removal.wait(timeout=60) == 0
    assert [row["node"] for row in json.loads(martlet(three, "cluster", "nodes", "-o", "json"))] == [1, 2, 3]
    martlet(three, "cluster", "reassign", "work", "--to", "1,2", "-r", "2", "--execute")
    until(lambda: all(sorted(p.replicas) == [1, 2] for p in described(three, "work").values()))
    assert sorted(consume(three, "work", 1000, 8)) == list(range(1000))


def test_no_fault_of_nodes_network_and_disk_costs_a_record():
    done = subprocess.run(
        [sys.executable, str(ROOT / "Tools/scripts/chaos"), str(CHAOS_SECONDS), "20261121"], capture_output=True, text=True,
        timeout=CHAOS_SECONDS + 600)
    assert done.returncode == 0, done.stdout + done.stderr
