"""Groups by our own commands: reading as a member, and what an operator sees and moves."""
import json
import signal
import subprocess
import time

import pytest

from conftest import BINARY

MEMBER = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=200"]


@pytest.fixture
def cluster(make_broker):
    return make_broker("group.initial.rebalance.delay.ms=0", "group.consumer.heartbeat.interval.ms=200",
                       "group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000")


def martlet(cluster, *words, check=True, **options):
    return subprocess.run([BINARY, *words, "-b", cluster.address], check=check, capture_output=True, text=True, timeout=60,
                          **options)


def fill(cluster, topic, partitions, count):
    martlet(cluster, "topic", "create", topic, "--partitions", str(partitions))
    lines = "".join(f"{number}:{number}\n" for number in range(count))
    martlet(cluster, "produce", topic, "-K", ":", input=lines)


def member(cluster, group, topic, output, *words):
    return subprocess.Popen([BINARY, "consume", topic, "-g", group, "--from-beginning", "-b", cluster.address, *MEMBER, *words],
                            stdout=output, stderr=subprocess.PIPE)


def lag(cluster, group):
    rows = json.loads(martlet(cluster, "offsets", "-g", group, "-o", "json", "--sample", "0").stdout)
    return rows[0]


def caught_up(cluster, group):
    """Whether the group has committed the end of all partitions; one without a commit has not."""
    return all(row["lag"] == 0 for row in lag(cluster, group)["partitions"])


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def members(cluster, group):
    done = martlet(cluster, "group", "members", group, "-o", "json", check=False)
    return json.loads(done.stdout)["members"] if done.returncode == 0 else []


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_goes_on_where_it_was(cluster, protocol):
    fill(cluster, "t", 3, 1000)
    words = ("consume", "t", "-g", "g", "-e", "-q", "--group-protocol", protocol)
    first = martlet(cluster, *words, "-n", "400").stdout.split()
    second = martlet(cluster, *words).stdout.split()
    assert sorted(map(int, first + second)) == list(range(1000))
    assert len(first) == 400
    assert martlet(cluster, *words).stdout == ""
    assert lag(cluster, "g")["lag"] == 0


@pytest.mark.parametrize("words", [(), ("--assignor", "cooperative-sticky"), ("--group-protocol", "consumer")])
def test_two_members_share_and_one_takes_over(cluster, tmp_path, words):
    fill(cluster, "t", 4, 500)
    with open(tmp_path / "one", "w") as one, open(tmp_path / "two", "w") as two:
        first = member(cluster, "g", "t", one, *words)
        second = member(cluster, "g", "t", two, *words)
        until(lambda: sorted(len(m["assigned"]) for m in members(cluster, "g")) == [2, 2])
        until(lambda: caught_up(cluster, "g"))
        first.kill()
        lines = "".join(f"{number}:{number}\n" for number in range(500, 1000))
        martlet(cluster, "produce", "t", "-K", ":", input=lines)
        until(lambda: [len(m["assigned"]) for m in members(cluster, "g")] == [4], 90)
        until(lambda: caught_up(cluster, "g"))
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
    read = (tmp_path / "one").read_text().split() + (tmp_path / "two").read_text().split()
    assert set(map(int, read)) == set(range(1000))
    until(lambda: members(cluster, "g") == [])


def test_topics_by_expression(cluster):
    fill(cluster, "logs-a", 1, 10)
    fill(cluster, "logs-b", 1, 10)
    fill(cluster, "users", 1, 10)
    done = martlet(cluster, "consume", "^logs-.*", "-g", "g", "-e", "-q", "--group-protocol", "consumer", "-f", "%t\n")
    assert sorted(done.stdout.split()) == ["logs-a"] * 10 + ["logs-b"] * 10


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_deleted_topic_ends_nobody(cluster, tmp_path, protocol):
    fill(cluster, "t", 2, 100)
    fill(cluster, "gone", 1, 100)
    with open(tmp_path / "out", "w") as out:
        running = member(cluster, "g", "t", out, "-t", "gone", "--group-protocol", protocol)
        until(lambda: sum(len(m["assigned"]) for m in members(cluster, "g")) == 3)
        until(lambda: caught_up(cluster, "g"))
        martlet(cluster, "topic", "delete", "gone", "-y")
        lines = "".join(f"{number}:{number}\n" for number in range(1000, 1100))
        martlet(cluster, "produce", "t", "-K", ":", input=lines)
        until(lambda: set(map(str, range(1000, 1100))) <= set((tmp_path / "out").read_text().split()))
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0, running.stderr.read()


