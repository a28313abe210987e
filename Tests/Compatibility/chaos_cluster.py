"""Three brokers whose ways to each other go through proxies, so that one can be cut off from the others and not from clients."""
import socket
import subprocess
import threading

from confluent_kafka.admin import AdminClient, NewTopic

from conftest import BINARY, free_port
from test_quorum import Node


class Link:
    """A port that leads to another while it is not cut."""

    def __init__(self, target):
        self.target = target
        self.is_cut = False
        self.open = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """What is on its way is lost, and nothing new gets through."""
        with self.lock:
            self.is_cut = True
            gone, self.open = self.open, set()
        for end in gone:
            close(end)

    def mend(self):
        self.is_cut = False

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                far.settimeout(None)
            except OSError:
                close(near)
                continue
            with self.lock:
                if self.is_cut:
                    close(near)
                    close(far)
                    continue
                self.open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one, other):
        while True:
            try:
                piece = one.recv(1 << 16)
                if not piece:
                    break
                other.sendall(piece)
            except OSError:
                break
        with self.lock:
            self.open -= {one, other}
        close(one)
        close(other)


def close(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()


class Cluster:
    """Brokers speak with each other over a listener of their own, which is advertised at a proxy; controllers, too."""

    def __init__(self, folder):
        cluster = subprocess.run(
            [str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
        ports = [{name: free_port() for name in ("client", "broker", "controller")} for _ in range(3)]
        self.links = [{name: Link(port[name]) for name in ("broker", "controller")} for port in ports]
        voters = ",".join(f"{n}@127.0.0.1:{link['controller'].port}" for n, link in enumerate(self.links, 1))
        self.nodes = []
        for number, (port, link) in enumerate(zip(ports, self.links), 1):
            node = Node(number, folder, cluster, port["client"], port["controller"], controller_quorum_voters=voters)
            node.settings |= {
                "listeners": f"PLAINTEXT://127.0.0.1:{port['client']},INTERNAL://127.0.0.1:{port['broker']},"
                             f"CONTROLLER://127.0.0.1:{port['controller']}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port['client']},INTERNAL://127.0.0.1:{link['broker'].port},"
                                        f"CONTROLLER://127.0.0.1:{link['controller'].port}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name": "INTERNAL"}
            self.nodes.append(node)
        self.servers = ",".join(node.address for node in self.nodes)

    def start(self):
        for node in self.nodes:
            node.start()
        self.settle()

    def make(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.servers})
        made = admin.create_topics(
            [NewTopic(topic, partitions, 3, config={"min.insync.replicas": "2"})], request_timeout=20)
        made[topic].result(timeout=30)

    def cut(self, node):
        for link in self.links[node.number - 1].values():
            link.cut()

    def mend(self, node):
        for link in self.links[node.number - 1].values():
            link.mend()

    def settle(self, seconds=90):
        """Waits until nothing is wrong with the cluster."""
        done = subprocess.run(
            [str(BINARY), "cluster", "health", "-b", self.servers, "--wait", f"{seconds}s"], capture_output=True, text=True,
            timeout=seconds + 60)
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self):
        for node in self.nodes:
            if node.running():
                node.process.kill()
                node.process.wait(timeout=30)
        for link in self.links:
            for one in link.values():
                one.listener.close()
