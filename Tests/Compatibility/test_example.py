"""The example of the client library, as a Swift program runs it."""
import subprocess

import pytest

from conftest import ROOT

PROGRAMS = [ROOT / ".build" / place / "ProduceConsume" for place in ("tests/release", "debug")]


def test_the_example_of_the_client_library_writes_and_reads(broker):
    program = next((program for program in PROGRAMS if program.exists()), None)
    if program is None:
        pytest.fail("swift build --product ProduceConsume makes what this test runs")
    done = subprocess.run([str(program), broker.address, "greetings"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("stored in partition")]) == 3
    assert sorted(line.split(" ", 1)[1] for line in lines if "Hello" in line) == [
        "Hello, Ada!", "Hello, Barbara!", "Hello, Grace!"]
