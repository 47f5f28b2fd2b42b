#!/usr/bin/env python3
"""Commands beside each other on one home, and commands that are killed: a store that is not killed ends well, nothing
that was acknowledged is lost, and every later command works.

`make test` runs ECBAK_HOMES=10 turns of each; a hundred are the long form. What is run beside what, and what is killed
when, comes from one seed: `cluster_homes.py --seed N` makes a run's choices again.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

from common import SLOW, run_tests
from lab import DONE, ECBAK, Lab, compare, make_tree

TURNS = int(os.environ.get("ECBAK_HOMES", "10"))
SEED = int(sys.argv.pop(sys.argv.index("--seed") + 1)) if "--seed" in sys.argv else random.randrange(1 << 31)
if "--seed" in sys.argv:
    sys.argv.remove("--seed")

# What a command is killed at by strace: what it does to files, sockets and locks.
CALLS = ("openat", "rename", "renameat2", "fsync", "fdatasync", "write", "pwrite64", "unlink", "unlinkat", "flock", "fchmod",
         "mkdir", "ftruncate", "fcntl", "close", "sendto", "recvfrom", "poll", "futex", "clone3", "mmap")
KILLED = -9


class Home:
    """A lab, a vault that is open in one home, a tree, and the snapshots that were acknowledged."""

    def __init__(self, lab, draw):
        self.lab, self.draw = lab, draw
        self.folder = pathlib.Path(lab.root)
        self.tree = str(self.folder / "tree")
        self.cache = self.folder / "cache"
        self.phrase = self.folder / "phrase"
        self.acknowledged = []
        self.count = 0
        make_tree(self.tree, seed=SEED, files=20, megabytes=2)
        self.phrase.write_text(lab.init() + "\n", encoding="ascii")
        self.settle()

    def words(self, name):
        """The command line, and the home it is run on."""
        if name == "store":
            return ["store", "--json", "--wait", "5m", self.tree], None
        if name == "recover":
            self.count += 1
            return ["recover", "latest", "--to", f"{self.folder}/to-{self.count}"], None
        if name == "open":
            return ["open", "--phrase-file", self.phrase], None
        if name == "open elsewhere":
            return ["open", "--phrase-file", self.phrase], f"{self.folder}/other"
        return [name, "--json"], None

    def start(self, name, killed_at=None):
        """killed_at: (system call, which of them), by strace."""
        words, home = self.words(name)
        before = []
        if killed_at is not None:
            before = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e",
                      f"inject={killed_at[0]}:signal=KILL:when={killed_at[1]}"]
        command = subprocess.Popen([*before, ECBAK, *map(str, words)], env=self.lab.environment(home=home),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        command.name, command.may_die = name, killed_at is not None
        return command

    def end(self, command):
        out, err = command.communicate(timeout=240 * SLOW)
        died = command.may_die and command.returncode in (KILLED, 128 - KILLED)
        assert died or command.returncode == DONE, \
            f"{command.name}: exit {command.returncode}\nstdout: {out[-2000:]}\nstderr: {err[-3000:]}"
        if died:
            return
        if command.name == "store":
            self.acknowledged.append(json.loads(out.strip().splitlines()[-1])["snapshot"])
        if command.name == "snapshots":
            findings = json.loads(out)["findings"]
            assert not findings, findings

    def change(self):
        """Something new to store, and something that changed."""
        make_tree(f"{self.tree}/more-{self.draw.randrange(4)}", seed=self.draw.randrange(1 << 30), files=8, megabytes=2)

    def settle(self):
        """A store and a list that nothing disturbs: every acknowledged snapshot is there, and nothing is odd."""
        self.end(self.start("store"))
        listed = self.lab.ecbak("snapshots", "--json").expect(DONE).json
        known = [snap["id"] for snap in listed["snapshots"]]
        lost = set(self.acknowledged) - set(known)
        assert not lost, f"acknowledged, and lost: {lost}"
        assert not listed["findings"], listed["findings"]
        numbers = [snap["number"] for snap in listed["snapshots"]]
        assert len(set(numbers)) == len(numbers), f"a number was used twice: {numbers}"
        for path in [*self.folder.glob("to-*"), self.folder / "other"]:
            shutil.rmtree(path, ignore_errors=True)
        return known

    def check_all(self):
        """Whatever is listed is whole, and the newest is the tree."""
        for known in self.settle():
            self.lab.recover(f"{self.folder}/to-all", snapshot=known).expect(DONE)
            shutil.rmtree(f"{self.folder}/to-all")
        self.lab.recover(f"{self.folder}/to-last").expect(DONE)
        compare(self.tree, f"{self.folder}/to-last{self.tree}")
        left = [str(path) for path in pathlib.Path(self.lab.home).rglob("*.tmp")]
        assert not left, f"left behind: {left}"


def draws():
    print(f"seed {SEED}: the same choices with {sys.argv[0]} --seed {SEED}", flush=True)
    return random.Random(SEED)


OTHERS = ("recover", "snapshots", "open", "open elsewhere", "status", "members")


def commands_beside_each_other_keep_each_other_from_nothing():
    draw = draws()
    with Lab(4) as lab:
        home = Home(lab, draw)
        for _ in range(TURNS):
            home.change()
            names = ["store"] * draw.choice([1, 1, 2]) + draw.choices(OTHERS, k=draw.randrange(3, 7))
            draw.shuffle(names)
            running = [home.start(name) for name in names]
            if draw.random() < 0.2:  # whoever cleans up disturbs nobody either
                shutil.rmtree(home.cache, ignore_errors=True)
            for command in running:
                home.end(command)
            home.settle()
        home.check_all()


def readers_beside_each_store_cost_no_backup():
    """As a monitoring script does it, again and again while stores run. What a store has published is new to all that
    begin with the next one, so each of them notes it down at the same time."""
    draw = draws()
    with Lab(4) as lab:
        home = Home(lab, draw)
        for _ in range(TURNS):
            home.change()
            running = [home.start(name) for name in ["snapshots", "snapshots", "store", "snapshots", "snapshots", "recover"]]
            store = running[2]
            while store.poll() is None:
                for reader in [home.start("snapshots") for _ in range(4)]:
                    home.end(reader)
            for command in running:
                home.end(command)
        home.check_all()


def draw_kill(home, name):
    """Starts the command so that it is killed at some time, or not at all."""
    if shutil.which("strace") and home.draw.random() < 0.5:
        return home.start(name, (home.draw.choice(CALLS), min(int(home.draw.paretovariate(0.5)), 5000)))
    command = home.start(name)
    command.may_die = home.draw.random() < 0.7
    return command


def killed_commands_cost_nothing_that_was_acknowledged():
    draw = draws()
    if not shutil.which("strace"):
        print("(needs strace: commands are killed at random times only, not at each kind of system call)")
    with Lab(4) as lab:
        home = Home(lab, draw)
        for _ in range(TURNS):
            home.change()
            begin = time.monotonic()
            running = [draw_kill(home, name) for name in ["store", *draw.choices([*OTHERS, "store"], k=draw.randrange(1, 4))]]
            for command in sorted(running, key=lambda command: draw.random()):
                if command.may_die and command.args[0] == ECBAK:
                    time.sleep(max(0, begin + draw.random() * 0.7 * SLOW - time.monotonic()))  # the random moment itself
                    command.kill()
            for command in running:
                home.end(command)
            home.settle()
        home.check_all()


if __name__ == "__main__":
    sys.exit(run_tests(commands_beside_each_other_keep_each_other_from_nothing, readers_beside_each_store_cost_no_backup,
                       killed_commands_cost_nothing_that_was_acknowledged))
