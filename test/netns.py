"""Several machines on this one: a network namespace a host, all of them on one bridge.

    enter_cage()                       # first thing of the program; needs root
    with Network(30) as network:       # hosts 10.77.0.1 to 10.77.0.30
        subprocess.Popen([*network.hosts[0].enter, "ecbakd", ...])
        network.cut(network.hosts[6])  # its packets are dropped in the bridge, both ways: no reset, no goodbye
        network.heal()

  enter_cage   Starts the program again as the first process of mount, network and pid namespaces of its own, with a
               memory file system on /run that holds all temporary folders. When that process ends, however it ends,
               the kernel ends every process and removes every namespace, link and file that the test made. Returns
               in the cage only.
  Host.enter   Words to put before a command that is to run on that host. They become that command: the pid that was
               started is the command's, and its memory and time are its own.
  Addresses    Every host knows every other's hardware address from the start, for good: the kernel's table of those that
               are asked for is one for all namespaces and ends at 1024, where packets are lost that nobody cut.
  traffic      Bytes that each host has sent and received since it came up, as the bridge saw them.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

IN_CAGE = "ECBAK_TEST_CAGE"
HOSTS_MAX = 200


def enter_cage():
    if os.environ.get(IN_CAGE) == "1" and os.getpid() == 1:
        subprocess.run(["mount", "-t", "tmpfs", "cage", "/run"], check=True)
        tempfile.tempdir = "/run"
        # The first process of a namespace ignores what it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: makes network namespaces, which needs root")
    # The outermost program waits. Whichever of these is killed takes those inside along.
    cage = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
            "--mount-proc", sys.executable, *sys.argv]
    with subprocess.Popen(cage, env=dict(os.environ, **{IN_CAGE: "1"})) as child:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:  # the cage has had it too
            sys.exit(child.wait())


class Host:
    def __init__(self, number):
        self.number = number
        self.name = f"h{number}"
        self.address = f"10.77.0.{number}"
        self.hardware = hardware(number)
        self.port = f"v{number}"  # its end in the bridge
        self.enter = ["nsenter", f"--net=/run/netns/{self.name}"]


class Network:
    def __init__(self, count):
        if not 1 <= count <= HOSTS_MAX:
            raise ValueError(f"1 to {HOSTS_MAX} hosts")
        self.hosts = [Host(number + 1) for number in range(count)]

    def __enter__(self):
        lines = ["link set lo up", f"link add bridge address {hardware(254)} type bridge forward_delay 0",
                 "link set bridge addrgenmode none up", "address add 10.77.0.254/24 dev bridge"]
        for host in self.hosts:
            lines += [f"netns add {host.name}",
                      f"link add {host.port} type veth peer name eth0 address {host.hardware} netns {host.name}",
                      f"link set {host.port} master bridge addrgenmode none up",
                      f"neighbour add {host.address} lladdr {host.hardware} nud permanent dev bridge"]
        ip(lines)
        known = [(host.address, host.hardware) for host in self.hosts] + [("10.77.0.254", hardware(254))]
        for host in self.hosts:
            ip(["link set lo up", "link set eth0 addrgenmode none up", f"address add {host.address}/24 dev eth0",
                *(f"neighbour add {address} lladdr {lladdr} nud permanent dev eth0" for address, lladdr in known
                  if address != host.address)], host.enter)
        nft("add table bridge cut")
        nft("add set bridge cut hosts { type ifname; }")
        nft("add chain bridge cut between { type filter hook forward priority 0; }")
        nft("add rule bridge cut between iifname @hosts drop")
        nft("add rule bridge cut between oifname @hosts drop")
        self.wait_for_links()
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            ip([f"netns delete {host.name}"])
        ip(["link delete bridge"])
        nft("delete table bridge cut")

    def wait_for_links(self):
        """A port of the bridge takes up to a second until it forwards. A host that is reached refuses."""
        deadline = time.monotonic() + 10
        for host in self.hosts:
            while True:
                try:
                    socket.create_connection((host.address, 1), 0.5).close()
                except ConnectionRefusedError:
                    break
                except OSError as error:
                    if time.monotonic() > deadline:
                        raise AssertionError(f"{host.name} cannot be reached: {error}") from None

    def cut(self, host):
        nft(f"add element bridge cut hosts {{ {host.port} }}")

    def heal(self):
        nft("flush set bridge cut hosts")

    def traffic(self):
        """{host's name: (bytes sent, bytes received)}"""
        counted = {}
        for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]:
            port, fields = line.split(":")
            counted[port.strip()] = fields.split()
        # What the bridge's end received, the host sent.
        return {host.name: (int(counted[host.port][0]), int(counted[host.port][8])) for host in self.hosts}


def hardware(number):
    return f"02:00:00:4d:00:{number:02x}"


def ip(lines, enter=()):
    subprocess.run([*enter, "ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def nft(command):
    subprocess.run(["nft", *command.split()], check=True)
