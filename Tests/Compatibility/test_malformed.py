"""Requests that are none cost no memory and harm nobody else."""
import random
import socket
import struct

COUNT = 400
GROWTH_KIB_MAX = 48 * 1024
API_VERSIONS = struct.pack(">ihhih", 14, 18, 0, 7, 4) + b"good"


def malformed(chance: random.Random) -> bytes:
    """Bytes that are no request: wild lengths, versions and arrays, and noise."""
    noise = chance.randbytes(chance.randrange(0, 300))
    header = struct.pack(">hhih", chance.choice([0, 1, 2, 3, 18, 19, 44]), chance.randrange(0, 20), 1, -1)
    wild_array = struct.pack(">i", chance.choice([-2, 1 << 20, (1 << 31) - 1])) + noise
    body = chance.choice([noise, header + noise, header + wild_array])
    length = chance.choice([len(body), len(body) + 7, (1 << 31) - 1, -1, 90 << 20])
    return struct.pack(">i", length) + body


def answer_of(connection) -> bytes:
    connection.settimeout(0.05)
    try:
        return connection.recv(1 << 16)
    except (TimeoutError, ConnectionResetError):
        return b""


def test_memory_stays_bounded_and_others_are_served(broker):
    chance = random.Random(20261121)
    witness = socket.create_connection(("127.0.0.1", broker.port))
    before = broker.resident_kib()
    held = []
    for _ in range(COUNT):
        connection = socket.create_connection(("127.0.0.1", broker.port))
        connection.sendall(malformed(chance))
        answer_of(connection)
        held.append(connection)
        witness.sendall(API_VERSIONS)
        length, correlation = struct.unpack(">ii", witness.recv(8, socket.MSG_WAITALL))
        assert correlation == 7
        witness.recv(length - 4, socket.MSG_WAITALL)
    assert broker.is_running()
    assert broker.resident_kib() - before < GROWTH_KIB_MAX
    for connection in held:
        connection.close()
