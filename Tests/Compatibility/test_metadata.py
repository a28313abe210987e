"""Answers about many partitions go out within bounds: who does not read them costs no more than a few."""
import socket
import struct
import subprocess

from conftest import BINARY

PARTITIONS = 3000
CONNECTIONS = 8
REQUESTS = 120
# What a connection may hold: an answer, and unsent bytes up to the bound beyond which nothing more is read.
HELD_KIB_MAX = 2 * 1024


def request(correlation):
    """Metadata version 1 for all topics."""
    body = struct.pack(">hhih", 3, 1, correlation, -1) + struct.pack(">i", -1)
    return struct.pack(">i", len(body)) + body


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 20))
        assert piece, "the connection ended"
        data += piece
    return data


def test_answers_that_nobody_reads_are_bounded(broker):
    subprocess.run([BINARY, "topic", "create", "many", "--partitions", str(PARTITIONS), "--timeout", "60s", "-b", broker.address], check=True,
                   capture_output=True)
    connections = [socket.create_connection(("127.0.0.1", broker.port)) for _ in range(CONNECTIONS)]
    connections[0].sendall(request(0))
    size = struct.unpack(">i", receive(connections[0], 4))[0]
    receive(connections[0], size)
    # All answers together are far more than what may be held.
    assert size * REQUESTS > 4 * HELD_KIB_MAX * 1024
    before = broker.resident_kib()
    for connection in connections:
        for number in range(REQUESTS):
            connection.sendall(request(number))
    # Whoever asks now is answered behind all that was begun for the others.
    with socket.create_connection(("127.0.0.1", broker.port)) as witness:
        witness.sendall(request(7))
        receive(witness, 4 + struct.unpack(">i", receive(witness, 4))[0] - 4)
    growth = broker.resident_kib() - before
    print(f"{growth} KiB held")
    assert growth < CONNECTIONS * HELD_KIB_MAX
    for connection in connections:
        for number in range(REQUESTS):
            length, correlation = struct.unpack(">ii", receive(connection, 8))
            assert (length, correlation) == (size, number)
            receive(connection, length - 4)
    assert broker.is_running()