def test_lag_in_records_and_in_time(cluster):
    fill(cluster, "t", 1, 100)
    martlet(cluster, "consume", "t", "-g", "g", "-e", "-q", "-n", "30")
    found = lag(cluster, "g")
    assert (found["lag"], found["state"]) == (70, "Empty")
    row = found["partitions"][0]
    assert (row["committed"], row["end"], row["lag"]) == (30, 100, 70)
    assert 0 < row["lag_seconds"] < 60
    assert lag(cluster, "g")["partitions"][0]["lag_seconds"] > row["lag_seconds"]


RESETS = [
    (("--to-earliest",), 0), (("--to-latest",), 100), (("--to-current",), 30), (("--to-offset", "55"), 55),
    (("--shift-by", "-10"), 20), (("--shift-by", "1000"), 100), (("--by-duration", "PT1H"), 0), (("--by-duration", "1h"), 0),
    (("--to-datetime", "2020-01-01T00:00:00"), 0), (("--to", "start"), 0), (("--to", "end"), 100), (("--to", "42"), 42),
    (("--to", "-1h"), 0), (("--to-group", "other"), 70),
]


@pytest.mark.parametrize("words,expected", RESETS, ids=[" ".join(words) for words, _ in RESETS])
def test_a_reset_shows_and_then_does(cluster, words, expected):
    fill(cluster, "t", 1, 100)
    martlet(cluster, "consume", "t", "-g", "g", "-e", "-q", "-n", "30")
    martlet(cluster, "consume", "t", "-g", "other", "-e", "-q", "-n", "70")
    shown = json.loads(martlet(cluster, "group", "reset", "g", *words, "-o", "json").stdout)
    assert shown["executed"] is False
    assert shown["partitions"] == [{"topic": "t", "partition": 0, "current": 30, "new": expected}]
    assert lag(cluster, "g")["partitions"][0]["committed"] == 30
    assert json.loads(martlet(cluster, "group", "reset", "g", *words, "--execute", "-o", "json").stdout)["executed"] is True
    assert lag(cluster, "g")["partitions"][0]["committed"] == expected


def test_a_reset_from_the_file_of_another(cluster, tmp_path):
    fill(cluster, "t", 3, 300)
    martlet(cluster, "consume", "t", "-g", "g", "-e", "-q")
    exported = martlet(cluster, "group", "reset", "g", "--shift-by", "-7", "--export").stdout
    path = tmp_path / "offsets.csv"
    path.write_text(exported)
    martlet(cluster, "group", "reset", "g", "--from-file", str(path), "--execute")
    assert lag(cluster, "g")["lag"] == 21


def test_a_group_with_members_is_not_moved(cluster, tmp_path):
    fill(cluster, "t", 1, 100)
    martlet(cluster, "consume", "t", "-g", "g", "-e", "-q", "-n", "30")
    with open(tmp_path / "out", "w") as out:
        running = member(cluster, "g", "t", out)
        until(lambda: caught_up(cluster, "g"))
        done = martlet(cluster, "group", "reset", "g", "--to-earliest", "--execute", check=False)
        assert done.returncode == 1 and "members" in done.stderr
        assert martlet(cluster, "group", "delete", "g", "-y", check=False).returncode == 1
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    assert lag(cluster, "g")["lag"] == 0


def test_groups_are_listed_and_deleted(cluster):
    fill(cluster, "t", 2, 10)
    martlet(cluster, "consume", "t", "-g", "a", "-e", "-q")
    martlet(cluster, "consume", "t", "-g", "b", "-e", "-q", "--group-protocol", "consumer")
    rows = json.loads(martlet(cluster, "group", "list", "-o", "json").stdout)
    assert [(row["group"], row["type"], row["state"]) for row in rows] == [("a", "classic", "Empty"), ("b", "consumer", "Empty")]
    assert json.loads(martlet(cluster, "group", "list", "--type", "consumer", "-o", "json").stdout)[0]["group"] == "b"
    martlet(cluster, "group", "delete-offsets", "a", "t:0")
    assert [row["partition"] for row in lag(cluster, "a")["partitions"]] == [1]
    martlet(cluster, "group", "delete", "a", "b", "-y")
    assert json.loads(martlet(cluster, "group", "list", "-o", "json").stdout) == []
    assert martlet(cluster, "group", "describe", "a", check=False).returncode == 3
