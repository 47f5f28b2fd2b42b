"""Cables between the hosts, and what goes wrong with them.

One bridge, 10.77.0.254, where the operator's machine (the test itself) is too; host N is 10.77.0.N, in a network
namespace of its own. Nothing here leads anywhere else. Faults are one nft table that is written whole from what is
wished for, so they add up and heal() takes all of them away.
"""
import json
import pathlib
import subprocess
import sys

from .shell import run

WIRE = pathlib.Path(__file__).with_name("wire.py")
OPERATOR = "10.77.0.254"


def address(number):
    return f"10.77.0.{number}"


class Network:
    def __init__(self, cage):
        self.prefix = cage.prefix
        self.bridge = f"{cage.prefix}br"
        self.numbers = []
        self.dropped = set()  # (from, to)
        self.loss_percent = 0
        self.wire = None
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", self.bridge, "type", "bridge", "forward_delay", "0")
        run("ip", "address", "add", f"{OPERATOR}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def port(self, number):
        """This side's end of the host's cable."""
        return f"{self.prefix}p{number}"

    def namespace(self, number):
        return f"{self.prefix}h{number}"

    def add(self, number):
        space, port = self.namespace(number), self.port(number)
        run("ip", "netns", "add", space)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "host0", "netns", space)
        run("ip", "-n", space, "address", "add", f"{address(number)}/24", "dev", "host0")
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", space, "link", "set", "host0", "up")
        run("ip", "link", "set", port, "master", self.bridge, "up")
        self.numbers.append(number)

    def introduce(self):
        """Has all know all hardware addresses for good: the kernel's table of those that are asked for is one for all
        hosts and ends at 1024 entries, where packets are lost that nobody cut. Needed from some thirty hosts up."""
        def hardware(where, device):
            return json.loads(run("ip", *where, "-j", "link", "show", device).stdout)[0]["address"]
        places = {address(number): (["-n", self.namespace(number)], "host0") for number in self.numbers}
        places[OPERATOR] = ([], self.bridge)
        known = {one: hardware(*place) for one, place in places.items()}
        for one, (where, device) in places.items():
            lines = [f"neighbour replace {other} lladdr {mac} nud permanent dev {device}" for other, mac in known.items() if other != one]
            run("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")

    def unplug(self, number):
        run("ip", "link", "set", self.port(number), "down")

    def plug(self, number):
        run("ip", "link", "set", self.port(number), "up")

    # -- faults --------------------------------------------------------------------------------------------
    def cut(self, one, other):
        self.dropped |= {(one, other), (other, one)}
        self.apply()

    def cut_one_way(self, sender, receiver):
        self.dropped.add((sender, receiver))
        self.apply()

    def partition(self, *groups):
        """Hosts of different groups do not hear each other; the operator reaches all."""
        self.dropped |= {(a, b) for one in groups for other in groups if one is not other for a in one for b in other}
        self.apply()

    def loss(self, percent):
        """Of all frames between hosts."""
        self.loss_percent = percent
        self.apply()

    def heal(self):
        self.dropped, self.loss_percent = set(), 0
        self.apply()

    def apply(self):
        rules = [f'iifname "{self.port(a)}" oifname "{self.port(b)}" drop' for a, b in sorted(self.dropped)]
        if self.loss_percent:
            rules.append(f"numgen random mod 100 < {self.loss_percent} drop")
        body = "\n".join(f"    {rule}" for rule in rules)
        run("nft", "-f", "-", stdin=f"table bridge faults\ndelete table bridge faults\ntable bridge faults {{\n"
            f"  chain passing {{\n    type filter hook forward priority 0; policy accept;\n{body}\n  }}\n}}\n")

    # -- long cables ---------------------------------------------------------------------------------------
    def lengthen(self, delay_ms, jitter_ms):
        """Every host's cable delays all that passes, each way; between two hosts there are two cables."""
        ends = {number: (f"{self.prefix}a{number}", f"{self.prefix}b{number}") for number in self.numbers}
        self.wire = subprocess.Popen([sys.executable, WIRE, str(delay_ms), str(jitter_ms),
                                      *(":".join(pair) for pair in ends.values())], stdout=subprocess.PIPE, text=True)
        assert self.wire.stdout.readline() == "ready\n", "the long cables could not be laid"
        for number, (near, far) in ends.items():
            joint = f"{self.prefix}j{number}"
            run("ip", "link", "add", joint, "type", "bridge", "forward_delay", "0")
            run("ip", "link", "set", joint, "up")
            run("ip", "link", "set", near, "master", self.bridge, "up")
            run("ip", "link", "set", far, "master", joint, "up")
            run("ip", "link", "set", self.port(number), "master", joint)

    def shorten(self):
        """Back to short cables; the devices of the long ones go with the program that made them."""
        self.wire.kill()
        self.wire.wait()
        self.wire.stdout.close()
        self.wire = None
        for number in self.numbers:
            run("ip", "link", "set", self.port(number), "master", self.bridge)
            run("ip", "link", "delete", f"{self.prefix}j{number}")
