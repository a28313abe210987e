"""Every file of a data folder, read by the program and by a reader that was written from Docs/data-files.md alone."""
import base64
import concurrent.futures
import json
import random
import shutil
import subprocess
import time

import confluent_kafka
import confluent_kafka.admin
import kafka

import data_files
from clients import CLIENTS, CODECS, KcatClient, record
from conftest import BINARY
from test_kafka_folders import GOLDEN, header_pairs, plain, read_partition

DUMPED = {"log", "index", "timeindex", "txnindex", "snapshot"}
METADATA = "__cluster_metadata"
OFFSETS = "__consumer_offsets"
METADATA_INTERVAL = 4096


# What `martlet offsets --segment FILE --records -o json` has to say, told from what the reader found.

def content(name, data):
    """Text under its name, other bytes under one that says so."""
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name + "Base64": base64.b64encode(data).decode()}


def size(data):
    return -1 if data is None else len(data)


def none_if_minus_one(number):
    return None if number == -1 else number


def lines_of_log(batches):
    for batch in batches:
        yield {
            "baseOffset": batch.base_offset, "lastOffset": batch.last_offset, "count": batch.count,
            "baseSequence": batch.base_sequence, "lastSequence": batch.last_sequence, "producerId": batch.producer,
            "producerEpoch": batch.producer_epoch, "partitionLeaderEpoch": batch.leader_epoch,
            "isTransactional": batch.is_transactional, "isControl": batch.is_control,
            "deleteHorizonMs": batch.delete_horizon, "position": batch.position,
            "LogAppendTime" if batch.has_broker_time else "CreateTime": batch.max_timestamp, "size": batch.size,
            "magic": 2, "compresscodec": batch.codec, "crc": batch.checksum, "isvalid": True}
        for entry in batch.records:
            line = {
                "offset": entry.offset, "time": entry.timestamp, "keySize": size(entry.key),
                "valueSize": size(entry.value), "sequence": batch.sequence_of(entry),
                "headerKeys": [{"key": name} | content("value", value) for name, value in entry.headers]}
            line |= content("key", entry.key) | content("payload", entry.value)
            if batch.is_control:
                kind, epoch = entry.marker()
                if kind in (data_files.ABORT, data_files.COMMIT):
                    line |= {"endTxnMarker": "ABORT" if kind == data_files.ABORT else "COMMIT", "coordinatorEpoch": epoch}
            yield line


def line_of_producer(producer):
    line = {"producerId": producer.producer, "producerEpoch": producer.epoch,
            "coordinatorEpoch": producer.coordinator_epoch,
            "currentTxnFirstOffset": none_if_minus_one(producer.transaction_offset),
            "lastTimestamp": producer.timestamp}
    if producer.last_offset != -1:
        line |= {"firstSequence": producer.first_sequence, "lastSequence": producer.last_sequence,
                 "lastOffset": producer.last_offset, "offsetDelta": producer.delta, "timestamp": producer.timestamp}
    return line


def lines_of(kind, content):
    if kind == "log":
        return list(lines_of_log(content))
    if kind == "index":
        return [{"offset": offset, "position": position} for offset, position in content]
    if kind == "timeindex":
        return [{"timestamp": timestamp, "offset": offset} for timestamp, offset in content]
    if kind == "txnindex":
        return [{"version": 0, "producerId": entry.producer, "firstOffset": entry.first_offset,
                 "lastOffset": entry.marker_offset, "lastStableOffset": entry.last_stable_offset} for entry in content]
    return [line_of_producer(producer) for producer in content]


