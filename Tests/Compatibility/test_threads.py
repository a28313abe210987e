"""The real process under ThreadSanitizer, with clients at work on many connections. Only where the program was built so:
`Tools/scripts/threads` does both.
"""
import concurrent.futures
import os
import signal
import subprocess

import pytest

from clients import ConfluentClient, KcatClient, expect

pytestmark = pytest.mark.skipif("MARTLET_TSAN" not in os.environ, reason="the program is built without ThreadSanitizer")


def admin(broker):
    from confluent_kafka.admin import AdminClient
    return AdminClient({"bootstrap.servers": broker.address})


def create(broker, topics):
    from confluent_kafka.admin import NewTopic
    client = admin(broker)
    for future in client.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        future.result(60)


def delete(broker, topics):
    client = admin(broker)
    for future in client.delete_topics(topics).values():
        future.result(60)


def test_no_thread_reads_what_another_writes(make_broker):
    # Small segments and frequent snapshots, so that files come and go while clients read and write.
    broker = make_broker("log.segment.bytes=1048576", "metadata.log.max.record.bytes.between.snapshots=2000",
                         "internal.metadata.log.segment.bytes=5000", "metadata.max.retention.bytes=20000",
                         "replica.high.watermark.checkpoint.interval.ms=100", "martlet.threads=4")
    topics = [f"t{number}" for number in range(6)]
    create(broker, topics)

    def work(number):
        client = (KcatClient if number % 3 == 0 else ConfluentClient)(broker.address)
        codec = ["none", "lz4", "zstd", "gzip", "snappy", "none"][number]
        client.produce(topics[number], codec, 0, 3000)
        client.produce(topics[number], codec, 3000, 3000)
        expect(client, topics[number], 6000)
        return number

    def change(number):
        for turn in range(5):
            names = [f"short-{number}-{turn}-{index}" for index in range(3)]
            create(broker, names)
            KcatClient(broker.address).produce(names[0], "none", 0, 50)
            delete(broker, names)
        return number

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        jobs = [pool.submit(work, number) for number in range(6)] + [pool.submit(change, number) for number in range(2)]
        for job in jobs:
            job.result(600)
    # Many readers and writers of one partition.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(ConfluentClient(broker.address).produce, topics[1], "none", 0, 500) for _ in range(4)]
        jobs += [pool.submit(expect, ConfluentClient(broker.address), topics[1], 6000) for _ in range(4)]
        for job in jobs:
            job.result(600)
    broker.process.send_signal(signal.SIGTERM)
    code = broker.process.wait(timeout=120)
    log = broker.log.read_text()
    reports = [part.split("\n\n")[0] for part in log.split("WARNING: ThreadSanitizer")[1:]]
    assert not reports, f"{len(reports)} reports:\n" + "\n".join(reports[:3])
    assert code == 0, log[-3000:]
