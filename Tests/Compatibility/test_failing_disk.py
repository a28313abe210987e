"""Disks that fail: one folder of several, the metadata's, and reads; the process ends only where it must."""
import pytest

import confluent_kafka
import confluent_kafka.admin

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
