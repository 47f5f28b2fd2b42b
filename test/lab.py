"""What the cluster tests share: a lab of real ecbakd processes, and a tree to store.

    with Lab(6) as lab:
        lab.ecbak("store", tree)                  # runs as a user would, through node-1
        lab.kill("node-2", "node-3")              # SIGKILL
        lab.ecbak("recover", "latest", "--to", to, node="node-4")

Every process is started by `ecbak lab`, and ended by it when the block is left.
"""
import functools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from common import BUILD, HERE, SLOW

ECBAK = str(BUILD / "ecbak")

DONE, FAILED, USAGE, INCOMPLETE, TOO_FEW, DAMAGED, FULL = range(7)


@functools.cache
def told_statuses(*command):
    """{exit status: what it means}, as the command's help says; {} when there is no such command."""
    page = subprocess.run([ECBAK, *command, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    section = re.search(r"^Exit status\n((?:  +.*\n)+)", page, re.MULTILINE)
    lines = section[1].replace("\n     ", " ").splitlines() if section else []
    return {int(line[2]): line[5:] for line in lines}


def expect_told_status(words, status):
    """That a command with these words may end so, its help has said."""
    command = [str(word) for word in words[:2 if words and words[0] in ("lab", "authority") else 1]]
    told = told_statuses(*command)
    assert not told or status < 0 or status in told, f"{words} ended with {status}; its help knows {sorted(told)}"


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        """The last line of the output, as JSON."""
        return json.loads(self.out.strip().splitlines()[-1])

    def expect(self, *codes):
        if self.code not in codes:
            raise AssertionError(f"exit {self.code}, wanted {codes}\nstdout: {self.out[-2000:]}\nstderr: {self.err[-3000:]}")
        return self


class Lab:
    def __init__(self, nodes, *, up=True, options=()):
        self.nodes = nodes
        self.root = tempfile.mkdtemp(prefix="ecbak-test-")
        self.dir = f"{self.root}/lab"
        self.home = f"{self.root}/home"
        self.options = list(options)
        self.up = up

    def __enter__(self):
        try:
            if self.up:
                self.run("lab", "up", "-n", str(self.nodes), "--profile", "local", *self.options,
                         "--dir", self.dir).expect(DONE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in list(getattr(self, "stopped", ())):
            self.thaw(name)
        self.run("lab", "down", "--dir", self.dir)
        shutil.rmtree(self.root, ignore_errors=True)

    # -- commands ------------------------------------------------------------------------------------------
    def environment(self, node="node-1", home=None):
        env = {key: value for key, value in os.environ.items() if not key.startswith("ECBAK_")}
        env["ECBAK_SOCKET"] = self.socket(node)
        env["ECBAK_HOME"] = home or self.home
        env["ECBAK_CACHE"] = f"{self.root}/cache"
        return env

    def run(self, *args, env=None, timeout=300):
        done = subprocess.run([ECBAK, *map(str, args)], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="surrogateescape",
                              timeout=timeout * SLOW, check=False)
        expect_told_status(args, done.returncode)
        return Result(done)

    def ecbak(self, *args, node="node-1", home=None, timeout=300):
        return self.run(*args, env=self.environment(node, home), timeout=timeout)

    def start_ecbak(self, *args, node="node-1", home=None, stderr=subprocess.DEVNULL):
        return subprocess.Popen([ECBAK, *map(str, args)], env=self.environment(node, home), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=stderr, text=True)

    def init(self):
        return self.ecbak("init", "--json").expect(DONE).json["phrase"]

    def open(self, phrase, home, node="node-1"):
        path = f"{self.root}/phrase"
        with open(path, "w", encoding="ascii") as file:
            file.write(phrase + "\n")
        try:
            return self.ecbak("open", "--phrase-file", path, home=home, node=node)
        finally:
            os.unlink(path)

    def recover(self, to, *args, node="node-1", home=None, snapshot="latest"):
        return self.ecbak("recover", snapshot, *args, "--to", to, "--json", node=node, home=home)

    def snapshots(self, node="node-1", home=None):
        return self.ecbak("snapshots", "--json", node=node, home=home).expect(DONE).json["snapshots"]

    # -- nodes ---------------------------------------------------------------------------------------------
    def status(self):
        result = self.run("lab", "status", "--json", "--dir", self.dir)
        return {node["name"]: node for node in result.json["nodes"]}

    def names(self):
        return [f"node-{i + 1}" for i in range(self.nodes)]

    def socket(self, node):
        if not hasattr(self, "sockets"):
            self.sockets = {name: entry["socket"] for name, entry in self.status().items()}
        return self.sockets[node]

    def folder(self, node):
        return pathlib.Path(self.status()[node]["dir"])

    def data(self, node):
        return self.folder(node) / "data"

    def kill(self, *names):
        if names:
            self.run("lab", "kill", *names, "--dir", self.dir).expect(DONE)

    def start(self, *names):
        if names:
            self.run("lab", "start", *names, "--dir", self.dir).expect(DONE)

    def freeze(self, name):
        os.kill(self.status()[name]["pid"], signal.SIGSTOP)
        self.stopped = getattr(self, "stopped", set()) | {name}

    def thaw(self, name):
        pid = self.status()[name]["pid"]
        if pid:
            os.kill(pid, signal.SIGCONT)
        self.stopped = getattr(self, "stopped", set()) - {name}

    def members(self, node="node-1"):
        return self.ecbak("members", "--json", node=node).expect(DONE).json["members"]

    def wait_alive(self, count, node="node-1", seconds=30):
        self.ecbak("members", "--wait-for", f"{count}=alive", "--timeout", f"{seconds * SLOW}s", "-q",
                   node=node).expect(DONE)

    def wait_all_alive(self, seconds=30):
        for name in self.names():
            self.wait_alive(self.nodes, name, seconds)


def make_tree(root, *, seed=1, files=40, megabytes=6):
    """A tree of small and large, compressible and random files."""
    draw = random.Random(seed)
    os.makedirs(root, exist_ok=True)
    for i in range(files):
        folder = pathlib.Path(root) / f"dir-{i % 5}"
        folder.mkdir(exist_ok=True)
        size = draw.choice([0, 1, 100, 5000, 70000])
        (folder / f"file-{i}").write_bytes((f"line {i} of seed {seed}\n" * (size // 10 + 1)).encode()[:size])
    for i in range(megabytes // 2):
        (pathlib.Path(root) / f"big-{i}").write_bytes(draw.randbytes(2 * 1024 * 1024 + i))
    return root


def compare(source, recovered):
    done = subprocess.run([sys.executable, str(HERE / "compare.py"), str(source), str(recovered)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"recovered tree differs:\n{done.stdout[-3000:]}"
