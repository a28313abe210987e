"""Data folders that a real Apache Kafka 4.4 left: opened in place, every record of them is served."""
import base64
import json
import os
import pathlib
import struct
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from conftest import BINARY, ROOT

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


def lines_that_kafka_dumped(path):
    """The first dump in the file: that of the command without options, or the only one; without its headings."""
    lines = path.read_text(errors="replace").split("\n$ ")[0].splitlines()
    headings = ("$ ", "Dumping ", "Log starting offset", "Snapshot end offset", "| ")
    return [line for line in lines if line and not line.startswith(headings)]


def lines_that_martlet_dumps(path):
    done = subprocess.run([BINARY, "offsets", "--segment", path], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("Dumping ", "Log starting offset"))]
    return lines, done.returncode


@pytest.mark.parametrize("kind", ["clean", "crashed"])
def test_files_are_dumped_as_kafka_dumps_them(kind, tmp_path):
    for name in (f"data-{kind}", f"dump{SUFFIX[kind]}"):
        subprocess.run(["tar", "--zstd", "-xf", GOLDEN / f"{name}.tar.zst", "-C", tmp_path], check=True)
    compared = 0
    dumps = next(path for path in tmp_path.iterdir() if path.name.startswith("dump"))
    for dumped in sorted(dumps.rglob("*.txt")):
        file = tmp_path / "data" / dumped.relative_to(dumps).with_suffix("")
        theirs = lines_that_kafka_dumped(dumped)
        ours, code = lines_that_martlet_dumps(file)
        if file.suffix in (".index", ".timeindex", ".log", ".checkpoint"):
            theirs = [line for line in theirs if line.startswith(("baseOffset", "offset", "timestamp"))]
        if len(theirs) == 1 and (theirs[0].endswith(" position: 0") or theirs[0].startswith("timestamp: 0 ")):
            # Kafka takes the zeros of an index that was never written for an entry.
            theirs = []
        if file.suffix == ".snapshot":
            # Kafka's order is that of a hash table.
            theirs.sort(key=lambda line: int(line.split()[1]))
        assert ours == theirs, file
        assert code == 0, file
        compared += 1
    assert compared > 300


def printable(line):
    """Bytes that are no text are spelled in as many ways as there are programs; what is before them is not."""
    return line.split("\ufffd")[0]


@pytest.mark.parametrize("kind", ["clean", "crashed", "cluster"])
def test_records_are_dumped_as_kafka_dumps_them(kind, tmp_path):
    names = {"clean": ("data-clean", "dump"), "crashed": ("data-crashed", "dump-crashed"),
             "cluster": ("metadata-cluster", "dump-metadata-cluster")}[kind]
    for name in names:
        subprocess.run(["tar", "--zstd", "-xf", GOLDEN / f"{name}.tar.zst", "-C", tmp_path], check=True)
    dumps = tmp_path / names[1]
    compared, decoded = 0, 0
    for dumped in sorted([*dumps.rglob("*.log.txt"), *dumps.rglob("*.checkpoint.txt")]):
        file = next(tmp_path.glob(f"[!d]*/{dumped.relative_to(dumps).with_suffix('')}"), None) or (
            tmp_path / "data" / dumped.relative_to(dumps).with_suffix(""))
        text = dumped.read_bytes().decode(errors="replace")
        theirs = [line for line in text.split("\n$ ")[-1].split("\n") if line.startswith("| ")]
        done = subprocess.run([BINARY, "offsets", "--segment", file, "--records"], capture_output=True)
        ours = [line for line in done.stdout.decode(errors="replace").split("\n") if line.startswith("| ")]
        assert list(map(printable, ours)) == list(map(printable, theirs)), file
        assert done.returncode == 0, (file, done.stderr)
        compared += len(ours)
        decoded += len(ours) if dumped.parent.name.startswith("__") else 0
    assert compared > 1500 and decoded > 100


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def checkpoint_lines(content):
    version, count, *lines = content.decode().splitlines()
    assert version == "0" and int(count) == len(lines)
    return lines


