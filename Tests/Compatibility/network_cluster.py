"""A cluster of three brokers, each at a host of its own in a network of namespaces; the last has a disk of its own, too."""
import os
import signal
import subprocess

from confluent_kafka.admin import AdminClient, NewTopic

from conftest import BINARY
from network import Network, run
from test_quorum import Node

COUNT = 3
DISK = 2 << 30


class HostNode(Node):
    """A node at its own address, which is a host of the network."""

    def __init__(self, number, folder, cluster, network, voters):
        super().__init__(number, folder, cluster, 9092, 9093, controller_quorum_voters=voters)
        self.host = network.address(number)
        self.address = f"{self.host}:9092"
        # A follower that is cut off leaves the in-sync set while the fault lasts.
        self.settings |= {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{self.host}:9093", "replica.lag.time.max.ms": 2000}
        self.command = network.at(number, str(BINARY), "broker", *self.flags)

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=open(self.log, "ab"), stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        assert code == 0, f"node {self.number} stopped with {code}"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


class NetworkCluster:
    def __init__(self, folder):
        self.network = Network(COUNT)
        cluster = subprocess.run(
            [str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
        voters = ",".join(f"{n}@{self.network.address(n)}:9093" for n in range(1, COUNT + 1))
        self.nodes = [HostNode(n, folder, cluster, self.network, voters) for n in range(1, COUNT + 1)]
        self.servers = ",".join(node.address for node in self.nodes)
        self.disk = folder / "disk"
        self.disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", self.disk)
        self.small = self.nodes[-1]
        self.small.settings["log.dirs"] = self.disk / "data"
        self.small.command = self.network.at(COUNT, str(BINARY), "broker", *self.small.flags)

    def node(self, number):
        return self.nodes[number - 1]

    def start(self):
        for node in self.nodes:
            node.start()
        self.settle()

    def make(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.servers})
        made = admin.create_topics(
            [NewTopic(topic, partitions, COUNT, config={"min.insync.replicas": "2"})], request_timeout=20)
        made[topic].result(timeout=30)

    def fill_disk(self, free):
        """The disk shrinks to what is on it and `free` bytes; a file that fills it would take memory."""
        for attempt in range(100):
            room = os.statvfs(self.disk)
            used = (room.f_blocks - room.f_bfree) * room.f_frsize
            try:
                return run("mount", "-o", f"remount,size={used + free}", self.disk)
            except AssertionError:
                # More was written meanwhile than was to be free.
                if attempt == 99:
                    raise

    def empty_disk(self):
        run("mount", "-o", f"remount,size={DISK}", self.disk)

    def settle(self, seconds=90):
        """Waits until nothing is wrong with the cluster."""
        done = subprocess.run(
            [str(BINARY), "cluster", "health", "-b", self.servers, "--wait", f"{seconds}s"], capture_output=True, text=True,
            timeout=seconds + 60)
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self):
        for node in self.nodes:
            if node.running():
                node.kill()

    def unmount(self):
        run("umount", self.disk)