def lines_of_martlet(path):
    done = subprocess.run([BINARY, "offsets", "--segment", path, "--records", "-o", "json"], capture_output=True)
    assert done.returncode == 0 and done.stderr == b"", (path, done.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        if "keySize" in line:
            line["time"] = line.pop("CreateTime" if "CreateTime" in line else "LogAppendTime")
            # What the cluster's own records say is compared with Kafka's words, in test_kafka_folders.py.
            line.pop("decoded", None)
    return lines


def undeleted(path, scratch):
    """The file under the name that it had; the program wants an index to lie beside its log."""
    if path.suffix != ".deleted":
        return path
    copies = scratch / "undeleted" / path.parent.name
    if not copies.exists():
        copies.mkdir(parents=True)
        for deleted in path.parent.glob("*.deleted"):
            shutil.copy(deleted, copies / deleted.stem)
    return copies / path.stem


def compare_every_file(folder, scratch):
    """Reads each file below the folder twice; gives how often there was each kind, and what the reader says of each."""
    counts, contents = {}, {}
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        kind = data_files.kind_of(path.name)
        assert kind is not None, f"the reader does not know {path}"
        counts[kind] = counts.get(kind, 0) + 1
        try:
            content = contents[path] = data_files.read(path.name, path.read_bytes())
        except Exception as error:
            raise AssertionError(f"the reader does not understand {path}") from error
        if kind in DUMPED:
            ours, theirs = lines_of(kind, content), lines_of_martlet(undeleted(path, scratch))
            for mine, other in zip(ours, theirs):
                assert mine == other, path
            assert len(ours) == len(theirs), path
    return counts, contents


# What has to hold of a folder by itself.

class Partition:
    """A folder of segments."""

    def __init__(self, folder, contents):
        self.folder = folder
        self.files = {path.name: content for path, content in contents.items() if path.parent == folder}
        self.segments = {data_files.base_of(name): content for name, content in sorted(self.files.items())
                         if name.endswith(".log")}
        self.batches = [batch for batches in self.segments.values() for batch in batches]
        self.begin, self.active = min(self.segments), max(self.segments)
        self.end = max([self.active] + [batch.last_offset + 1 for batch in self.batches])

    def is_gone(self, offset):
        """Whether retention or compaction took the batch that had the offset."""
        return not any(batch.base_offset <= offset <= batch.last_offset for batch in self.batches)

    def records(self):
        return {entry.offset: entry for batch in self.batches if not batch.is_control for entry in batch.records
                if entry.offset >= self.begin}

    def of_kind(self, suffix):
        """Number in the name to content."""
        return {data_files.base_of(name): content for name, content in self.files.items() if name.endswith(suffix)}


def check_segments(partition):
    borders = [*partition.segments, partition.end + 1]
    for (base, batches), following in zip(partition.segments.items(), borders[1:]):
        assert all(base <= batch.base_offset and batch.last_offset < following for batch in batches), base
        for batch in batches:
            times = [entry.timestamp for entry in batch.records]
            assert not times or max(times) == batch.max_timestamp, batch


def peaks_of(batches):
    """For each batch the greatest timestamp so far and the last offset of the batch that had it first."""
    peaks, peak = [], (-1, None)
    for batch in batches:
        if batch.max_timestamp > peak[0]:
            peak = batch.max_timestamp, batch.last_offset
        peaks.append(peak)
    return peaks


def check_indexes(partition, interval=None):
    """With an interval: every entry that is due is there, too."""
    assert set(partition.of_kind(".index")) == set(partition.of_kind(".timeindex")) == set(partition.segments)
    for base, batches in partition.segments.items():
        index, time_index = partition.of_kind(".index")[base], partition.of_kind(".timeindex")[base]
        place = partition.folder.name, base
        at = {(batch.last_offset, batch.position): number for number, batch in enumerate(batches)}
        peaks = peaks_of(batches)
        assert all(entry in at for entry in index), place
        assert all(entry in peaks for entry in time_index), place
        for entry in index + [key for key in list(at)[-1:]]:
            peak = peaks[at[entry]]
            assert peak[0] == -1 or peak in time_index, (place, entry)
        if interval is not None:
            due, last = [], 0
            for batch in batches:
                if batch.position - last > interval:
                    due.append((batch.last_offset, batch.position))
                    last = batch.position
            assert index == due, place


def check_epochs(partition):
    entries = partition.files["leader-epoch-checkpoint"]
    for before, after in zip(entries, entries[1:]):
        assert before[0] < after[0] and before[1] < after[1], partition.folder.name
    for batch in partition.batches:
        if batch.last_offset >= partition.begin:
            begun = [epoch for epoch, offset in entries if offset <= max(batch.base_offset, partition.begin)]
            assert begun and begun[-1] == batch.leader_epoch, (partition.folder.name, batch)


def check_producers(partition, alive_after):
    """Each snapshot tells what the batches below it tell; who wrote nothing since a point in time may be forgotten."""
    for offset, producers in partition.of_kind(".snapshot").items():
        place = partition.folder.name, offset
        told = {}
        for batch in partition.batches:
            if batch.last_offset >= offset or batch.producer == -1:
                continue
            state = told.setdefault(batch.producer, data_files.Producer(batch.producer, -1, -1, -1, 0, -1, -1, -1))
            if batch.producer_epoch != state.epoch:
                state = told[batch.producer] = data_files.Producer(
                    batch.producer, batch.producer_epoch, -1, -1, 0, -1, state.coordinator_epoch, -1)
            state.timestamp = batch.max_timestamp
            if batch.is_control:
                _, state.coordinator_epoch = batch.records[0].marker()
                state.transaction_offset = -1
                continue
            state.last_sequence, state.last_offset = batch.last_sequence, batch.last_offset
            state.delta = batch.last_offset - batch.base_offset
            if batch.is_transactional and state.transaction_offset == -1:
                state.transaction_offset = batch.base_offset
        for producer in producers:
            known = told.pop(producer.producer, None)
            if known is None or known.last_offset < producer.last_offset:
                # Its newest batch has gone since.
                assert partition.is_gone(producer.last_offset), place
            else:
                assert producer == known, place
        assert all(state.timestamp < alive_after for state in told.values()), (place, told)


def check_aborted(partition):
    """Each abort marker is in the index of its segment, and the index has nothing else."""
    open_since, aborted = {}, {base: [] for base in partition.segments}
    for base, batches in partition.segments.items():
        for batch in batches:
            if not batch.is_transactional:
                continue
            if not batch.is_control:
                open_since.setdefault(batch.producer, batch.base_offset)
                continue
            first = open_since.pop(batch.producer, None)
            if batch.records[0].marker()[0] == data_files.ABORT:
                stable = min([batch.last_offset + 1, *open_since.values()])
                aborted[base].append((batch.producer, first, batch.last_offset, stable))
    for base, due in aborted.items():
        entries = partition.of_kind(".txnindex").get(base, [])
        assert len(entries) == len(due), (partition.folder.name, base)
        for entry, (producer, first, marker, stable) in zip(entries, due):
            assert (entry.producer, entry.marker_offset, entry.last_stable_offset) == (producer, marker, stable), entry
            assert entry.first_offset == first or first is None and partition.is_gone(entry.first_offset), entry


def check_folder(folder, contents, interval=None, alive_after=0):
    """Everything that has to hold after an orderly stop; gives the partitions by name and number."""
    checkpoint = {name: contents.get(folder / f"{name}-checkpoint", {}) for name in
                  ("recovery-point-offset", "replication-offset", "log-start-offset", "cleaner-offset")}
    ends, partitions = {}, {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.endswith("-delete")):
        topic, number = path.name.rsplit("-", 1)
        key = topic, int(number)
        partition = partitions[key] = Partition(path, contents)
        partition.begin = checkpoint["log-start-offset"].get(key, partition.begin)
        assert min(partition.segments) <= partition.begin <= partition.end, path
        assert checkpoint["cleaner-offset"].get(key, 0) <= partition.active, path
        check_segments(partition)
        check_indexes(partition, METADATA_INTERVAL if interval and topic == METADATA else interval)
        check_epochs(partition)
        check_producers(partition, alive_after)
        check_aborted(partition)
        ends[key] = partition.end
    metadata = METADATA, 0
    for name in "recovery-point-offset", "replication-offset":
        found = checkpoint[name]
        assert {**found, metadata: None} == {**ends, metadata: None}, name
        assert found.get(metadata, ends[metadata]) == ends[metadata], name
    assert set(checkpoint["log-start-offset"]) | set(checkpoint["cleaner-offset"]) <= set(ends)
    assert contents[folder / ".kafka_cleanshutdown"]["version"] == 0
    assert {"version", "cluster.id", "node.id", "directory.id"} <= set(contents[folder / "meta.properties"])
    return partitions


# Folders.

def test_files_of_kafka(tmp_path):
    subprocess.run(["tar", "--zstd", "-xf", GOLDEN / "data-clean.tar.zst", "-C", tmp_path], check=True)
    folder = tmp_path / "data"
    counts, contents = compare_every_file(folder, tmp_path)
    assert counts["log"] > 90 and counts["snapshot"] > 90 and counts["txnindex"] == 10, counts
    # The node forgets producers after 2147483647 ms, and it ran for some minutes only.
    formatted = contents[folder / f"{METADATA}-0" / "00000000000000000000-0000000000.checkpoint"][0].max_timestamp
    partitions = check_folder(folder, contents, alive_after=formatted - 2147483647)
    due = {}
    for line in (GOLDEN / "expected.ndjson").read_text().splitlines():
        wanted = json.loads(line)
        due.setdefault((wanted["topic"], wanted["partition"]), {})[wanted["offset"]] = data_files.Record(
            wanted["offset"], wanted["timestamp"], plain(wanted["key"]), plain(wanted["value"]), header_pairs(wanted))
    for key, partition in partitions.items():
        if key[0] != METADATA:
            assert partition.records() == due.get(key, {}), key


SMALL = {"internal.segment.bytes": "4000"}
COMPACT = SMALL | {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
COMPACTED = ["compact", "compact-gone"]
RECOMPRESSED = ["uncompressed", "gzip", "snappy", "lz4", "zstd"]
TOPICS = {
    "clients": SMALL,
    "nulls": {},
    "create-time": {"segment.ms": "3000", "retention.ms": "-1"},
    "epoch-zero": {"retention.ms": "-1"},
    "no-time": {"retention.ms": "-1"},
    "append-time": {"message.timestamp.type": "LogAppendTime"},
    "idempotent": SMALL | {"segment.index.bytes": "64"},
    COMPACTED[0]: COMPACT,
    COMPACTED[1]: COMPACT | {"delete.retention.ms": "0"},
    "delete-records": SMALL,
    "retention-bytes": SMALL | {"retention.bytes": "6000"},
    "retention-ms": SMALL | {"retention.ms": "3600000"},
    "large": {},
    "gone": SMALL,
    "empty": {},
} | {f"recompressed-{codec}": {"compression.type": codec} for codec in RECOMPRESSED}
INTERVAL = 500
SETTINGS = [f"log.index.interval.bytes={INTERVAL}", "log.cleaner.backoff.ms=100",
            "log.retention.check.interval.ms=100", "metadata.log.max.record.bytes.between.snapshots=1500"]


def until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Load:
    """Fills a broker; knows of each topic what was sent to its partition 0, in the order of the offsets."""

    def __init__(self, broker):
        self.broker = broker
        self.sent = {topic: [] for topic in TOPICS}
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        topics = [confluent_kafka.admin.NewTopic(topic, 1, 1, config=config) for topic, config in TOPICS.items()]
        for done in self.admin.create_topics(topics).values():
            done.result()

    def send(self, topic, batches, **settings):
        """Each batch is a list of key, value, headers and, if it is of interest, the timestamp."""
        failures = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address, "linger.ms": 50} | {
            name.replace("_", "."): value for name, value in settings.items()})
        for batch in batches:
            for key, value, headers, timestamp in batch:
                more = {} if timestamp is None else {"timestamp": timestamp}
                producer.produce(topic, value, key, 0, lambda e, m: e and failures.append(e), headers=headers, **more)
                self.sent[topic].append((key, value, headers, timestamp))
            assert producer.flush(30) == 0 and not failures, failures

    def send_python(self, topic, batch, **settings):
        """As above, by a client that frames snappy and takes every timestamp."""
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.address, batch_size=1_000_000, linger_ms=1000,
                                       **settings)
        sends = [producer.send(topic, value, key, headers, 0, timestamp) for key, value, headers, timestamp in batch]
        producer.flush(30)
        producer.close()
        assert all(send.succeeded() for send in sends), [send.exception for send in sends]
        self.sent[topic] += batch

    def by_every_client(self):
        for client in CLIENTS:
            for codec in CODECS:
                begin = len(self.sent["clients"])
                client(self.broker.address).produce("clients", codec, begin, 12)
                for index in range(begin, begin + 12):
                    entry = record(index)
                    if client is KcatClient:
                        entry = (f"key-{index}".encode(), f"value {index} {'x' * (index % 97)}".encode(),
                                 [("source", b"kcat")])
                    self.sent["clients"].append((*entry, None))

    def nulls(self):
        fields = [None, b"", b"x", b"base64:eA==", "ü世😀\u2028".encode(), bytes(range(256))]
        few, many = [("", b"no name"), ("null", None), ("ü世😀", b"\xff\0")], [(f"h{n}", b"v") for n in range(130)]
        batch = [(key, value, ([], few, many)[(i + j) % 3], None)
                 for i, key in enumerate(fields) for j, value in enumerate(fields)]
        self.send("nulls", [batch[:1], batch[1:3], batch, [(b"large", b"0123456789" * 2000, [], None)]])

    def times(self):
        old = [1_600_000_000_000 + 100 * ((7 * n) % 60) for n in range(120)]
        batches = [[(b"k", b"v" * 100, [], timestamp) for timestamp in old[n:n + 4]] for n in range(0, 120, 4)]
        self.send("create-time", batches)
        self.send("append-time", batches[:3], compression_type="lz4")
        self.sent["append-time"] = [(*entry[:3], None) for entry in self.sent["append-time"]]
        self.send("retention-ms", batches)
        self.send_python("epoch-zero", [(b"k", b"v", [], 0)])
        self.send_python("no-time", [(b"k", b"v", [], -1), (b"k", b"w", [], -1)])

    def large(self):
        """More than a block of any framing."""
        chance = random.Random(7)
        batch = [(b"k", chance.randbytes(30_000) + b"0123456789" * 7_000, [], None) for _ in range(2)]
        for codec in CODECS:
            self.send("large", [batch], compression_type=codec)
            self.send_python("large", batch, compression_type=codec.replace("none", "") or None)

    def numbered(self, topic, count, **settings):
        self.send(topic, [[(b"k%d" % n, b"%d" % n * 40, [], None) for n in range(m, m + 5)]
                          for m in range(0, count, 5)], **settings)

    def compacted(self, topic):
        """Five rounds of the same keys, each cleaned before the next one, and keys that go as soon as they came."""
        for codec in CODECS:
            batch = [(b"key-%d" % n, f"{codec} {n}".encode() * 9, [("codec", codec.encode())], None) for n in range(20)]
            now, key = int(time.time() * 1000), f"only in {codec}".encode()
            gone = [(key, b"v", [], now), (key, None, [], now - 1000)]
            filler = [(b"filler", b"0" * 3000, [], None)]
            self.send(topic, [batch, gone, filler, filler], compression_type=codec, enable_idempotence=True)
            self.send(topic, [filler])
            until(lambda: self.is_cleaned(topic), f"{topic} is not cleaned")

    def numbers(self, topic, suffix):
        """The numbers in the names of the files that are there now."""
        return sorted(data_files.base_of(path.name) for path in (self.broker.folder / f"{topic}-0").glob(f"*.{suffix}"))

    def is_shortened(self, topic):
        """Whether all but the first segment are smaller than retention.bytes."""
        behind = [self.broker.folder / f"{topic}-0" / f"{base:020}.log" for base in self.logs(topic)[1:]]
        try:
            return sum(path.stat().st_size for path in behind) < int(TOPICS[topic]["retention.bytes"])
        except FileNotFoundError:
            return False

    def logs(self, topic):
        return self.numbers(topic, "log")

    def begins(self, topics):
        earliest = confluent_kafka.admin.OffsetSpec.earliest()
        asked = {confluent_kafka.TopicPartition(topic, 0): earliest for topic in topics}
        return {partition.topic: done.result().offset for partition, done in self.admin.list_offsets(asked).items()}

    def is_cleaned(self, topic):
        checkpoint = self.broker.folder / "cleaner-offset-checkpoint"
        cleaned = data_files.read_offsets(checkpoint.read_bytes()) if checkpoint.exists() else {}
        return cleaned.get((topic, 0)) == self.logs(topic)[-1]

    def delete_records(self):
        self.numbered("delete-records", 200)
        asked = confluent_kafka.TopicPartition("delete-records", 0, 103)
        assert self.admin.delete_records([asked])[asked].result().low_watermark == 103
        until(lambda: self.logs("delete-records")[0] > 0, "no segment goes")


