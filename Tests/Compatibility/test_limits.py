"""Limits of connections."""
import contextlib
import socket

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

QUESTION = bytes.fromhex("0000000e00120000000000010004") + b"test"


def is_served(broker, host):
    """Whether a connection to `host`, which comes from the same address, gets an answer; it is kept open."""
    connection = socket.create_connection((host, broker.port), timeout=10)
    try:
        connection.sendall(QUESTION)
        return connection, bool(connection.recv(10))
    except ConnectionResetError:
        return connection, False


def served(broker, host, count):
    with contextlib.ExitStack() as stack:
        found = [is_served(broker, host) for _ in range(count)]
        for connection, _ in found:
            stack.enter_context(connection)
        return sum(yes for _, yes in found)


def test_an_address_has_no_more_connections_than_its_limit(make_broker):
    broker = make_broker("max.connections.per.ip=3")
    assert served(broker, "127.0.0.1", 5) == 3
    # Those that ended count no more.
    assert served(broker, "127.0.0.1", 2) == 2


def test_an_address_may_have_a_limit_of_its_own_and_another_while_the_broker_runs(make_broker):
    broker = make_broker("max.connections.per.ip=2", "max.connections.per.ip.overrides=127.0.0.1:6,10.0.0.1:1")
    assert served(broker, "127.0.0.1", 8) == 6
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    settings = {"max.connections.per.ip.overrides": "127.0.0.1:9"}
    admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs=settings)])
    admin.close()
    assert served(broker, "127.0.0.1", 12) == 9
