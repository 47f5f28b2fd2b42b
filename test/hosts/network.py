"""Cables between the hosts, and what goes wrong with them.

One bridge, 10.77.0.254, where the operator's machine (the test itself) is too; host N is 10.77.0.N, in a network
namespace of its own. Nothing here leads anywhere else. Faults are one nft table that is written whole from what is
wished for, so they add up and heal() takes all of them away.

Where a namespace is all that a host needs to be, stations() makes hosts that are no more than that:

    network = Network(cage.Cage.current())
    hosts = network.stations(30)
    subprocess.Popen([*hosts[0].enter, "ecbakd", ...])
    network.cut_off(hosts[6].number)   # no reset, no goodbye
"""
import pathlib
import socket
import subprocess
import sys

from common import wait_until
from .shell import run

WIRE = pathlib.Path(__file__).with_name("wire.py")
OPERATOR = 254


def address(number):
    return f"10.77.0.{number}"


def hardware(number):
    return f"02:00:00:4d:00:{number:02x}"


def ip(lines, *where):
    run("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")


class Station:
    """A host that has an address and nothing else of its own; `enter` are words to put before a command that is to run
    there. They become that command: the process that was started is the command's, its memory and time are its own."""

    def __init__(self, net, number):
        self.number, self.name, self.address = number, f"h{number}", address(number)
        self.enter = ["nsenter", f"--net=/run/netns/{net.namespace(number)}"]


class Network:
    def __init__(self, cage):
        self.prefix = cage.prefix
        self.bridge = f"{cage.prefix}br"
        self.numbers = []
        self.dropped = set()   # (from, to)
        self.silenced = set()  # numbers
        self.loss_percent = 0
        self.wire = None
        # Without addrgenmode none the kernel would talk on a new link, and be counted as traffic.
        ip(["link set lo up", f"link add {self.bridge} address {hardware(OPERATOR)} type bridge forward_delay 0",
            f"link set {self.bridge} addrgenmode none up", f"address add {address(OPERATOR)}/24 dev {self.bridge}"])

    def port(self, number):
        """This side's end of the host's cable."""
        return f"{self.prefix}p{number}"

    def namespace(self, number):
        return f"{self.prefix}h{number}"

    def add(self, number):
        assert 1 <= number < OPERATOR, f"hosts are 1 to {OPERATOR - 1}"
        space, port = self.namespace(number), self.port(number)
        ip([f"netns add {space}", f"link add {port} type veth peer name host0 address {hardware(number)} netns {space}",
            f"link set {port} master {self.bridge} addrgenmode none up"])
        ip(["link set lo up", "link set host0 addrgenmode none up", f"address add {address(number)}/24 dev host0"], "-n", space)
        self.numbers.append(number)

    def stations(self, count):
        """Hosts 1 to `count` as stations, each within reach of each."""
        found = [Station(self, number) for number in range(1, count + 1)]
        for station in found:
            self.add(station.number)
        self.introduce()
        for station in found:
            wait_until(lambda station=station: reached(station.address), 10, f"{station.name} is reached")
        return found

    def introduce(self):
        """Has all know all hardware addresses for good: the kernel's table of those that are asked for is one for all
        hosts and ends at 1024 entries, where packets are lost that nobody cut. Needed from some thirty hosts up."""
        def known(but, device):
            return [f"neighbour replace {address(number)} lladdr {hardware(number)} nud permanent dev {device}"
                    for number in [*self.numbers, OPERATOR] if number != but]
        ip(known(OPERATOR, self.bridge))
        for number in self.numbers:
            ip(known(number, "host0"), "-n", self.namespace(number))

    def traffic(self):
        """{number: (bytes sent, bytes received)} of each host since it is there."""
        counted = {}
        for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]:
            port, fields = line.split(":")
            counted[port.strip()] = fields.split()
        # What this side's end received, the host sent.
        return {number: (int(counted[self.port(number)][0]), int(counted[self.port(number)][8])) for number in self.numbers}

    def unplug(self, number):
        run("ip", "link", "set", self.port(number), "down")

    def plug(self, number):
        run("ip", "link", "set", self.port(number), "up")

    # -- faults --------------------------------------------------------------------------------------------
    def cut(self, one, other):
        self.dropped |= {(one, other), (other, one)}
        self.apply()

    def cut_off(self, number):
        """That host from all others."""
        self.silenced.add(number)
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
        self.dropped, self.silenced, self.loss_percent = set(), set(), 0
        self.apply()

    def apply(self):
        rules = [f'iifname "{self.port(a)}" oifname "{self.port(b)}" drop' for a, b in sorted(self.dropped)]
        rules += [f'{way} "{self.port(number)}" drop' for number in sorted(self.silenced) for way in ("iifname", "oifname")]
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


def reached(where):
    """A port of a bridge takes up to a second until it forwards. A host that is reached refuses."""
    try:
        socket.create_connection((where, 1), 0.5).close()
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)
    return True
