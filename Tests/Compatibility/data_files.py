"""Reads the files of a data folder. Written from Docs/data-files.md and nothing else: a second witness of it."""
import base64
import dataclasses
import gzip
import json
import re
import struct

import lz4.frame
import snappy
import zstandard

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
CODEC_BITS, BROKER_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 7, 8, 16, 32, 64
ABORT, COMMIT = 0, 1
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
SNAPPY_FRAMING = bytes.fromhex("82534e4150505900")


class Damaged(ValueError):
    """A file is not what the page says."""


def need(condition, what):
    if not condition:
        raise Damaged(what)


# What lies in which file.

KINDS = [(kind, re.compile(pattern)) for kind, pattern in [
    ("log", r"\d{20}\.log"),
    ("index", r"\d{20}\.index"),
    ("timeindex", r"\d{20}\.timeindex"),
    ("txnindex", r"\d{20}\.txnindex"),
    ("snapshot", r"\d{20}\.snapshot"),
    ("log", r"\d{20}-\d{10}\.checkpoint"),
    ("epochs", r"leader-epoch-checkpoint"),
    ("offsets", r"(recovery-point-offset|replication-offset|log-start-offset|cleaner-offset)-checkpoint"),
    ("partition", r"partition\.metadata"),
    ("properties", r"meta\.properties"),
    ("json", r"quorum-state|\.kafka_cleanshutdown"),
    ("empty", r"\.lock"),
]]
UNFINISHED = (".tmp", ".cleaned")


def kind_of(name):
    """What the file with this name holds; None for a name that the page does not have."""
    plain = name.removesuffix(".deleted").removesuffix(".swap")
    if name.endswith(UNFINISHED):
        return "unfinished" if kind_of(name.rsplit(".", 1)[0]) else None
    return next((kind for kind, pattern in KINDS if pattern.fullmatch(plain)), None)


def base_of(name):
    """The number that the names of a segment's files begin with."""
    return int(name[:20])


# Bytes.

def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C_TABLE = _crc32c_table()


def crc32c(data):
    crc, table = 0xFFFFFFFF, CRC32C_TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Bytes:
    """Takes fields off the front of some bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        need(0 <= count <= len(self.data) - self.at, "cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def fields(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def varint(self, bits=32):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        need(value < 1 << bits, "a varint that is too large")
        return value >> 1 ^ -(value & 1)

    def sized(self):
        """A length and as many bytes; None where the length is -1."""
        count = self.varint()
        return None if count == -1 else self.take(count)

    def name(self):
        data = self.sized()
        need(data is not None, "a header without a name")
        return data.decode()

    def is_empty(self):
        return self.at == len(self.data)


# Logs.

@dataclasses.dataclass
class Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list  # of pairs of str and bytes or None

    def marker(self):
        """Type of a control record and, of an end of a transaction, the epoch of the coordinator."""
        _, kind = struct.unpack(">hh", self.key)
        if kind not in (ABORT, COMMIT):
            return kind, None
        _, epoch = struct.unpack(">hi", self.value)
        return kind, epoch


@dataclasses.dataclass
class Batch:
    position: int
    size: int
    base_offset: int
    leader_epoch: int
    checksum: int
    attributes: int
    last_offset: int
    base_timestamp: int
    max_timestamp: int
    producer: int
    producer_epoch: int
    base_sequence: int
    count: int
    packed: bytes = dataclasses.field(repr=False)
    records: list = dataclasses.field(default_factory=list, repr=False)

    @property
    def codec(self):
        return CODECS[self.attributes & CODEC_BITS]

    @property
    def has_broker_time(self):
        return self.attributes & BROKER_TIME != 0

    @property
    def is_transactional(self):
        return self.attributes & TRANSACTIONAL != 0

    @property
    def is_control(self):
        return self.attributes & CONTROL != 0

    @property
    def delete_horizon(self):
        return self.base_timestamp if self.attributes & DELETE_HORIZON else None

    @property
    def last_sequence(self):
        if self.base_sequence == -1:
            return -1
        return (self.base_sequence + self.last_offset - self.base_offset) & 0x7FFFFFFF

    def sequence_of(self, record):
        return -1 if self.base_sequence == -1 else (self.base_sequence + record.offset - self.base_offset) & 0x7FFFFFFF


def unpack(codec, data):
    if codec == "none":
        return data
    if codec == "gzip":
        return gzip.decompress(data)
    if codec == "lz4":
        return lz4.frame.decompress(data)
    if codec == "zstd":
        frame = zstandard.ZstdDecompressor().decompressobj()
        plain = frame.decompress(data)
        need(frame.eof and not frame.unused_data, "not one frame of zstd")
        return plain
    if not data.startswith(SNAPPY_FRAMING):
        return snappy.uncompress(data)
    blocks, plain = Bytes(data), b""
    blocks.take(16)
    while not blocks.is_empty():
        plain += snappy.uncompress(blocks.take(*blocks.fields(">i")))
    return plain


def _read_record(data, batch):
    record = Bytes(data.take(data.varint()))
    need(record.take(1) == b"\0", "attributes of a record")
    timestamp = batch.base_timestamp + record.varint(64)
    offset = batch.base_offset + record.varint()
    key, value = record.sized(), record.sized()
    headers = [(record.name(), record.sized()) for _ in range(record.varint())]
    need(record.is_empty(), "bytes behind a record")
    return Record(offset, batch.max_timestamp if batch.has_broker_time else timestamp, key, value, headers)


def _read_records(batch):
    data = Bytes(unpack(batch.codec, batch.packed))
    records = [_read_record(data, batch) for _ in range(batch.count)]
    need(data.is_empty(), "bytes behind the records")
    offsets = [batch.base_offset - 1] + [r.offset for r in records] + [batch.last_offset + 1]
    need(all(a < b for a, b in zip(offsets, offsets[1:])), "offsets of records")
    return records


def read_log(data):
    """The batches of a .log or .checkpoint file; every byte of it has to belong to one."""
    batches, rest, next_offset = [], Bytes(data), 0
    while not rest.is_empty():
        position = rest.at
        length = struct.unpack(">8xi", rest.take(12))[0]
        need(length >= BATCH_HEADER.size - 12, f"length of the batch at {position}")
        whole = data[position:position + 12] + rest.take(length)
        (base, length, epoch, magic, checksum, attributes, delta, base_timestamp, max_timestamp, producer,
         producer_epoch, sequence, count) = BATCH_HEADER.unpack_from(whole)
        need(magic == 2, f"magic of the batch at {position}")
        need(crc32c(whole[21:]) == checksum, f"checksum of the batch at {position}")
        need(attributes & ~127 == 0 and attributes & CODEC_BITS < len(CODECS), f"attributes at {position}")
        need(base >= next_offset and delta >= 0, f"offsets of the batch at {position}")
        need(count >= 0, f"record count of the batch at {position}")
        next_offset = base + delta + 1
        batch = Batch(position, len(whole), base, epoch, checksum, attributes, base + delta, base_timestamp,
                      max_timestamp, producer, producer_epoch, sequence, count, whole[BATCH_HEADER.size:])
        batch.records = _read_records(batch)
        batches.append(batch)
    return batches


# Indexes.

def _entries(data, layout):
    need(len(data) % struct.calcsize(layout) == 0, "a part of an entry")
    return list(struct.iter_unpack(layout, data))


def _ascending(entries):
    return all(a < c and b < d for (a, b), (c, d) in zip(entries, entries[1:]))


def _without_padding(entries):
    while entries and entries[-1] == (0, 0):
        entries.pop()
    return entries


def read_index(data, base):
    """Pairs of a batch's last offset and its position."""
    entries = _without_padding(_entries(data, ">ii"))
    need(_ascending(entries), "not ascending")
    return [(base + offset, position) for offset, position in entries]


