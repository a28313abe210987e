"""What befalls a cluster: faults with a beginning and an end, and pairs of them. What, where and how long follows from a seed."""
import time

ALL = (1, 2, 3)


class Fault:
    """Words for the log, what begins it, and what ends it."""

    def __init__(self, words, begin, end):
        self.words, self.begin, self.end = words, begin, end


def kill(cluster, nodes, chance):
    node = cluster.node(nodes[0])
    return Fault(f"kill -9 of node {nodes[0]}", node.kill, node.start)


def pause(cluster, nodes, chance):
    node = cluster.node(nodes[0])
    return Fault(f"pause of node {nodes[0]}", node.pause, node.go_on)


def restart(cluster, nodes, chance):
    node = cluster.node(nodes[0])
    return Fault(f"orderly stop of node {nodes[0]}", node.stop, node.start)


def cuts(cluster, pairs, words):
    """Each pair is a direction."""
    def each(do):
        for one, other in pairs:
            do(one, other)
    return Fault(words, lambda: each(cluster.network.cut), lambda: each(cluster.network.mend))


def cut_one_way(cluster, nodes, chance):
    return cuts(cluster, [nodes[:2]], f"cut from node {nodes[0]} to node {nodes[1]}")


def cut_both_ways(cluster, nodes, chance):
    # The third node sees both: it is the bridge between two that do not see each other.
    one, other, bridge = nodes
    return cuts(cluster, [(one, other), (other, one)], f"cut between nodes {one} and {other}, node {bridge} is the bridge")


def cut_from_others(cluster, nodes, chance):
    # Clients still reach the node that the majority has lost: it must acknowledge nothing of its own.
    one, others = nodes[0], nodes[1:]
    ways = [(one, other) for other in others] + [(other, one) for other in others]
    return cuts(cluster, ways, f"node {one} cut off from the majority, not from clients")


def deafen(cluster, nodes, chance):
    return cuts(cluster, [(other, nodes[0]) for other in nodes[1:]], f"node {nodes[0]} hears no other node")


def silence(cluster, nodes, chance):
    return cuts(cluster, [(nodes[0], other) for other in nodes[1:]], f"node {nodes[0]} is heard by no other node")


def cut_answers(cluster, nodes, chance):
    return cuts(cluster, [(nodes[0], 0)], f"cut from node {nodes[0]} to the clients")


def unplug(cluster, nodes, chance):
    network = cluster.network
    return Fault(f"node {nodes[0]} unplugged", lambda: network.unplug(nodes[0]), lambda: network.plug(nodes[0]))


def slow(cluster, nodes, chance):
    rate, network = chance.choice([200, 500, 2000]), cluster.network
    return Fault(f"{rate} kbit/s to and from node {nodes[0]}",
                 lambda: network.slow(nodes[0], rate), lambda: network.quicken(nodes[0]))


def fill_disk(cluster, nodes, chance):
    free = chance.choice([0, 64 << 10])
    return Fault(f"{free >> 10} KiB left on the disk of node {cluster.small.number}",
                 lambda: cluster.fill_disk(free), cluster.empty_disk)


SINGLE = [
    kill, pause, restart, cut_one_way, cut_both_ways, cut_from_others, deafen, silence, cut_answers, unplug, slow, fill_disk]
# The first befalls the first node of a turn and the second the second one, while the first lasts.
PAIRS = [(kill, kill), (kill, pause), (pause, kill), (pause, pause), (kill, cut_from_others), (cut_one_way, restart),
         (slow, kill), (fill_disk, kill), (fill_disk, restart)]


def begin(fault, note):
    note(f"begins: {fault.words}")
    fault.begin()


def end(fault, note):
    fault.end()
    note(f"ends:   {fault.words}")


def roll(cluster, note, nodes):
    """An orderly restart of all nodes, one after the other."""
    for number in nodes:
        stop = restart(cluster, [number], None)
        begin(stop, note)
        end(stop, note)
        cluster.settle()


class Chaos:
    """Deals every fault and every pair once, in an order of its own, before any comes again."""

    def __init__(self, cluster, chance, note):
        self.cluster, self.chance, self.note = cluster, chance, note
        self.deck = []

    def turn(self):
        """One fault or pair of faults from its beginning to its end."""
        if not self.deck:
            self.deck = [(fault,) for fault in SINGLE] + PAIRS + [roll]
            self.chance.shuffle(self.deck)
        card = self.deck.pop()
        nodes = self.chance.sample(ALL, 3)
        lengths = [self.chance.uniform(0.2, 5.0), self.chance.uniform(0.2, 2.0)]
        if card is roll:
            roll(self.cluster, self.note, nodes)
            return
        faults = [make(self.cluster, place, self.chance) for make, place in zip(card, (nodes, nodes[1:] + nodes[:1]))]
        for fault, length in zip(faults, lengths):
            begin(fault, self.note)
            time.sleep(length)
        # What came first may end last: a node starts while another is still away, or on a disk that is still full.
        if self.chance.random() < 0.5:
            faults.reverse()
        gap = self.chance.uniform(0, 2)
        for place, fault in enumerate(faults):
            time.sleep(gap if place else 0)
            end(fault, self.note)
