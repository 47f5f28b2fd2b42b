"""Hosts with ecbak on them, as the playbooks make them: what the tests hosts_*.py work with.

A test program boots one set of hosts and runs its tests on it in their order, because the playbook costs more than
the boot: a test may rely on what those before it made, and gets a cluster that is whole (see settle()). A test that
fails prints what the nodes logged.
"""
import re
import sys
import time
import traceback

from common import BUILD, wait_until
from lab import DONE, Result, compare, make_tree

from . import cage, debian, image, playbook
from .host import Host
from .network import Network
from .shell import run

HOSTS = BUILD / "hosts"
JOIN = "site.yml"
ALIVE_S = 60  # how long members are given to agree on who is alive


def package(build=BUILD, release=None):
    """The package file that `make deb` made there, for that release or the one that the hosts of this run have."""
    release = release or debian.wanted()
    found = sorted((build / "deb").glob(f"ecbak_*+deb{debian.RELEASES[release]}_*.deb"))
    assert len(found) == 1, f"no package for {release} in {build}/deb: make deb RELEASE={release}"
    return found[0]


def next_package():
    """The same sources under the next version number, for upgrades: see `make test-hosts`."""
    return package(HOSTS / "next")


def incompatible_package():
    """The same sources under a version number after that, of which the nodes speak protocol 3 only."""
    return package(HOSTS / "protocol-3")


def needed_packages(release=None):
    """What the package depends on."""
    depends = run("dpkg-deb", "--field", package(release=release), "Depends").stdout
    first = [re.split(r"[ (|]", clause.strip())[0] for clause in depends.split(",")]
    return [name for name in first if not name.startswith("systemd")]


def base_image(release=None):
    return image.base(HOSTS, release or debian.wanted(), needed_packages(release))


