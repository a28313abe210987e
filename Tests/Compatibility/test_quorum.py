"""Three real processes that are a cluster: a quorum of combined nodes, one of which is killed while it decides."""
import pathlib
import subprocess
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import BINARY, free_port


class Node:
    """A combined node among three."""

    def __init__(self, number, folder, cluster, clients, controllers):
        self.number = number
        self.address = f"127.0.0.1:{clients[number - 1]}"
        self.log = folder / f"node-{number}.log"
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
        settings = {
            "process.roles": "broker,controller", "node.id": number, "cluster.id": cluster,
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controllers[number - 1]}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": voters, "log.dirs": folder / f"data-{number}",
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
        }
        self.arguments = [str(BINARY), "broker"]
        for key, value in settings.items():
            self.arguments += ["--set", f"{key}={value}"]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.arguments, stderr=open(self.log, "ab"), stdin=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def leads(self):
        """Whether the last that the node said of the quorum is that it leads."""
        said = [line for line in self.log.read_text().splitlines() if "leads the quorum" in line]
        return bool(said) and "no more" not in said[-1]


@pytest.fixture
def nodes(tmp_path: pathlib.Path):
    cluster = subprocess.run([str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout
    clients, controllers = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    made = [Node(number, tmp_path, cluster.strip(), clients, controllers) for number in (1, 2, 3)]
    for node in made:
        node.start()
    yield made
    for node in made:
        if node.process.poll() is None:
            node.kill()


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
