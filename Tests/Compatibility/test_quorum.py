"""Three real processes that are a cluster: a quorum of combined nodes, one of which is killed or stalls while it decides; and
a broker that comes late."""
import pathlib
import signal
import subprocess
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import BINARY, free_port


class Node:
    """A node of a cluster. With a port for controllers it is one, too."""

    def __init__(self, number, folder, cluster, port, controller=None, **settings):
        self.number = number
        self.address = f"127.0.0.1:{port}"
        self.folder = folder / f"data-{number}"
        self.log = folder / f"node-{number}.log"
        listeners = f"PLAINTEXT://{self.address}"
        if controller:
            listeners += f",CONTROLLER://127.0.0.1:{controller}"
        self.settings = {
            "process.roles": "broker,controller" if controller else "broker", "node.id": number, "cluster.id": cluster,
            "listeners": listeners, "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder, "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
            # Snapshots often enough for a short test.
            "metadata.log.max.record.bytes.between.snapshots": 4000, "metadata.max.retention.ms": 1000,
            "internal.metadata.log.segment.bytes": 6000,
        } | {key.replace("_", "."): value for key, value in settings.items()}
        self.process = None

    @property
    def flags(self):
        return [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]

    def start(self):
        self.process = subprocess.Popen([str(BINARY), "broker", *self.flags], stderr=open(self.log, "ab"), stdin=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def leads(self):
        """Whether the last that the node said of the quorum is that it leads."""
        said = [line for line in self.log.read_text().splitlines() if "leads the quorum" in line]
        return bool(said) and "no more" not in said[-1]


@pytest.fixture
def cluster():
    return subprocess.run(
        [str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def make_node(tmp_path, cluster):
    made = []

    def make(*arguments, **settings):
        number = len(made) + 1
        made.append(Node(number, tmp_path, cluster, free_port(), *arguments, **settings))
        return made[-1]

    yield make
    for node in made:
        if node.running():
            node.kill()


@pytest.fixture
def nodes(make_node):
    controllers = [free_port() for _ in range(3)]
    voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
    made = [make_node(port, controller_quorum_voters=voters) for port in controllers]
    for node in made:
        node.start()
    return made


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError


def live(node):
    """The brokers that a node names, by id; nothing while it does not answer."""
    try:
        return AdminClient({"bootstrap.servers": node.address}).list_topics(timeout=2).brokers
    except Exception:
        return {}


def topics(node):
    return set(AdminClient({"bootstrap.servers": node.address}).list_topics(timeout=10).topics)


def create(node, topic):
    """Asks one broker alone for a topic, as a client that knows no other would."""
    admin = AdminClient({"bootstrap.servers": node.address})
    admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=20)[topic].result(timeout=30)


def test_three_nodes_elect_another_controller(nodes):
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    for node in nodes:
        create(node, f"made-by-{node.number}")
    leader = until(lambda: next((node for node in nodes if node.leads()), None))
    leader.kill()
    others = [node for node in nodes if node is not leader]
    until(lambda: any(node.leads() for node in others))
    for node in others:
        until(lambda: {f"made-by-{n}" for n in (1, 2, 3)} <= topics(node))
        create(node, f"after-{node.number}")
    # The dead broker is fenced when its session is over, and comes back.
    for node in others:
        until(lambda: len(live(node)) == 2)
    leader.start()
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    until(lambda: {f"after-{node.number}" for node in others} <= topics(leader))


def test_a_controller_that_stalls_is_replaced_and_follows_when_it_goes_on(nodes):
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    leader = until(lambda: next((node for node in nodes if node.leads()), None))
    leader.process.send_signal(signal.SIGSTOP)
    others = [node for node in nodes if node is not leader]
    until(lambda: any(node.leads() for node in others))
    create(others[0], "made-meanwhile")
    leader.process.send_signal(signal.SIGCONT)
    until(lambda: not leader.leads())
    until(lambda: "made-meanwhile" in topics(leader))
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    create(leader, "made-afterwards")
    # All stop in order, one after the other.
    for node in nodes:
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=60) == 0, node.log.read_text()


def test_a_broker_that_comes_late_takes_a_snapshot(nodes, make_node):
    until(lambda: len(live(nodes[0])) == 3)
    for number in range(40):
        create(nodes[number % 3], f"topic-{number}")
    # Until the first records are gone.
    until(lambda: not list((nodes[0].folder / "__cluster_metadata-0").glob("00000000000000000000.log")) or create_more(nodes))
    servers = nodes[0].settings["controller.quorum.voters"].split(",")
    late = make_node(controller_quorum_bootstrap_servers=",".join(server.split("@")[1] for server in servers))
    late.start()
    until(lambda: len(live(late)) == 4)
    assert {f"topic-{number}" for number in range(40)} <= topics(late)
    assert "takes a snapshot" in late.log.read_text()
    create(late, "made-by-the-late-one")


made_more = [0]


def create_more(nodes):
    """One topic more, for the log to grow."""
    made_more[0] += 1
    create(nodes[0], f"more-{made_more[0]}")


def test_voters_of_the_log_can_be_formatted_and_described(make_node, cluster):
    ports = [free_port() for _ in range(3)]
    directories = [
        subprocess.run([str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
        for _ in ports]
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    initial = ",".join(f"{n}@127.0.0.1:{port}:{directory}" for n, (port, directory) in enumerate(zip(ports, directories), 1))
    nodes = [make_node(port, controller_quorum_bootstrap_servers=servers) for port in ports]
    for node in nodes:
        properties = node.folder.parent / f"node-{node.number}.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in node.settings.items()))
        subprocess.run(
            [str(BINARY), "storage", "format", "-t", cluster, "-c", str(properties), "--initial-controllers", initial], check=True)
        node.start()
    for node in nodes:
        until(lambda: len(live(node)) == 3)
    create(nodes[2], "made")
    said = subprocess.run(
        [str(BINARY), "cluster", "quorum", "--bootstrap-server", nodes[0].address], capture_output=True, text=True, check=True)
    rows = [line.split() for line in said.stdout.splitlines()[1:]]
    assert sorted(row[1] for row in rows) == ["follower", "follower", "leader"]
    assert {row[5] for row in rows} == set(directories)


def test_a_controller_that_is_no_voter_joins_by_itself(make_node, cluster):
    ports = [free_port() for _ in range(2)]
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    nodes = [
        make_node(port, controller_quorum_bootstrap_servers=servers, controller_quorum_auto_join_enable="true") for port in ports]
    for node, choice in zip(nodes, ("--standalone", "--no-initial-controllers")):
        properties = node.folder.parent / f"node-{node.number}.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in node.settings.items()))
        subprocess.run([str(BINARY), "storage", "format", "-t", cluster, "-c", str(properties), choice], check=True)
        node.start()

    def roles():
        said = subprocess.run(
            [str(BINARY), "cluster", "quorum", "--bootstrap-server", nodes[1].address], capture_output=True, text=True)
        return sorted(line.split()[1] for line in said.stdout.splitlines()[1:])

    until(lambda: len(live(nodes[1])) == 2)
    until(lambda: roles() == ["follower", "leader"])
    create(nodes[1], "made")