def same_record(entry, sent):
    key, value, headers, timestamp = sent
    return (entry.key, entry.value, entry.headers) == (key, value, headers) and timestamp in (None, entry.timestamp)


def served_records(broker, topic, begin):
    """What a consumer gets, as the reader would say it."""
    return {offset: data_files.Record(offset, message.timestamp()[1], message.key(), message.value(),
                                      message.headers() or [])
            for offset, message in read_partition(broker, "read_uncommitted", topic, 0, begin).items()}


def check_compacted(partition, sent, cleaned, keeps_tombstones):
    found = partition.records()
    newest = {key: offset for offset, (key, *_) in enumerate(sent[:cleaned])}
    for offset, entry in enumerate(sent):
        if offset >= cleaned or newest[entry[0]] == offset and (entry[1] is not None or keeps_tombstones):
            assert same_record(found.pop(offset), entry), (partition.folder.name, offset)
    # Only a tombstone of the last round may be left.
    assert all(sent[offset][1] is None and offset > cleaned - 25 for offset in found), (partition.folder.name, found)
    earlier = [batch for batch in partition.batches if batch.last_offset < cleaned]
    assert any(batch.count == 0 and batch.producer != -1 for batch in earlier)
    assert all(batch.delete_horizon or all(entry.value is not None for entry in batch.records) for batch in earlier)
    if keeps_tombstones:
        assert sum(batch.delete_horizon is not None for batch in earlier) == len(CODECS)


