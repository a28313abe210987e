"""Replicas that move between the log folders of their broker (KIP-113), with records coming and going meanwhile."""
import json
import shutil
import signal
import subprocess
import threading

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import errors
from kafka.admin import KafkaAdminClient

from conftest import BINARY, free_port
from test_quorum import cluster, live, make_node, until  # noqa: F401
from test_replication import addresses, described, in_sync, make

TOPIC = "moved"


class Stream:
    """Produces numbers until it is ended; every one is acknowledged, in order."""

    def __init__(self, address):
        self.acknowledged, self.failed = [], []
        self.producer = Producer({
            "bootstrap.servers": address, "acks": "all", "enable.idempotence": True, "linger.ms": 2,
            "message.timeout.ms": 60000})
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while not self.ended.is_set():
            self.producer.produce(TOPIC, str(number).encode() + b" " + bytes(300), partition=0, on_delivery=self.delivered)
            number += 1
            self.producer.poll(0.001)
        self.producer.flush(60)

    def delivered(self, error, message):
        if error:
            self.failed.append(error)
        else:
            self.acknowledged.append((message.offset(), int(message.value().split()[0])))

    def end(self):
        self.ended.set()
        self.thread.join(90)
        assert not self.failed, self.failed[:3]
        return self.acknowledged


