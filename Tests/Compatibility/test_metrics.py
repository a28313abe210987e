"""What a broker counts of itself, as `martlet cluster metrics` shows it."""
import json
import subprocess

from conftest import BINARY


def figures(broker):
    done = subprocess.run([BINARY, "cluster", "metrics", "-o", "json", "-b", broker.address], check=True,
                          capture_output=True, text=True)
    return {row["name"]: row["value"] for row in json.loads(done.stdout)}


def produce(broker, topic, count):
    lines = "".join(f"record {number}\n" for number in range(count))
    subprocess.run([BINARY, "produce", topic, "-b", broker.address], input=lines, text=True, check=True,
                   capture_output=True)


def test_unsynced_bytes_and_their_age(broker):
    subprocess.run([BINARY, "topic", "create", "cached", "-b", broker.address], check=True, capture_output=True)
    subprocess.run([BINARY, "topic", "create", "synced", "-c", "durability=fsync", "-b", broker.address], check=True,
                   capture_output=True)
    before = figures(broker)
    assert before["martlet_log_unsynced_bytes"] == 0
    assert before["martlet_log_unsynced_age_seconds"] == 0
    produce(broker, "synced", 100)
    after = figures(broker)
    assert after["martlet_log_unsynced_bytes"] == 0
    assert after["martlet_log_bytes"] > before["martlet_log_bytes"]
    assert sum(value for name, value in after.items() if name.startswith("martlet_folder_syncs_total")) > 0
    produce(broker, "cached", 100)
    first = figures(broker)
    assert 0 < first["martlet_log_unsynced_bytes"] < first["martlet_log_bytes"]
    second = figures(broker)
    assert second["martlet_log_unsynced_age_seconds"] > first["martlet_log_unsynced_age_seconds"]


def test_requests_are_counted_by_api(broker):
    subprocess.run([BINARY, "topic", "create", "t", "-b", broker.address], check=True, capture_output=True)
    before = figures(broker)
    produce(broker, "t", 3)
    after = figures(broker)
    name = 'martlet_requests_total{api="Produce"}'
    assert after[name] == before.get(name, 0) + 1
    assert after["martlet_partitions"] == after["martlet_partitions_led"] == 1
