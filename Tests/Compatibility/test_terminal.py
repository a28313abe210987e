"""What a person sees who runs the program in a terminal."""
import os
import pty
import subprocess

from conftest import BINARY


def run_with_terminal(arguments, stdin):
    """Standard error of the command, as a terminal got it, and the exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, *arguments], stdin=stdin, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed.
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return shown.decode(), process.wait(timeout=60)


def test_a_long_produce_shows_how_far_it_is_and_cleans_up_behind_itself(broker, tmp_path):
    lines = tmp_path / "lines"
    with lines.open("w") as file:
        for number in range(1_500_000):
            file.write(f"line {number} of a file that takes a while to be sent to the broker and stored there\n")
    bootstrap = ["-b", broker.address]
    subprocess.run([BINARY, "topic", "create", "long", *bootstrap], check=True, capture_output=True)
    with lines.open() as file:
        shown, code = run_with_terminal(["produce", "long", *bootstrap], file)
    assert code == 0, shown
    assert "MB/s" in shown
    assert shown.rstrip().endswith("1500000 records to long")
    assert shown.rfind("\x1b[K") > shown.rfind("MB/s")


def test_nothing_of_it_is_shown_where_nobody_looks(broker):
    bootstrap = ["-b", broker.address]
    subprocess.run([BINARY, "topic", "create", "t", *bootstrap], check=True, capture_output=True)
    done = subprocess.run([BINARY, "produce", "t", *bootstrap], input=b"a\nb\n", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