def read_time_index(data, base):
    """Pairs of a timestamp and the last offset of the first batch that has it."""
    entries = _entries(data, ">qi")
    # A lone entry of zeros is a first record with timestamp 0.
    if len(entries) > 1:
        entries = _without_padding(entries)
    need(_ascending(entries), "not ascending")
    return [(timestamp, base + offset) for timestamp, offset in entries]


@dataclasses.dataclass
class Aborted:
    version: int
    producer: int
    first_offset: int
    marker_offset: int
    last_stable_offset: int


def read_transaction_index(data):
    entries = [Aborted(*entry) for entry in _entries(data, ">hqqqq")]
    need(all(entry.version == 0 for entry in entries), "version")
    return entries


# Producers.

@dataclasses.dataclass
class Producer:
    producer: int
    epoch: int
    last_sequence: int
    last_offset: int
    delta: int
    timestamp: int
    coordinator_epoch: int
    transaction_offset: int

    @property
    def first_sequence(self):
        return -1 if self.last_sequence == -1 else (self.last_sequence - self.delta) & 0x7FFFFFFF


def read_snapshot(data):
    file = Bytes(data)
    version, checksum = file.fields(">hI")
    need(version == 1, "version")
    need(crc32c(data[6:]) == checksum, "checksum")
    count, = file.fields(">i")
    producers = [Producer(*file.fields(">qhiqiqiq")) for _ in range(count)]
    need(file.is_empty(), "bytes behind the producers")
    return producers


# Text.

def _checkpoint_lines(data):
    version, count, *lines, rest = data.decode().split("\n")
    need(version == "0", "version")
    need(int(count) == len(lines) and rest == "", "count")
    return lines


def read_offsets(data):
    """Topic and partition to offset."""
    found = {}
    for line in _checkpoint_lines(data):
        topic, partition, offset = line.split(" ")
        need((topic, int(partition)) not in found, "a partition twice")
        found[topic, int(partition)] = int(offset)
    return found


def read_epochs(data):
    """Pairs of an epoch and its first offset."""
    return [(int(epoch), int(offset)) for epoch, offset in (line.split(" ") for line in _checkpoint_lines(data))]


def read_partition(data):
    """The id of the topic."""
    lines = data.decode().split("\n")
    need(len(lines) == 2 and lines[0] == "version: 0" and lines[1].startswith("topic_id: "), "not what it should be")
    topic = base64.b64decode(lines[1].removeprefix("topic_id: ") + "==", altchars=b"-_", validate=True)
    need(len(topic) == 16, "length of the id")
    return topic


def read_properties(data):
    lines = [line for line in data.decode().split("\n") if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def read_empty(data):
    need(data == b"", "not empty")
    return []


def read(name, data):
    """What the file with this name says."""
    kind = kind_of(name)
    if kind in ("index", "timeindex"):
        return {"index": read_index, "timeindex": read_time_index}[kind](data, base_of(name))
    return {"log": read_log, "txnindex": read_transaction_index, "snapshot": read_snapshot, "epochs": read_epochs,
            "offsets": read_offsets, "partition": read_partition, "properties": read_properties, "json": json.loads,
            "empty": read_empty, "unfinished": bytes}[kind](data)
