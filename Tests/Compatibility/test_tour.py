"""Every command of the README's tour runs as it stands there."""
import os
import re
import subprocess

from conftest import BINARY, ROOT


def test_every_command_of_the_tour_runs(broker, tmp_path):
    blocks = re.findall(r"```sh tour\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks, "the README has a tour"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/martlet").symlink_to(BINARY)
    environment = os.environ | {"MARTLET_BROKERS": broker.address,
                                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)], cwd=ROOT, env=environment,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ann=one apple" in done.stdout
    assert "bob: two pears" in done.stdout
    assert "nothing was changed" in done.stderr