def fill(address, count, size=1000):
    producer = Producer({"bootstrap.servers": address, "linger.ms": 5, "queue.buffering.max.messages": 1000000})
    for number in range(count):
        producer.produce(TOPIC, str(number).encode() + b" " + bytes(size), partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0


def records(address):
    """(offset, number) of all records."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.partition.eof": True,
        "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while True:
        message = consumer.poll(20)
        assert message is not None
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            break
        found.append((message.offset(), int(message.value().split()[0])))
    consumer.close()
    return found


class Folders:
    """A broker with two log folders, and an admin of it."""

    def __init__(self, make, root, *settings):
        self.paths = [root / "first", root / "second"]
        self.broker = make(self.paths[0], f"log.dirs={self.paths[0]},{self.paths[1]}", *settings)
        self.address = self.broker.address

    def create(self, **config):
        admin = AdminClient({"bootstrap.servers": self.address})
        admin.create_topics([NewTopic(TOPIC, 1, 1, config=config)])[TOPIC].result(timeout=30)

    def ask(self, topic, path):
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        (code,) = admin.alter_replica_log_dirs({(topic, 0, 1): str(path)}).values()
        admin.close()
        return code

    def logs(self):
        """(folder, whether it is a copy, how far it is behind) of the partition's logs."""
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        (told,) = admin.describe_log_dirs()
        admin.close()
        return sorted(
            (folder["log_dir"], log["is_future_key"], log["offset_lag"])
            for folder in told["log_dirs"] for topic in folder["topics"] if topic["name"] == TOPIC
            for log in topic["partitions"])

    def place(self):
        """The folder that serves the partition now."""
        (path,) = (path for path, is_copy, _ in self.logs() if not is_copy)
        return next(folder for folder in self.paths if str(folder) == path)

    def other(self):
        return next(folder for folder in self.paths if folder != self.place())

    def at_home(self, folder):
        return self.logs() == [(str(folder), False, 0)]


@pytest.fixture
def make_folders(make_broker_on, tmp_path):
    return lambda *settings: Folders(make_broker_on, tmp_path, *settings)


def slow(rate):
    return f"replica.alter.log.dirs.io.max.bytes.per.second={rate}"


def test_a_replica_moves_there_and_back_under_load(make_folders):
    folders = make_folders("log.segment.bytes=1048576")
    folders.create()
    fill(folders.address, 20000)
    stream = Stream(folders.address)
    home = folders.place()
    for target in (folders.other(), home):
        before = len(stream.acknowledged)
        assert folders.ask(TOPIC, target) is errors.NoError
        until(lambda: folders.place() == target, 60)
        until(lambda: len(stream.acknowledged) > before + 100)
    acknowledged = stream.end()
    until(lambda: folders.at_home(home))
    found = records(folders.address)
    assert [offset for offset, _ in found] == list(range(len(found)))
    assert found[20000:] == acknowledged
    folders.broker.stop()
    folders.broker.start()
    assert records(folders.address) == found and folders.at_home(home)


def test_the_copy_is_described_and_the_same_folder_ends_the_move(make_folders):
    folders = make_folders(slow(100_000))
    folders.create()
    fill(folders.address, 5000)
    home, target = folders.place(), folders.other()
    assert folders.ask(TOPIC, target) is errors.NoError
    copy = until(lambda: next((log for log in folders.logs() if log[1]), None))
    assert copy[0] == str(target) and 0 < copy[2] <= 5000
    assert folders.ask(TOPIC, target) is errors.NoError
    assert len(list(target.glob(f"{TOPIC}-0.*-future"))) == 1
    assert folders.ask(TOPIC, home) is errors.NoError
    assert folders.at_home(home)
    until(lambda: not list(target.glob(f"{TOPIC}-0*")))
    assert len(records(folders.address)) == 5000


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_in_the_middle_goes_on(make_folders, end):
    folders = make_folders(slow(300_000))
    folders.create()
    fill(folders.address, 5000)
    found = records(folders.address)
    target = folders.other()
    folders.ask(TOPIC, target)
    until(lambda: any(is_copy and lag < 5000 for _, is_copy, lag in folders.logs()))
    getattr(folders.broker, end)()
    folders.broker.settings[-1] = slow(1_000_000_000)
    folders.broker.start()
    until(lambda: folders.at_home(target), 60)
    assert records(folders.address) == found
    fill(folders.address, 100)
    folders.broker.stop()
    folders.broker.start()
    assert len(records(folders.address)) == 5100 and folders.at_home(target)


def test_of_two_logs_the_one_that_the_cluster_knows_of_is_served(make_folders):
    folders = make_folders()
    folders.create()
    fill(folders.address, 1000)
    home, target = folders.place(), folders.other()
    folders.broker.stop()
    # What a folder held that comes back after its replica has moved to the other.
    older = shutil.copytree(home / f"{TOPIC}-0", folders.paths[0].parent / "older")
    folders.broker.start()
    fill(folders.address, 500)
    folders.ask(TOPIC, target)
    until(lambda: folders.at_home(target))
    found = records(folders.address)
    folders.broker.stop()
    older.rename(home / f"{TOPIC}-0")
    folders.broker.start()
    until(lambda: folders.at_home(target))
    assert records(folders.address) == found and len(found) == 1500
    assert (home / f"{TOPIC}-0").exists()


def test_a_change_that_was_interrupted_between_its_names_is_ended(make_folders):
    folders = make_folders(slow(1_000_000_000))
    folders.create()
    fill(folders.address, 1000)
    found = records(folders.address)
    target = folders.other()
    folders.ask(TOPIC, target)
    until(lambda: folders.at_home(target))
    folders.broker.kill()
    # As if the process had ended before the copy got its name, when the former log had lost it.
    copy = (target / f"{TOPIC}-0").rename(target / f"{TOPIC}-0.{'0' * 32}-future")
    (copy / "copy-complete").touch()
    folders.broker.start()
    until(lambda: folders.at_home(target))
    assert records(folders.address) == found


def test_what_is_deleted_meanwhile_stays_deleted(make_folders):
    folders = make_folders(slow(300_000))
    folders.create()
    fill(folders.address, 5000)
    target = folders.other()
    folders.ask(TOPIC, target)
    until(lambda: any(is_copy and lag < 5000 for _, is_copy, lag in folders.logs()))
    admin = AdminClient({"bootstrap.servers": folders.address})
    position = TopicPartition(TOPIC, 0, 4321)
    assert next(iter(admin.delete_records([position]).values())).result(timeout=20).low_watermark == 4321
    until(lambda: folders.at_home(target), 60)
    assert records(folders.address)[0][0] == 4321
    folders.broker.process.send_signal(signal.SIGKILL)
    folders.broker.process.wait()
    folders.broker.start()
    assert records(folders.address)[0][0] == 4321


def test_a_topic_that_is_deleted_takes_its_copy_along(make_folders):
    folders = make_folders(slow(100_000))
    folders.create()
    fill(folders.address, 3000)
    target = folders.other()
    folders.ask(TOPIC, target)
    until(lambda: len(folders.logs()) == 2)
    admin = AdminClient({"bootstrap.servers": folders.address})
    admin.delete_topics([TOPIC])[TOPIC].result(timeout=20)
    until(lambda: folders.logs() == [] and not list(target.glob(f"{TOPIC}-0*")))
    folders.create()
    fill(folders.address, 10)
    assert len(records(folders.address)) == 10


def test_what_cannot_be_moved_is_refused_as_kafka_does(make_folders, tmp_path):
    folders = make_folders()
    folders.create()
    assert folders.ask(TOPIC, tmp_path / "third") is errors.LogDirNotFoundError
    assert folders.ask("unknown", folders.paths[0]) is errors.UnknownTopicOrPartitionError
    assert folders.ask(TOPIC, folders.place()) is errors.NoError
    assert len(folders.logs()) == 1


@pytest.fixture
def cluster_of_folders(make_node, tmp_path):
    """Three nodes with two log folders each; the metadata is in the first."""
    controllers = [free_port() for _ in range(3)]
    voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
    made = []
    for number, port in enumerate(controllers, 1):
        paths = [tmp_path / f"{number}-{name}" for name in ("a", "b")]
        made.append(make_node(
            port, controller_quorum_voters=voters, log_dirs=",".join(map(str, paths)), log_segment_bytes=1048576,
            replica_alter_log_dirs_io_max_bytes_per_second=3_000_000))
        made[-1].paths = paths
        made[-1].start()
    until(lambda: all(len(live(node)) == 3 for node in made))
    return made


def ids(node):
    """The ids of a node's folders."""
    return [
        next(line.split("=")[1] for line in (path / "meta.properties").read_text().splitlines() if line.startswith("directory.id"))
        for path in node.paths]


def told(node, number):
    """The folder of the replica on broker `number`, as the metadata of a node says."""
    found = subprocess.run(
        [str(BINARY), "cluster", "image", str(node.paths[0]), "-o", "json"], capture_output=True, text=True)
    (partition,) = next(topic for topic in json.loads(found.stdout)["topics"] if topic["name"] == TOPIC)["partitions"]
    return partition["directories"][partition["replicas"].index(number)]


def test_leader_and_follower_move_under_load_and_lose_nothing(cluster_of_folders):
    nodes = cluster_of_folders
    make(nodes, TOPIC, 1, 3, min_insync_replicas="2")
    fill(addresses(nodes), 8000)
    stream = Stream(addresses(nodes))
    places = {}
    for node in nodes:
        (home,) = (path for path in node.paths if (path / f"{TOPIC}-0").is_dir())
        places[node.number] = next(path for path in node.paths if path != home)
    admin = KafkaAdminClient(bootstrap_servers=[node.address for node in nodes])
    answers = admin.alter_replica_log_dirs({(TOPIC, 0, number): str(path) for number, path in places.items()})
    admin.close()
    assert set(answers.values()) == {errors.NoError}
    for node in nodes:
        target = places[node.number]
        until(lambda: (target / f"{TOPIC}-0").is_dir(), 90)
        until(lambda: told(node, node.number) == ids(node)[node.paths.index(target)])
    known = len(stream.acknowledged)
    until(lambda: len(stream.acknowledged) > known + 200)
    in_sync(nodes, TOPIC, 3)
    leader = next(node for node in nodes if node.number == described(nodes, TOPIC)[0].leader)
    leader.kill()
    rest = [node for node in nodes if node is not leader]
    until(lambda: described(rest, TOPIC)[0].leader not in (-1, leader.number), 60)
    acknowledged = stream.end()
    found = records(addresses(rest))
    assert [offset for offset, _ in found] == list(range(len(found)))
    assert found[8000:] == acknowledged
