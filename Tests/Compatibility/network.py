"""A network of namespaces: a bridge, and a host with an address of its own for every node; clients are host 0, at the bridge.

Directions are cut by a wrong hardware address in the sender's table of neighbours: its packets are lost without a word, as in a
broken network, and what comes the other way is untouched. That needs nothing of the kernel but veth and bridge; a slow link
needs the token bucket of `tc`.
"""
import os
import subprocess
import sys

NOWHERE = "02:00:00:00:ff:ff"


def enter():
    """Begins the program anew in namespaces of its own, so that nothing of its network, mounts and processes outlives it."""
    if os.getpid() == 1:
        return  # The first process of a namespace of processes: it was begun anew already.
    if os.geteuid() != 0:
        sys.exit("to make network namespaces takes root")
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run([*apart, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        sys.exit(f"this machine does not let us make namespaces: {tried.stderr.strip()}")
    os.execvp(apart[0], [*apart, sys.executable, *sys.argv])


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr.strip()}"


class Network:
    """Hosts 0 (the clients) to `count`; made in the namespaces that `enter` began, whose end is its end."""

    def __init__(self, count):
        self.hosts = range(count + 1)
        # Names of namespaces are files there; the mount is seen by nobody else.
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge0", "type", "bridge")
        run("ip", "link", "set", "bridge0", "address", self.hardware(0))
        run("ip", "addr", "add", f"{self.address(0)}/24", "dev", "bridge0")
        run("ip", "link", "set", "bridge0", "up")
        for host in self.hosts[1:]:
            self._join(host)
        for one in self.hosts:
            for other in self.hosts:
                if one != other:
                    self.mend(one, other)

    def _join(self, host):
        run("ip", "netns", "add", f"n{host}")
        run("ip", "link", "add", f"port{host}", "type", "veth", "peer", "name", "eth0", "netns", f"n{host}")
        run("ip", "link", "set", f"port{host}", "master", "bridge0", "up")
        run("ip", "-n", f"n{host}", "link", "set", "eth0", "address", self.hardware(host))
        run("ip", "-n", f"n{host}", "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            run("ip", "-n", f"n{host}", "link", "set", device, "up")

    @staticmethod
    def address(host):
        return f"10.77.0.{host or 100}"

    @staticmethod
    def hardware(host):
        return f"02:00:00:00:00:{host or 100:02x}"

    @staticmethod
    def at(host, *words):
        """The command that runs another one at a host; it becomes that other one, so that its process id is known."""
        return ["nsenter", f"--net=/run/netns/n{host}", *words]

    def _neighbour(self, one, other, hardware):
        place = ("ip", "-n", f"n{one}") if one else ("ip",)
        run(*place, "neigh", "replace", self.address(other), "lladdr", hardware, "nud", "permanent",
            "dev", "eth0" if one else "bridge0")

    def cut(self, one, other):
        """Nothing from `one` reaches `other` any more."""
        self._neighbour(one, other, NOWHERE)

    def mend(self, one, other):
        self._neighbour(one, other, self.hardware(other))

    def unplug(self, host):
        """The host is off from all others and from the clients."""
        run("ip", "link", "set", f"port{host}", "down")

    def plug(self, host):
        run("ip", "link", "set", f"port{host}", "up")

    def slow(self, host, kilobits):
        """Both directions of a host get a bucket of so few bits a second, and a queue before it that drops what is too much."""
        for place in (("tc",), ("tc", "-n", f"n{host}")):
            run(*place, "qdisc", "add", "dev", "eth0" if len(place) > 1 else f"port{host}", "root", "tbf",
                "rate", f"{kilobits}kbit", "burst", "16k", "latency", "400ms")

    def quicken(self, host):
        run("tc", "qdisc", "del", "dev", f"port{host}", "root")
        run("tc", "-n", f"n{host}", "qdisc", "del", "dev", "eth0", "root")
