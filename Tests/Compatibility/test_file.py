"""A real text file goes through the broker with our own program and comes back byte for byte."""
import pathlib
import subprocess

from conftest import BINARY, FULL, ROOT

SIZE = (100 << 20) if FULL else (20 << 20)


def text_of_this_machine(target: pathlib.Path):
    """Real text: the sources of the project and what Python brings with it, again and again until there is enough."""
    roots = [ROOT / "Sources", ROOT / "Docs", pathlib.Path(subprocess.__file__).parent]
    files = sorted(f for root in roots for f in root.rglob("*") if f.suffix in {".swift", ".md", ".py", ".txt"})
    with target.open("wb") as out:
        while out.tell() < SIZE:
            for file in files:
                content = file.read_bytes()
                out.write(content if content.endswith(b"\n") else content + b"\n")
                if out.tell() >= SIZE:
                    break


def martlet(broker, *arguments, **options):
    return subprocess.run([str(BINARY), *arguments, "-b", broker.address], check=True, timeout=300, **options)


def test_a_file_comes_back_byte_for_byte(broker, tmp_path):
    source = tmp_path / "text"
    text_of_this_machine(source)
    martlet(broker, "topic", "create", "text", "--partitions", "1", stdout=subprocess.DEVNULL)
    with source.open("rb") as lines:
        martlet(broker, "produce", "text", "-z", "lz4", stdin=lines, stdout=subprocess.DEVNULL)
    broker.kill()
    broker.start()
    with (tmp_path / "back").open("wb") as back:
        martlet(broker, "consume", "text", "--offset", "start", "-e", "-f", "%s\\n", stdout=back)
    assert subprocess.run(["cmp", source, tmp_path / "back"]).returncode == 0
