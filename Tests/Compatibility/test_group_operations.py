"""Operating groups against the real process: what happened to them, pausing them, and moving offsets of running ones."""
import contextlib
import json
import signal
import subprocess

import pytest

from conftest import BINARY
from test_group_commands import MEMBER, caught_up, cluster, fill, lag, martlet, member, members, until  # noqa: F401

PROTOCOLS = ["classic", "consumer"]


@contextlib.contextmanager
def running(cluster, path, group="g", topic="t", protocol="classic"):
    """A member of the group until the end of the block; its lines go to `path`."""
    with open(path, "a") as out:
        process = member(cluster, group, topic, out, "--group-protocol", protocol)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def explained(cluster, group="g"):
    done = martlet(cluster, "group", "explain", group, "-o", "json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def kinds(cluster):
    found = explained(cluster)
    return [event["event"] for event in found["events"]] if found else []


def owned(cluster):
    return [len(m["assigned"]) for m in members(cluster, "g")]


def paused(cluster):
    rows = json.loads(martlet(cluster, "group", "list", "-o", "json").stdout)
    return [row["paused"] for row in rows if row["group"] == "g"] == [True]


def numbers(path):
    return list(map(int, path.read_text().split()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_group_is_explained(cluster, tmp_path, protocol):
    fill(cluster, "t", 2, 10)
    with running(cluster, tmp_path / "out", protocol=protocol):
        until(lambda: owned(cluster) == [2])
        until(lambda: caught_up(cluster, "g"))
        until(lambda: "rebalance-ended" in kinds(cluster))
        found = members(cluster, "g")[0]
        assert found["stale"] is False and 0 <= found["last_heard_seconds"] < 3
    until(lambda: "member-left" in kinds(cluster))
    martlet(cluster, "group", "reset", "g", "--to-earliest", "--execute")
    assert kinds(cluster)[-1] == "offsets-set"
    begin, end = kinds(cluster).index("rebalance-began"), kinds(cluster).index("rebalance-ended")
    assert kinds(cluster).index("member-joined") < end and begin < end
    text = martlet(cluster, "group", "explain", "g").stdout
    assert "MEMBER" in text and "member-joined" in text and "127.0.0.1" in text
    assert martlet(cluster, "group", "explain", "nobody", check=False).returncode == 3


def test_a_silent_member_is_marked_and_then_put_out(cluster, tmp_path):
    fill(cluster, "t", 1, 10)
    with running(cluster, tmp_path / "out") as process:
        until(lambda: owned(cluster) == [1])
        process.send_signal(signal.SIGSTOP)
        try:
            until(lambda: [m["stale"] for m in members(cluster, "g")] == [True], 10)
            assert "(stale)" in martlet(cluster, "group", "members", "g").stdout
            until(lambda: "member-fenced" in kinds(cluster), 15)
        finally:
            process.send_signal(signal.SIGCONT)
    fenced = [event for event in explained(cluster)["events"] if event["event"] == "member-fenced"]
    assert "session timeout of 6000 ms" in fenced[0]["reason"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_paused_group_has_nothing_and_goes_on_where_it_was(cluster, tmp_path, protocol):
    fill(cluster, "t", 4, 100)
    out = tmp_path / "out"
    with running(cluster, out, protocol=protocol):
        until(lambda: owned(cluster) == [4] and caught_up(cluster, "g"))
        martlet(cluster, "group", "pause", "g")
        assert "(paused)" in martlet(cluster, "group", "list").stdout
        assert "(paused)" in martlet(cluster, "group", "describe", "g", "--sample", "0").stderr
        until(lambda: owned(cluster) == [0])
        lines = "".join(f"{number}:{number}\n" for number in range(100, 200))
        martlet(cluster, "produce", "t", "-K", ":", input=lines)
        cluster.kill()
        cluster.start()
        until(lambda: owned(cluster) == [0], 40)
        assert paused(cluster) and len(numbers(out)) == 100
        martlet(cluster, "group", "resume", "g")
        until(lambda: owned(cluster) == [4] and caught_up(cluster, "g"))
        assert not paused(cluster)
    assert sorted(numbers(out)) == list(range(200))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pause_ends_by_itself(cluster, tmp_path, protocol):
    fill(cluster, "t", 2, 10)
    with running(cluster, tmp_path / "out", protocol=protocol):
        until(lambda: owned(cluster) == [2])
        martlet(cluster, "group", "pause", "g", "--for", "4s")
        until(lambda: owned(cluster) == [0], 4)
        until(lambda: owned(cluster) == [2], 15)
    assert [kind for kind in kinds(cluster) if kind in ("paused", "resumed")] == ["paused", "resumed"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_running_group_is_reset(cluster, tmp_path, protocol):
    fill(cluster, "t", 2, 100)
    out = tmp_path / "out"
    with running(cluster, out, protocol=protocol), running(cluster, out, protocol=protocol):
        until(lambda: owned(cluster) == [1, 1] and caught_up(cluster, "g"))
        refused = martlet(cluster, "group", "reset", "g", "--to-earliest", "--execute", check=False)
        assert refused.returncode == 1 and "--fence" in refused.stderr
        done = martlet(cluster, "group", "reset", "g", "--to-earliest", "--execute", "--fence", "-o", "json")
        assert {row["new"] for row in json.loads(done.stdout)["partitions"]} == {0}
        assert not paused(cluster)
        until(lambda: len(numbers(out)) >= 200 and caught_up(cluster, "g"))
    assert sorted(numbers(out)) == sorted(list(range(100)) * 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reset_that_is_interrupted_lets_the_group_go_on(cluster, tmp_path, number):
    fill(cluster, "t", 1, 10)
    with running(cluster, tmp_path / "out") as process:
        until(lambda: owned(cluster) == [1] and caught_up(cluster, "g"))
        process.send_signal(signal.SIGSTOP)
        try:
            reset = subprocess.Popen(
                [BINARY, "group", "reset", "g", "--to-earliest", "--execute", "--fence", "-b", cluster.address],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            until(lambda: paused(cluster))
            reset.send_signal(number)
            assert reset.wait(20) == 1 and "goes on" in reset.stderr.read()
            assert not paused(cluster)
        finally:
            process.send_signal(signal.SIGCONT)
        assert lag(cluster, "g")["lag"] == 0


def test_a_fence_gives_up_on_members_that_do_not(cluster, tmp_path):
    fill(cluster, "t", 1, 10)
    with running(cluster, tmp_path / "out", protocol="consumer") as process:
        until(lambda: owned(cluster) == [1] and caught_up(cluster, "g"))
        process.send_signal(signal.SIGSTOP)
        try:
            done = martlet(cluster, "group", "reset", "g", "--to-earliest", "--execute", "--fence", "--wait", "1s", check=False)
            assert done.returncode == 1 and "--wait" in done.stderr
            assert not paused(cluster)
        finally:
            process.send_signal(signal.SIGCONT)


def test_a_pause_that_was_there_before_a_reset_stays(cluster, tmp_path):
    fill(cluster, "t", 1, 10)
    with running(cluster, tmp_path / "out"):
        until(lambda: owned(cluster) == [1] and caught_up(cluster, "g"))
        martlet(cluster, "group", "pause", "g")
        martlet(cluster, "group", "reset", "g", "--to", "3", "--execute", "--fence")
        assert paused(cluster) and lag(cluster, "g")["lag"] == 7
