"""Each client reads back what it produced, across a restart and across kill -9, in every compression."""
import pytest

from clients import CLIENTS, CODECS, expect
from conftest import FULL

COUNT = 1_000_000 if FULL else 6_000


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_reads_back_what_it_wrote(broker, client, codec):
    topic = f"records-{codec}"
    third = COUNT // 3
    counts = [third, third, COUNT - 2 * third]
    client(broker.address).produce(topic, codec, 0, counts[0])
    broker.stop()
    broker.start()
    client(broker.address).produce(topic, codec, counts[0], counts[1])
    broker.kill()
    broker.start()
    client(broker.address).produce(topic, codec, counts[0] + counts[1], counts[2])
    expect(client(broker.address), topic, COUNT)
