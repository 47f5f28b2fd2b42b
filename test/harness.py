"""Nodes by hand: real ecbakd processes on loopback, set up step by step as the README tells an operator to.

    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states({"node-1": "alive", "node-2": "alive", "node-3": "alive"})
        cluster.nodes[1].kill()

For tests of the daemon itself; tests that store and recover use test/lab.py. Every process started here is ended here,
by its pid.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from common import BUILD, SLOW, wait_until


def names(count, **other):
    """The states of a cluster whose nodes are all alive, but for those said: names(3, node_3="dead")."""
    states = {f"node-{i + 1}": "alive" for i in range(count)}
    states.update({name.replace("_", "-"): state for name, state in other.items()})
    return states


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def run(program, *arguments, check=True, env=None):
    done = subprocess.run([str(BUILD / program), *map(str, arguments)], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW, env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"{program} {arguments} exited {done.returncode}: {done.stderr}")
    return done


class Node:
    """One ecbakd: its folder, its configuration, its process. On a station of test/hosts/network.py, or on this machine."""

    def __init__(self, cluster, number, member_port, bulk_port, host=None):
        self.cluster, self.number, self.name = cluster, number, f"node-{number}"
        self.address = host.address if host else "127.0.0.1"
        self.enter = host.enter if host else []
        self.dir = cluster.dir / self.name
        self.dir.mkdir()
        self.member_port, self.bulk_port = member_port, bulk_port
        self.config, self.log = self.dir / "ecbakd.conf", self.dir / "log"
        self.certificate = self.dir / "node.cert"
        self.socket = f"ipc://{self.dir}/client.sock"
        self.process = None
        self.program = BUILD / "ecbakd"
        self.settings = {
            "name": self.name, "zone": "here", "data_dir": self.dir / "data", "capacity": "1G",
            "key_file": self.dir / "node.key", "certificate_file": self.certificate,
            "authority_file": cluster.authority / "authority.pub", "listen_address": self.address,
            "member_port": member_port, "bulk_port": bulk_port, "client_endpoint": self.socket,
            "profile": cluster.profile}
        self.write_config([])
        self.request = run("ecbakd", "--config", self.config, "--init").stdout.strip()
        self.sign()

    def sign(self, *options):
        """Has the authority sign this node's request; returns the CURVE key that others must expect."""
        signed = run("ecbak", "authority", "sign", "--dir", self.cluster.authority, *options, self.request)
        self.certificate.write_text(signed.stdout)
        shown = run("ecbak", "authority", "show", "--json", self.certificate)
        self.curve = json.loads(shown.stdout)["curve"]

    def write_config(self, seeds):
        lines = [f"{key} = {value}" for key, value in self.settings.items()]
        for seed in seeds:
            lines += ["seed", f"    address = {seed.address}:{seed.member_port}", f"    key = {seed.curve}"]
        self.config.write_text("\n".join(lines) + "\n")

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self, wait=True, env=None, options=(), output=None):
        """`output`: a descriptor that takes what would go into the log (then with wait=False)."""
        before = len(self.log_text())
        with open(self.log, "a", encoding="utf-8") as log:
            to = log if output is None else output
            self.process = subprocess.Popen(
                [*self.enter, str(self.program), "--config", str(self.config), *options], env=env,
                stdin=subprocess.DEVNULL, stdout=to, stderr=to)
        if wait:
            wait_until(lambda: self.process.poll() is not None or "serving as" in self.log_text()[before:], 20,
                       f"{self.name} serves")
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended: {self.log_text()[before:]}")

    def end(self, how, seconds=10):
        """Returns the exit status, negative for a signal."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop within {seconds * SLOW} s") from None
        self.process = None
        return status

    def stop(self):
        return self.end(signal.SIGTERM)

    def kill(self):
        return self.end(signal.SIGKILL)

    def memory_kb(self):
        """Resident memory now."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return None

    def ecbak(self, *arguments, check=True):
        return run("ecbak", *arguments, check=check, env=dict(os.environ, ECBAK_SOCKET=self.socket))

    def members(self):
        """Name to member, as this node sees them."""
        return {m["name"]: m for m in json.loads(self.ecbak("members", "--json").stdout)["members"]}

    def states(self):
        return {name: member["state"] for name, member in self.members().items()}

    def events(self):
        """What happened to members, as this node saw it: "joined", "dead", ..., the oldest first."""
        answer = json.loads(self.ecbak("members", "--events", "--json").stdout)
        return [event["event"] for event in answer["events"]]

    def connections_to(self, ports):
        """How many TCP connections this process has made to these ports on the loopback."""
        mine = set()
        for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                mine.add(os.readlink(entry))
            except FileNotFoundError:
                pass  # closed meanwhile
        count = 0
        tables = [pathlib.Path(f"/proc/{self.process.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        for line in tables[0].splitlines()[1:] + tables[1].splitlines()[1:]:
            _, _, remote, state, *rest = line.split()
            established = state == "01" and int(remote.rsplit(":", 1)[1], 16) in ports
            count += established and f"socket:[{rest[5]}]" in mine
        return count

    def status(self):
        return json.loads(self.ecbak("status", "--json").stdout)

    def counters(self):
        return self.status().get("counters", {})


class Cluster:
    """An authority and `count` nodes with certificates, none of them running yet; on as many hosts, when given."""

    def __init__(self, count, profile="local", hosts=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ecbak-test-"))
        self.profile, self.authority, self.nodes = profile, self.dir / "authority", []
        try:
            run("ecbak", "authority", "init", self.authority)
            ports = [7411, 7412] * count if hosts else free_ports(2 * count)
            for i in range(count):
                self.nodes.append(Node(self, i + 1, ports[2 * i], ports[2 * i + 1], hosts[i] if hosts else None))
            for node in self.nodes:
                node.write_config([seed for seed in self.nodes[:2] if seed is not node])
        except BaseException:
            self.close()
            raise

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            wait_until(lambda node=node: "serving as" in node.log_text(), 20, f"{node.name} serves")

    def wait_states(self, states, seconds=20, by=None):
        """Until each of these running nodes sees exactly these states; returns how long it took."""
        start = time.monotonic()
        for node in by or [node for node in self.nodes if node.process]:
            wait_until(lambda node=node: node.states() == states, seconds, f"{node.name} sees {states}")
        return time.monotonic() - start

    def close(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
