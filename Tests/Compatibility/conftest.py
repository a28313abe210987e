"""Starts the real program for the tests of this folder."""
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MARTLET_BINARY", ROOT / ".build/release/martlet"))
FULL = os.environ.get("MARTLET_FULL") == "1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """One broker process on a data folder of its own."""

    def __init__(self, folder: pathlib.Path, settings=(), environment=None):
        self.folder = folder
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.settings = list(settings)
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.log = folder.parent / "broker.log"

    def start(self):
        arguments = [str(BINARY), "broker", "--set", f"listeners=PLAINTEXT://{self.address}",
                     "--set", f"log.dirs={self.folder}"]
        for setting in self.settings:
            arguments += ["--set", setting]
        self.process = subprocess.Popen(
            arguments, stderr=open(self.log, "ab"), stdin=subprocess.DEVNULL, env=self.environment)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.005)
        raise TimeoutError("the broker does not listen")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0, self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def resident_kib(self) -> int:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise LookupError("VmRSS")


@pytest.fixture
def make_broker_on():
    """Makes brokers on given folders; they are killed when the test ends."""
    made = []

    def make(folder, *settings, environment=None):
        broker = Broker(folder, settings, environment)
        made.append(broker)
        return broker.start()

    yield make
    for broker in made:
        if broker.is_running():
            broker.kill()


@pytest.fixture
def make_broker(make_broker_on, tmp_path):
    """Makes brokers on folders of their own."""
    count = 0

    def make(*settings):
        nonlocal count
        count += 1
        return make_broker_on(tmp_path / f"data{count}", *settings)

    return make


@pytest.fixture
def broker(make_broker):
    return make_broker()