def test_files_of_a_run_with_everything(make_broker, tmp_path):
    began = int(time.time() * 1000) - 3_600_000
    broker = make_broker(*SETTINGS)
    load = Load(broker)
    load.by_every_client()
    load.nulls()
    load.times()
    load.numbered("idempotent", 100, enable_idempotence=True)
    broker.stop()
    broker.start()
    load.numbered("idempotent", 100, enable_idempotence=True, compression_type="snappy")
    with concurrent.futures.ThreadPoolExecutor() as both:
        list(both.map(load.compacted, COMPACTED))
    broker.kill()
    broker.start()
    load.numbered("idempotent", 100, enable_idempotence=True)
    load.delete_records()
    load.numbered("retention-bytes", 200)
    load.large()
    for codec in RECOMPRESSED:
        load.numbered(f"recompressed-{codec}", 20, compression_type="lz4" if codec == "gzip" else "gzip")
    load.numbered("gone", 100)
    until(lambda: load.logs("gone")[1:] == load.numbers("gone", "snapshot"), "no snapshots")
    load.admin.delete_topics(["gone"])["gone"].result()
    until(lambda: load.is_shortened("retention-bytes"), "the oldest segments stay")
    until(lambda: load.logs("retention-ms") == [120], "old records stay")
    cluster = load.admin.list_topics().cluster_id
    kept = [topic for topic in TOPICS if topic != "gone"]
    ids = load.admin.describe_topics(confluent_kafka.TopicCollection(kept))
    served = {topic: served_records(broker, topic, begin) for topic, begin in load.begins(kept).items()}
    broker.stop()

    counts, contents = compare_every_file(broker.folder, tmp_path)
    assert min(counts[kind] for kind in ("log", "index", "timeindex", "snapshot")) > 35, counts
    assert set(counts) == {kind for kind, _ in data_files.KINDS} - {"txnindex"}, counts
    partitions = check_folder(broker.folder, contents, INTERVAL, alive_after=began)
    # The consumers are members of groups.
    assert sorted({topic for topic, _ in partitions} - {OFFSETS}) == sorted([METADATA, *kept])
    assert contents[broker.folder / "meta.properties"]["cluster.id"] == cluster
    for topic in kept:
        partition = partitions[topic, 0]
        assert set(partition.of_kind(".snapshot")) >= {*partition.segments, partition.end} - {0}, topic
        assert partition.records() == served[topic], topic
        assert partition.end == len(load.sent[topic]), topic
        assert partition.files["partition.metadata"] == base64.b64decode(f"{ids[topic].result().topic_id}=="), topic
        if topic not in COMPACTED:
            assert list(partition.records()) == list(range(partition.begin, partition.end)), topic
            for offset, entry in partition.records().items():
                assert same_record(entry, load.sent[topic][offset]), (topic, offset)
    cleaned = contents[broker.folder / "cleaner-offset-checkpoint"]
    for topic in COMPACTED:
        check_compacted(partitions[topic, 0], load.sent[topic], cleaned[topic, 0], topic == COMPACTED[0])

    def seen(topic, what):
        return {what(batch) for batch in partitions[topic, 0].batches}

    assert seen("clients", lambda batch: batch.codec) == set(CODECS)
    assert seen("large", lambda batch: batch.codec) == set(CODECS)
    for codec in RECOMPRESSED:
        assert seen(f"recompressed-{codec}", lambda batch: batch.codec) == {codec.replace("uncompressed", "none")}
    assert seen("append-time", lambda batch: batch.has_broker_time) == {True}
    assert seen("create-time", lambda batch: batch.has_broker_time) == {False}
    assert seen("idempotent", lambda batch: batch.leader_epoch) == {0, 2, 4}
    assert len(seen("idempotent", lambda batch: batch.producer)) == 3
    assert {topic: partitions[topic, 0].begin > 0 for topic in kept} == {
        topic: topic in ("delete-records", "retention-bytes", "retention-ms") for topic in kept}
    assert partitions["delete-records", 0].begin == 103
    assert partitions["epoch-zero", 0].of_kind(".timeindex") == {0: [(0, 0)]}
    assert partitions["no-time", 0].of_kind(".timeindex") == {0: []}
    assert len(list(broker.folder.glob("gone-0.*-delete"))) == 1
    assert len(partitions[METADATA, 0].of_kind(".checkpoint")) > 2