class Cluster:
    """`count` hosts that have booted, and an operator; join() makes members of them."""

    def __init__(self, count):
        self.cage = cage.Cage.current()
        self.image, ssh_key = base_image()
        self.net = Network(self.cage)
        self.operator = playbook.Operator(self.cage, ssh_key)
        self.operator.variables.update(ecbak_deb=package(), ecbak_capacity="1G")
        self.hosts, self.members = [], []
        self.add(count)
        self.phrase = None

    def add(self, count=1, prepare=None, boot=True, release=None):
        """Boots more hosts, of the run's release or another; `prepare` may give each disks before."""
        image_root, ssh_key = base_image(release) if release else (self.image, None)
        new = [Host(self.cage, self.net, image_root, len(self.hosts) + i + 1) for i in range(count)]
        for host in new if ssh_key else []:
            self.operator.host_variables[host.name] = {"ansible_ssh_private_key_file": ssh_key}
        self.hosts += new
        for host in new if prepare else []:
            prepare(host)
        if boot:
            self.boot(*new)
        return new

    def boot(self, *hosts):
        for host in hosts:
            host.boot()
        for host in hosts:
            host.wait_up()

    # -- the playbooks -------------------------------------------------------------------------------------
    def play(self, name, *options, hosts=None, **more):
        """Runs a playbook over the members, or these hosts."""
        return self.operator.play(name, hosts if hosts is not None else self.members, *options, **more)

    def join(self, *hosts):
        """Makes these hosts members, beside those that are; returns the playbook's report."""
        self.members += [host for host in hosts if host not in self.members]
        report = self.play(JOIN).expect_done()
        self.wait_alive()
        return report

    # -- ecbak ---------------------------------------------------------------------------------------------
    def ecbak(self, host, *words, **more):
        return Result(host.run("ecbak", *words, check=False, **more))

    def states(self, host):
        """Name to state, as that host's node sees its members; empty while it does not answer."""
        shown = self.ecbak(host, "members", "--json")
        members = shown.json["members"] if shown.code == DONE else []
        # A name may have a past: the machine that is alive comes last, and counts.
        return {m["name"]: m["state"] for m in sorted(members, key=lambda m: m["state"] == "alive")}

    def member(self, host, name):
        """What that host's node knows of the member of that name: the one that is alive, where several had it."""
        found = [m for m in self.ecbak(host, "members", "--json").expect(DONE).json["members"] if m["name"] == name]
        return max(found, key=lambda m: m["state"] == "alive")

    def wait_alive(self, hosts=None, seconds=ALIVE_S):
        """Until all of these (default: all members) see all of these alive."""
        hosts = hosts or self.members
        for host in hosts:
            for other in hosts:
                wait_until(lambda host=host, other=other: self.states(host).get(other.name) == "alive", seconds,
                           lambda host=host, other=other: f"{host.name} sees {other.name} alive: {self.states(host)}", pause=0.2)

    def wait_seen(self, state, *hosts, by, seconds=ALIVE_S):
        """Until each of `by` sees each of `hosts` in that state."""
        for host in by:
            for other in hosts:
                wait_until(lambda host=host, other=other: self.states(host).get(other.name) == state, seconds,
                           lambda host=host, other=other: f"{host.name} sees {other.name} {state}: {self.states(host)}", pause=0.2)

    def running(self):
        return [host for host in self.members if host.nspawn is not None]

    def settle(self):
        """Whole again: no fault in the network, all members on and alive."""
        self.net.heal()
        if self.net.wire is not None:
            self.net.shorten()
        self.boot(*(host for host in self.members if host.nspawn is None))
        self.wait_alive()

    # -- what people do ------------------------------------------------------------------------------------
    def init(self, host):
        """A vault, opened on that host; its phrase is kept."""
        self.phrase = self.ecbak(host, "init", "--json").expect(DONE).json["phrase"]

    def tree(self, host, name, **how):
        """Makes a tree of files there; returns its path in the host."""
        make_tree(str(host.path(f"/srv/{name}")), **how)
        return f"/srv/{name}"

    def store(self, host, path, *options):
        return self.ecbak(host, "store", path, "--json", *options)

    def snapshots(self, host):
        """Their ids, oldest first."""
        return [entry["id"] for entry in self.ecbak(host, "snapshots", "--json").expect(DONE).json["snapshots"]]

    def oldest(self, host):
        return self.snapshots(host)[0]

    def open(self, host):
        """The vault on a machine that knows nothing of it."""
        host.run("rm", "-rf", "/root/.local/share/ecbak", "/root/.cache/ecbak")
        return self.ecbak(host, "open", stdin=self.phrase + "\n")

    def recover_and_compare(self, reader, source, path, snapshot="latest"):
        """Brings the snapshot back on `reader` and compares it with `path` of the host `source`."""
        to = f"/srv/back-{time.monotonic_ns()}"
        self.ecbak(reader, "recover", snapshot, "--to", to, path).expect(DONE)
        compare(source.path(path), reader.path(to + path))
        reader.run("rm", "-rf", to)

    def logs(self):
        for host in self.members:
            if host.init_process() is None:
                yield f"--- {host.name} is off; its console:\n{host.console.read_text(errors='replace')[-500:]}"
            else:
                done = host.run("journalctl", "--no-pager", "-q", "-o", "short-precise", "-n", "12", "-u", "ecbakd", check=False)
                yield f"--- {host.name}\n{done.stdout[-2500:]}"


def run_tests(count, tests, prepare=base_image):
    """What a test program's main is: boots `count` hosts in a cage, runs the tests in their order on them. `prepare` makes
    what needs a network, before.

    Words on the command line choose tests by their names; the first, which makes the cluster, is always run.
    """
    def inside():
        failed = 0
        cluster = Cluster(count)
        for test in tests:
            if sys.argv[1:] and test is not tests[0] and not any(word in test.__name__ for word in sys.argv[1:]):
                continue
            start = time.monotonic()
            try:
                test(cluster)
                print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:  # one test's failure must not hide the others
                failed += 1
                print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
                print("\n".join(cluster.logs()), flush=True)
                if test is tests[0]:
                    break  # nothing to test with
        return 1 if failed else 0

    return cage.main(inside, prepare=prepare)


def figure(what, seconds, target):
    """A measured time beside what it should be; never a reason to fail."""
    print(f"figure: {what}: {seconds:.1f} s (at most {target} s: {'ok' if seconds <= target else 'MISSED'})", flush=True)
