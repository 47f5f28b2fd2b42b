#!/usr/bin/env python3
"""The image of ansible/containers/Containerfile, built, and run as its head says: for `make container-check` (root, podman).

It starts from a Debian that mmdebstrap makes of this machine's own package sources, so no registry of images is asked. It
is built with the machine's network and run in a cage without any (see hosts/cage.py): two hosts that are a network
namespace each, a node on each. All of podman's own is in the cage or below build/containers.
"""
import json
import pathlib
import shutil
import sys
import time

from common import BUILD, run_tests
from hosts import cage, debian
from hosts.cluster import package
from hosts.network import Network
from hosts.shell import run

TOP = pathlib.Path(__file__).resolve().parent.parent
CONTAINERFILE = TOP / "ansible/containers/Containerfile"
FOLDER = BUILD / "containers"
IMAGE = FOLDER / "ecbak.tar"
NAME = "localhost/ecbak-check"
OWNER = (741, 741)  # of what a node keeps: as the Containerfile says
STOP_S = 10         # what podman gives a container to stop in, unless told otherwise


class Podman:
    """One that knows nothing of the machine's: its store and what it remembers are in that folder."""

    def __init__(self, folder, entering=()):
        self.words = [*entering, "podman", "--root", f"{folder}/storage", "--runroot", f"{folder}/state", "--tmpdir", f"{folder}/run",
                      "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def __call__(self, *words, **more):
        return run(*self.words, *words, **more)


# ---- outside: the image ------------------------------------------------------------------------------------------
def base():
    """A tar of a minimal Debian; kept for the next time."""
    return debian.once(FOLDER, "base", debian.wanted(), [], lambda made: debian.make(debian.wanted(), made / "base.tar", [])) / "base.tar"


def build():
    """Builds the image as the Containerfile's head says, but for its base, and writes it to IMAGE."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGE.unlink(missing_ok=True)
    work = FOLDER / "building"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    podman = Podman(work, ["unshare", "--mount"])  # what each call mounts goes with it
    try:
        podman("import", "--quiet", base(), "localhost/base")
        podman("build", "--isolation", "chroot", "--network", "host", "--build-arg", "BASE=localhost/base",
               "--build-arg", f"RELEASE={debian.RELEASES[debian.wanted()]}", "-f", CONTAINERFILE,
               "-t", NAME, package().parent, timeout=900)
        podman("save", "--quiet", "--output", IMAGE, NAME)
    finally:
        shutil.rmtree(work)


# ---- inside: its life --------------------------------------------------------------------------------------------
class Node:
    """One container and its two volumes, on a host of its own."""

    def __init__(self, podman, host, folder):
        self.podman, self.host, self.name = podman, host, f"node{host.number}"
        self.request, self.certificate, self.conf = (folder / f"{self.name}.{kind}" for kind in ("request", "cert", "conf"))

    def first_start(self):
        """As the head says, but for the network, whose host gives the name too. Returns what it said."""
        return self.create("--name", self.name).stdout

    def create(self, *how):
        # No control groups: not every machine lets a cage make some.
        return self.podman("run", "--cgroups=disabled", "--network", f"ns:/run/netns/{self.host.space}", "--hostname", self.name,
                           "-v", f"{self.name}-etc:/etc/ecbak", "-v", f"{self.name}-data:/var/lib/ecbak", *how, NAME)

    def start(self):
        self.podman("start", self.name)

    def put(self, file, name):
        self.podman("cp", file, f"{self.name}:/etc/ecbak/{name}")

    def configure(self, lines):
        self.podman("cp", f"{self.name}:/etc/ecbak/ecbakd.conf", self.conf)
        with self.conf.open("a") as file:
            file.write("\n".join([*lines, ""]))
        self.put(self.conf, "ecbakd.conf")

    def exec(self, *words, user="ecbak", **more):
        return self.podman("exec", "-i", "--user", user, self.name, *words, **more).stdout

    def state(self):
        return json.loads(self.podman("inspect", self.name).stdout)[0]["State"]

    def volume(self, which):
        return pathlib.Path(self.podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{self.name}-{which}").stdout.strip())

    def members(self):
        return {member["name"]: member for member in json.loads(self.exec("ecbak", "members", "--json"))["members"]}

    def wait_for(self, state):
        self.exec("ecbak", "members", "--wait-for", state, "--timeout", "30s", "-q")


class Story:
    def __init__(self):
        here = cage.Cage.current()
        run("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
        network = Network(here)
        self.folder = pathlib.Path(here.folder)
        podman = Podman(self.folder / "podman")
        podman("load", "--quiet", "--input", IMAGE)
        self.nodes = [Node(podman, host, self.folder) for host in network.stations(2)]
        for node in self.nodes:
            node.host.space = network.namespace(node.host.number)

    def a_first_start_asks_to_be_admitted_and_ends(self):
        for node in self.nodes:
            said = node.first_start()
            assert said.startswith("ecbak-request-1:") and said.count("\n") == 1, said
            assert node.state()["ExitCode"] == 0, node.state()
            kept = (node.volume("data") / "node.key").stat()
            assert (kept.st_uid, kept.st_gid) == OWNER and kept.st_mode & 0o777 == 0o600, kept
            assert node.podman("start", "--attach", node.name).stdout == said, "another request, or more than a request"
            node.request.write_text(said)

    def admitted_nodes_find_each_other(self):
        ecbak, authority = BUILD / "ecbak", self.folder / "authority"
        authority_public = authority / "authority.pub"
        run(ecbak, "authority", "init", authority)
        for node in self.nodes:
            node.certificate.write_text(run(ecbak, "authority", "sign", "--dir", authority, node.request).stdout)
        first = self.nodes[0]
        key = json.loads(run(ecbak, "authority", "show", "--json", first.certificate).stdout)["curve"]
        for node in self.nodes:
            lines = [f"advertise_address = {node.host.address}", "capacity = 1G", "profile = local"]
            if node is not first:
                lines += ["seed", f"    address = {first.host.address}:7411", f"    key = {key}"]
            node.configure(lines)
            node.put(node.certificate, "node.cert")
            node.put(authority_public, "authority.pub")
            node.start()
        for node in self.nodes:
            node.wait_for("2=alive")
            assert node.exec("cat", "/proc/1/comm") == "ecbakd\n"
            assert "Max core file size 0 0" in " ".join(node.exec("cat", "/proc/1/limits").split())

    def what_one_stores_the_other_recovers(self):
        one, other = self.nodes
        phrase = json.loads(one.exec("ecbak", "init", "--json", user="root"))["phrase"]
        one.exec("ecbak", "store", "/usr/share", user="root")
        other.exec("ecbak", "open", stdin=phrase + "\n", user="root")
        other.exec("ecbak", "recover", "latest", "--to", "/tmp/back", "/usr/share/doc", user="root")
        other.exec("diff", "-r", "/usr/share/doc", "/tmp/back/usr/share/doc")

    def a_stop_reaches_the_node_and_the_others_are_told(self):
        one, other = self.nodes
        start = time.monotonic()
        one.podman("stop", "--time", 60, one.name)
        assert one.state()["ExitCode"] == 0 and time.monotonic() - start < STOP_S, (one.state(), time.monotonic() - start)
        other.wait_for("1=away")

    def a_new_container_on_the_same_volumes_is_the_same_node(self):
        one, other = self.nodes
        before = other.members()
        one.podman("rm", one.name)
        one.create("--detach", "--name", one.name)
        other.wait_for("2=alive")
        assert {name: member["id"] for name, member in one.members().items()} == {name: member["id"] for name, member in before.items()}
        assert len(json.loads(one.exec("ecbak", "snapshots", "--json", user="root"))["snapshots"]) == 1


def inside():
    story = Story()
    tests = [story.a_first_start_asks_to_be_admitted_and_ends, story.admitted_nodes_find_each_other, story.what_one_stores_the_other_recovers,
             story.a_stop_reaches_the_node_and_the_others_are_told, story.a_new_container_on_the_same_volumes_is_the_same_node]
    return 1 if any(run_tests(test) for test in tests) else 0  # each builds on the one before it


if __name__ == "__main__":
    sys.exit(cage.main(inside, prepare=build, needs=[*cage.NETWORK, "podman", "crun", "mmdebstrap"]))
