"""Ends of things: a topic that is deleted, a node that stops, a connection that is gone."""
import socket
import struct
import subprocess
import time

from conftest import BINARY


def martlet(broker, *arguments, **options):
    return subprocess.run([str(BINARY), *arguments, "-b", broker.address], check=True, timeout=60,
                          stdout=subprocess.PIPE, **options).stdout


def test_a_topic_made_anew_has_nothing_of_the_old_one(broker):
    for generation in range(4):
        martlet(broker, "topic", "create", "again", "--partitions", "1")
        assert martlet(broker, "consume", "again", "--offset", "start", "-e") == b""
        martlet(broker, "produce", "again", input=f"record of {generation}\n".encode())
        broker.kill()
        broker.start()
        assert martlet(broker, "consume", "again", "--offset", "start", "-e") == f"record of {generation}\n".encode()
        martlet(broker, "topic", "delete", "again", "-y")
        if generation % 2:
            broker.kill()
            broker.start()


def fetch_request(topic: bytes, max_wait_ms: int) -> bytes:
    """Fetch version 4 for partition 0 from offset 0."""
    body = struct.pack(">hhih", 1, 4, 1, 4) + b"test"
    body += struct.pack(">iiiib", -1, max_wait_ms, 1, 1 << 20, 0)
    body += struct.pack(">ih", 1, len(topic)) + topic + struct.pack(">iiqi", 1, 0, 0, 1 << 20)
    return struct.pack(">i", len(body)) + body


def test_a_stop_does_not_wait_for_a_fetch_that_waits(broker):
    martlet(broker, "topic", "create", "empty", "--partitions", "1")
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        connection.sendall(fetch_request(b"empty", 3_600_000))
        # An answer on another connection: the fetch was read before the question, and waits.
        martlet(broker, "topic", "list")
        begin = time.monotonic()
        broker.stop()
        assert time.monotonic() - begin < 30
        length, = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        assert len(connection.recv(length, socket.MSG_WAITALL)) == length


def test_connections_that_go_while_they_wait_leave_nothing(broker):
    martlet(broker, "topic", "create", "empty", "--partitions", "1")
    request = fetch_request(b"empty", 3_600_000)
    for turn in range(2):
        before = broker.resident_kib()
        for _ in range(3000):
            with socket.create_connection(("127.0.0.1", broker.port)) as connection:
                connection.sendall(request)
        martlet(broker, "topic", "list")
    assert broker.resident_kib() - before < 2048
