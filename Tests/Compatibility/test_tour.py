"""Every command of the README's tour runs as it stands there."""
import os
import re
import subprocess
import sys

from conftest import BINARY, ROOT, free_port


def run(kind, tmp_path, brokers, cwd):
    blocks = re.findall(rf"```sh {kind}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks, f"the README has a {kind}"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/martlet").symlink_to(BINARY)
    environment = os.environ | {"MARTLET_BROKERS": brokers, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)], cwd=cwd, env=environment,
                          capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_command_of_the_tour_runs(broker, tmp_path):
    done = run("tour", tmp_path, broker.address, ROOT)
    assert "ann=one apple" in done.stdout
    assert "bob: two pears" in done.stdout
    assert "nothing was changed" in done.stderr


def test_every_command_of_the_tour_of_a_cluster_runs(tmp_path):
    ports = [free_port() for _ in range(3)]
    cluster = subprocess.Popen(
        [sys.executable, str(ROOT / "Tools/scripts/cluster")], cwd=tmp_path,
        env=os.environ | {"BINARY": str(BINARY), "PORTS": ",".join(map(str, ports))})
    try:
        done = run("cluster", tmp_path, ",".join(f"127.0.0.1:{port}" for port in ports), tmp_path)
        assert "healthy" in done.stderr and "active controller" in done.stdout
    finally:
        cluster.terminate()
        assert cluster.wait(timeout=90) == 0
