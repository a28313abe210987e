"""A data folder belongs to one node of one cluster, and to one process."""
import subprocess

from conftest import BINARY, free_port


def start(broker, *settings):
    """What a start on the broker's folder says, when it is to fail."""
    words = [str(BINARY), "broker", "--set", f"listeners=PLAINTEXT://{broker.address}", "--set", f"log.dirs={broker.folder}"]
    done = subprocess.run(words + [f"--set={setting}" for setting in settings], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_a_folder_of_another_node_or_cluster_is_refused(make_broker):
    broker = make_broker()
    assert "use" in start(broker)
    broker.stop()
    assert "node" in start(broker, "node.id=7")
    assert "cluster" in start(broker, "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ")
    broker.start()
    broker.stop()


# The keys of the file that comes with Apache Kafka for a single combined node.
USUAL = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:{controller}
listeners=PLAINTEXT://:{port},CONTROLLER://:{controller}
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs={folder}
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


def test_the_usual_file_of_kafka_is_taken(tmp_path):
    file = tmp_path / "server.properties"
    file.write_text(USUAL.format(port=free_port(), controller=free_port(), folder=tmp_path / "data"))
    done = subprocess.run([str(BINARY), "config", "check", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    cluster = subprocess.run([str(BINARY), "storage", "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(
        [str(BINARY), "storage", "format", "--standalone", "--cluster-id", cluster, "--config", str(file)],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
