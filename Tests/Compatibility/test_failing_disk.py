"""Disks that fail: one folder of several, the metadata's, and reads; the process ends only where it must."""
import pytest

import confluent_kafka
import confluent_kafka.admin
from kafka import errors
from kafka.admin import KafkaAdminClient

from disk_faults import FaultyDisk
from test_full_disk import Writer, keys, make_topic, until

EIO = 5


@pytest.fixture
def two_folders(make_broker_on, tmp_path):
    """A broker with two log folders; the metadata is in the second."""
    disk = FaultyDisk(tmp_path, tmp_path / "disks")
    more, own = tmp_path / "disks/more", tmp_path / "disks/own"
    more.parent.mkdir()
    broker = make_broker_on(more, f"log.dirs={more},{own}", f"metadata.log.dir={own}",
                            environment=disk.environment)
    return broker, disk, more, own


def metadata_of(address, topic):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address})
    return admin.list_topics(topic, timeout=30).topics[topic]


def test_a_folder_fails_and_the_other_serves(two_folders, tmp_path):
    broker, disk, more, own = two_folders
    make_topic(broker.address, "lost", durability="fsync")
    make_topic(broker.address, "kept", durability="fsync")
    assert (more / "lost-0").is_dir() and (own / "kept-0").is_dir()
    lost, kept = Writer(broker.address, "lost"), Writer(broker.address, "kept")
    for writer in (lost, kept):
        writer.write(50)
        assert writer.finish() == 0
    disk.only("/more/")
    disk.sync_error = EIO
    lost.write(20)
    until("the folder is offline", lambda: metadata_of(broker.address, "lost").partitions[0].leader == -1)
    partition = metadata_of(broker.address, "lost").partitions[0]
    assert partition.error.code() == confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE
    assert metadata_of(broker.address, "kept").partitions[0].leader == 1
    kept.write(50)
    assert kept.finish() == 0 and len(kept.acknowledged) == 100
    # The sync works again, and nothing believes it.
    disk.sync_error = 0
    assert lost.finish(2) > 0
    make_topic(broker.address, "new", partitions=4)
    assert not any(more.glob("new-*")) and len(list(own.glob("new-*"))) == 4
    broker.stop()
    assert not (more / ".kafka_cleanshutdown").exists() and (own / ".kafka_cleanshutdown").exists()
    broker.start()
    assert lost.finish() == 0
    for writer in (lost, kept):
        assert not writer.failures and len(writer.acknowledged) == writer.sent
        found = keys(broker.address, writer.topic)
        for key, offset in writer.acknowledged.items():
            assert found[offset] == key


def test_without_the_folder_of_the_metadata_the_process_ends(two_folders):
    broker, disk, more, own = two_folders
    make_topic(broker.address, "first")  # it serves
    disk.only("/own/")
    disk.sync_error = EIO
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", 1, 1)])
    assert broker.process.wait(timeout=30) == 1
    assert f"the log folder {own} failed, and the node cannot go on" in broker.log.read_text()
    assert not (own / ".kafka_cleanshutdown").exists() and not (more / ".kafka_cleanshutdown").exists()


def test_a_folder_that_cannot_be_opened_is_left_out(two_folders):
    broker, disk, more, own = two_folders
    make_topic(broker.address, "lost")
    make_topic(broker.address, "kept")
    for topic in ("lost", "kept"):
        writer = Writer(broker.address, topic)
        writer.write(10)
        assert writer.finish() == 0
    broker.stop()
    disk.only("/more/")
    disk.read_error = EIO
    broker.start()
    assert len(keys(broker.address, "kept")) == 10
    assert metadata_of(broker.address, "lost").partitions[0].leader == -1
    broker.stop()
    disk.read_error = 0
    broker.start()
    assert len(keys(broker.address, "lost")) == 10


def test_writes_fail_for_a_while(two_folders):
    broker, disk, more, own = two_folders
    make_topic(broker.address)
    disk.only("t-0")
    writer = Writer(broker.address)
    writer.write(20)
    assert writer.finish() == 0
    disk.write_error = EIO
    writer.write(20)
    assert writer.finish(1) > 0
    disk.write_error = 0
    assert writer.finish() == 0
    assert keys(broker.address) == {offset: key for key, offset in writer.acknowledged.items()}


@pytest.fixture
def moving(two_folders):
    """The two folders, the topic `t` in the one and 400 records in it that are on their slow way to the other."""
    broker, disk, more, own = two_folders
    broker.stop()
    broker.settings.append("replica.alter.log.dirs.io.max.bytes.per.second=300000")
    broker.start()

    def begin(target):
        home = own if target == more else more
        make_topic(broker.address, "t")
        ask(broker, "t", home)
        until("the topic is at home", lambda: (home / "t-0").is_dir() and not list(home.glob("t-0.*")), 60)
        writer = Writer(broker.address, "t")
        writer.write(400)
        assert writer.finish() == 0
        ask(broker, "t", target)
        until("the copy grows", lambda: list(target.glob("t-0.*-future/*.log")))
        return writer

    return begin, broker, disk, more, own


def ask(broker, topic, path):
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    (code,) = admin.alter_replica_log_dirs({(topic, 0, 1): str(path)}).values()
    admin.close()
    assert code is errors.NoError


def whole(broker, writer):
    return keys(broker.address, writer.topic) == {offset: key for key, offset in writer.acknowledged.items()}


def test_a_replica_whose_new_folder_fails_stays_where_it_is(moving):
    begin, broker, disk, more, own = moving
    writer = begin(more)
    disk.only("/more/")
    disk.sync_error = EIO
    make_topic(broker.address, "more", partitions=4, durability="fsync")  # somebody syncs there
    until("the folder is offline", lambda: "log folder is offline" in broker.log.read_text(), 60)
    writer.write(100)
    assert writer.finish() == 0 and (own / "t-0").is_dir() and whole(broker, writer)
    disk.sync_error = 0
    broker.stop()
    broker.start()
    until("the move is over", lambda: (more / "t-0").is_dir(), 90)
    assert whole(broker, writer)


def test_a_replica_whose_old_folder_fails_waits_for_it(moving):
    begin, broker, disk, more, own = moving
    writer = begin(own)
    disk.only("/more/")
    disk.sync_error = EIO
    until("the folder is offline", lambda: metadata_of(broker.address, "t").partitions[0].leader == -1, 90)
    disk.sync_error = 0
    broker.stop()
    broker.start()
    until("the move is over", lambda: (own / "t-0").is_dir(), 90)
    until("it has a leader", lambda: metadata_of(broker.address, "t").partitions[0].leader == 1)
    assert whole(broker, writer)