def test_what_is_added_lies_as_kafka_would_lay_it(make_broker_on, tmp_path):
    subprocess.run(["tar", "--zstd", "-xf", GOLDEN / "data-clean.tar.zst", "-C", tmp_path], check=True)
    folder = tmp_path / "data"
    before = files_below(folder)
    broker = make_broker_on(folder, *SETTINGS)
    timestamp = 1_795_250_000_000
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 200})
    for number in range(3):
        producer.produce("mixed", f"value {number}".encode(), f"key {number}".encode(), 0, timestamp=timestamp + number)
    assert producer.flush(20) == 0
    reader = consumer(broker, "read_uncommitted")
    _, end = reader.get_watermark_offsets(confluent_kafka.TopicPartition("mixed", 0), timeout=20)
    reader.close()
    start = end - 3
    broker.stop()
    after = files_below(folder)

    # The log: what was there, and behind it one batch, whose bytes data_files.py checks elsewhere.
    old, new = before["mixed-0/00000000000000000000.log"], after["mixed-0/00000000000000000000.log"]
    assert new.startswith(old)
    epoch = struct.unpack_from(">i", new, len(old) + 12)[0]
    assert struct.unpack_from(">q", new, len(old))[0] == start
    assert len(new) == len(old) + 12 + struct.unpack_from(">i", new, len(old) + 8)[0]
    # The time index grows by the greatest timestamp, as at any orderly stop; the index has no entry so soon.
    assert after["mixed-0/00000000000000000000.timeindex"] == (
        before["mixed-0/00000000000000000000.timeindex"] + struct.pack(">qi", timestamp + 2, end - 1))
    assert after["mixed-0/00000000000000000000.index"] == before["mixed-0/00000000000000000000.index"]
    # Nobody's producer state changed: the snapshot at the new end says what the one at the old end said.
    assert after[f"mixed-0/{end:020}.snapshot"] == before[f"mixed-0/{start:020}.snapshot"]

    # An epoch begins at the end of each log; an epoch without records gives its place to it.
    for name, content in before.items():
        if not name.endswith("/leader-epoch-checkpoint") or name.startswith("__cluster_metadata") or "-delete" in name:
            continue
        known = [line.split() for line in checkpoint_lines(content)]
        begins = checkpoint_lines(after[name])[-1].split()
        kept = [pair for pair in known if int(pair[1]) < int(begins[1])]
        lines = [" ".join(pair) for pair in [*kept, begins]]
        assert after[name] == "\n".join(["0", str(len(lines)), *lines, ""]).encode(), name
        assert int(begins[0]) > int(known[-1][0]), name
    assert checkpoint_lines(after["mixed-0/leader-epoch-checkpoint"])[-1] == f"{epoch} {start}"
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        own = {line for line in checkpoint_lines(after[name]) if not line.startswith("__cluster_metadata ")}
        assert own == {f"mixed 0 {end}" if line == f"mixed 0 {start}" else line
                       for line in checkpoint_lines(before[name])}, name
    assert set(json.loads(after[".kafka_cleanshutdown"])) == set(json.loads(before[".kafka_cleanshutdown"]))

    # Nothing else has changed but the metadata log; removed is what was deleted, and snapshots that no segment begins with
    # and that are not the last. Kafka removes its empty lock file; ours stays, so that it is never two files.
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert {name for name in changed if not name.startswith("__cluster_metadata-0/")
            and not name.endswith("/leader-epoch-checkpoint")} == {
        "mixed-0/00000000000000000000.log", "mixed-0/00000000000000000000.timeindex", ".kafka_cleanshutdown",
        "recovery-point-offset-checkpoint", "replication-offset-checkpoint"}
    added = {name for name in after.keys() - before.keys() - {".lock"} if not name.startswith("__cluster_metadata-0/")}
    assert added == {f"mixed-0/{end:020}.snapshot"}
    for name in before.keys() - after.keys():
        is_stray = name.endswith(".snapshot") and name.replace(".snapshot", ".log") not in before
        assert is_stray or "-delete/" in name or name.endswith(".deleted"), name
