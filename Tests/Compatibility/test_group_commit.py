"""At the fsync level many acknowledgements share a sync: counted below the broker, at the system calls."""
import json
import pathlib
import subprocess

import pytest

from conftest import BINARY, ROOT
from disk_faults import FaultyDisk

PRODUCERS = 64
REQUESTS = 6400
REQUESTS_PER_SYNC_MIN = 16


@pytest.fixture
def load(tmp_path):
    """The load program of the bench."""
    path = tmp_path / "load"
    subprocess.run(["gcc", "-O2", "-msse4.2", "-I", ROOT / "Sources/CLinux/include", "-o", path,
                    ROOT / "Tools/Bench/load.c", ROOT / "Sources/CLinux/crc32c.c", "-lpthread"], check=True)
    return path


@pytest.mark.parametrize("delay_us", [1000, 5000])
def test_waiting_acknowledgements_share_syncs(make_broker_on, load, tmp_path, delay_us):
    data = tmp_path / "data"
    disk = FaultyDisk(tmp_path, data)
    broker = make_broker_on(data, environment=disk.environment)
    subprocess.run([BINARY, "topic", "create", "t", "-b", broker.address, "-c", "durability=fsync"], check=True)
    disk.sync_delay_us = delay_us
    disk.only("t-0")
    before = disk.syncs
    done = subprocess.run([load, "produce", str(broker.port), "t", str(PRODUCERS), "1", "1", "100", str(REQUESTS), "0"],
                          check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["requests"] == REQUESTS
    syncs = disk.syncs - before
    print(f"{REQUESTS} acknowledgements, {syncs} syncs: {done.stdout.strip()}")
    assert 0 < syncs <= REQUESTS / REQUESTS_PER_SYNC_MIN
