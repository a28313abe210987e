"""Data folders that a real Apache Kafka 4.4 left: opened in place, every record of them is served."""
import base64
import json
import os
import pathlib
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from conftest import ROOT

GOLDEN = pathlib.Path(os.environ.get("MARTLET_GOLDEN", ROOT.parent / "shared/golden"))
SUFFIX = {"clean": "", "crashed": "-crashed", "torn": "-torn"}
# What the node had that keeps old records and what it knew of their producers.
SETTINGS = ["node.id=1", "log.retention.ms=-1", "log.cleaner.enable=false", "offsets.topic.num.partitions=4",
            "producer.id.expiration.ms=2147483647", "metadata.log.max.record.bytes.between.snapshots=6000"]


@pytest.fixture(params=sorted(SUFFIX))
def opened(request, make_broker_on, tmp_path):
    """A kind of folder, and a broker that runs on a copy of it."""
    archive = GOLDEN / f"data-{request.param}.tar.zst"
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", tmp_path], check=True)
    return request.param, make_broker_on(tmp_path / "data", *SETTINGS)


def expected(kind):
    lines = (GOLDEN / f"expected{SUFFIX[kind]}.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


def expected_offsets(kind):
    return json.loads((GOLDEN / f"expected-offsets{SUFFIX[kind]}.json").read_text())


def plain(text):
    return None if text is None else base64.b64decode(text)


def consumer(broker, isolation):
    return confluent_kafka.Consumer({
        "bootstrap.servers": broker.address, "group.id": "none", "isolation.level": isolation,
        "enable.auto.commit": False, "auto.offset.reset": "error", "enable.partition.eof": True,
        "allow.auto.create.topics": False, "check.crcs": True, "fetch.wait.max.ms": 5})


def read_partition(broker, isolation, topic, partition, begin):
    """Offset to record of everything that a consumer gets until the end."""
    reader = consumer(broker, isolation)
    reader.assign([confluent_kafka.TopicPartition(topic, partition, begin)])
    records = {}
    while True:
        message = reader.poll(20)
        assert message is not None, f"{topic}-{partition} gives nothing"
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            break
        records[message.offset()] = message
    reader.close()
    return records


def header_pairs(record):
    return [(name, plain(value)) for name, value in record["headers"]]


def test_every_record_is_served_as_kafka_serves_it(opened):
    kind, broker = opened
    offsets = expected_offsets(kind)["partitions"]
    wanted = {}
    for record in expected(kind):
        wanted.setdefault((record["topic"], record["partition"]), []).append(record)
    for entry in offsets.values():
        key = entry["topic"], entry["partition"]
        for isolation in ("read_uncommitted", "read_committed"):
            got = read_partition(broker, isolation, *key, entry["beginOffset"])
            due = [r for r in wanted.get(key, []) if isolation == "read_uncommitted" or r["committed"]]
            assert sorted(got) == [r["offset"] for r in due], (key, isolation)
            for record in due:
                message = got[record["offset"]]
                assert message.value() == plain(record["value"]), (key, record["offset"])
                assert message.key() == plain(record["key"]), (key, record["offset"])
                assert (message.headers() or []) == header_pairs(record), (key, record["offset"])
                assert message.leader_epoch() == record["leaderEpoch"], (key, record["offset"])
                assert message.timestamp()[1] == record["timestamp"], (key, record["offset"])


def test_offsets_are_those_that_kafka_tells(opened):
    kind, broker = opened
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
    spec = confluent_kafka.admin.OffsetSpec
    committed = confluent_kafka.IsolationLevel.READ_COMMITTED
    for entry in expected_offsets(kind)["partitions"].values():
        partition = confluent_kafka.TopicPartition(entry["topic"], entry["partition"])

        def ask(what, **options):
            return admin.list_offsets({partition: what}, **options)[partition].result()

        assert ask(spec.earliest()).offset == entry["beginOffset"], entry
        assert ask(spec.latest()).offset == entry["endOffset"], entry
        assert ask(spec.latest(), isolation_level=committed).offset == entry["lastStableOffset"], entry
        newest = ask(spec.max_timestamp())
        assert (newest.timestamp, newest.offset) == (entry["maxTimestamp"], entry["maxTimestampOffset"]), entry
