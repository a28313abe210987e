"""Ten thousand connections, and what they cost."""
import resource
import socket
import struct

from conftest import FULL

COUNT = 10_000 if FULL else 2_000
API_VERSIONS = struct.pack(">ihhih", 14, 18, 0, 7, 4) + b"idle"


def test_idle_connections_cost_little_and_all_are_answered(broker):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = broker.resident_kib()
    connections = [socket.create_connection(("127.0.0.1", broker.port)) for _ in range(COUNT)]
    for connection in connections:
        connection.sendall(API_VERSIONS)
    for connection in connections:
        length, correlation = struct.unpack(">ii", connection.recv(8, socket.MSG_WAITALL))
        assert correlation == 7
        assert len(connection.recv(length - 4, socket.MSG_WAITALL)) == length - 4
    assert (broker.resident_kib() - before) / COUNT <= 8
    for connection in connections:
        connection.close()
