#!/usr/bin/env python3
"""Nobody is taken for dead while every processor is busy: `make soak`.

Eight real nodes on this machine (profile lan), and `ecbak store` of ever new data through several of them at once, so
that coding, hashing, sealing and disks take all there is, for as long as asked. Dead is what a node's log says of a
member, or its counter. Suspicions are allowed, they are what protects against false deaths, and are reported.

What is stored is bounded: a round ends when it has stored --round MB, its nodes and their folders go away, and the
next begins with new ones. Everything is in memory (/dev/shm) when there is room, so that the processors are the limit
and not the disk. Ends by itself; exits 1 when anybody was taken for dead or the machine was not kept busy.
"""
import argparse
import concurrent.futures
import itertools
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

from common import wait_until
import processes
from harness import Cluster, run

DEAD = re.compile(r"member .*\(\S+:\d+\) dead")
BUSY_PERCENT_MIN = 90
PARAGRAPHS = [bytes(random.Random(i).choices(b"etaoin shrdlu cmfwyp\n", k=4096)) for i in range(200)]


def write_data(folder, megabytes, draw):
    """Half of it random bytes, half of it text; never the same again."""
    folder.mkdir()
    for number in range(megabytes):
        if number % 2:
            content = draw.randbytes(1 << 20)
        else:
            content = b"".join(draw.choices(PARAGRAPHS, k=256))
        (folder / f"{number}").write_bytes(content)


class Load:
    """Stores through some of the nodes, each with a vault of its own, until told to stop or the round is full."""

    def __init__(self, nodes, folder, round_mb, draw):
        self.folder, self.round_mb = folder, round_mb
        self.stop = threading.Event()
        self.stored_mb = 0
        self.lock = threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(len(nodes))
        self.running = [self.pool.submit(self.store, node, random.Random(draw.random())) for node in nodes]

    def store(self, node, draw):
        env = dict(os.environ, ECBAK_SOCKET=node.socket, ECBAK_HOME=str(self.folder / f"home-{node.number}"),
                       ECBAK_CACHE=str(self.folder / f"cache-{node.number}"))
        source = self.folder / f"source-{node.number}"
        run("ecbak", "init", "--json", env=env)
        while not self.stop.is_set() and self.stored_mb < self.round_mb:
            write_data(source, 32, draw)
            run("ecbak", "store", "-q", source, env=env)
            shutil.rmtree(source)
            with self.lock:
                self.stored_mb += 32

    def done(self):
        return any(running.done() for running in self.running)

    def end(self):
        self.stop.set()
        self.pool.shutdown()
        for running in self.running:
            running.result()  # raises what went wrong


class Seen:
    """The worst of what was seen."""

    def __init__(self):
        self.rounds = self.stored_mb = self.deaths = self.suspected = self.refuted = 0
        self.awareness = self.rtt_ms = self.answer_s = 0
        self.busy_s = self.total_s = 0.0

    def sample(self, node):
        began = time.monotonic()
        members = node.members()
        self.answer_s = max(self.answer_s, time.monotonic() - began)
        self.rtt_ms = max(self.rtt_ms, *(member["rtt_ms"] or 0 for member in members.values()))
        self.awareness = max(self.awareness, node.counters()["awareness"])

    def end_round(self, nodes, load):
        self.rounds += 1
        self.stored_mb += load.stored_mb
        for node in nodes:
            said = [line for line in node.log_text().splitlines() if DEAD.search(line)]
            for line in said:
                print(f"{node.name}: {line}", flush=True)
            counters = node.counters()
            self.deaths += max(len(said), counters["members_died"])
            self.suspected += counters["members_suspected"]
            self.refuted += counters["suspicions_refuted"]


def one_round(args, folder, draw, seen):
    with Cluster(args.nodes, "lan") as cluster:
        nodes = cluster.nodes
        cluster.start()
        cluster.wait_states({node.name: "alive" for node in nodes}, 60)
        load = Load(nodes[:args.stores], folder, args.round, draw)
        try:
            busy_s, total_s = processes.machine_busy_s()
            end = time.monotonic() + args.seconds - seen.total_s / os.cpu_count()
            for node in itertools.cycle(nodes):
                if time.monotonic() > end or load.done():
                    break
                seen.sample(node)
                time.sleep(0.3)  # asking is not to be the load
            now = processes.machine_busy_s()
            seen.busy_s += now[0] - busy_s
            seen.total_s += now[1] - total_s
        finally:
            load.end()
        # Whoever is suspect is cleared, or dies: only then is it known.
        wait_until(lambda: all(set(node.states().values()) == {"alive"} or node.counters()["members_died"]
                               for node in nodes), 120, "no suspicion is open")
        seen.end_round(nodes, load)


def memory_or_disk(bytes_min):
    try:
        info = os.statvfs("/dev/shm")
        return "/dev/shm" if info.f_bavail * info.f_frsize >= bytes_min else None
    except OSError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="how long all is busy; between rounds it is not")
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--stores", type=int, default=6, help="how many store at once")
    parser.add_argument("--round", type=int, default=2048, help="MB stored before a round ends")
    parser.add_argument("--dir", default=None, help="where to work")
    args = parser.parse_args()
    tempfile.tempdir = args.dir or memory_or_disk(4 * args.round << 20)
    draw, seen = random.Random(), Seen()
    while seen.total_s / os.cpu_count() < args.seconds:
        with tempfile.TemporaryDirectory(prefix="ecbak-soak-") as folder:
            one_round(args, pathlib.Path(folder), draw, seen)
    busy = 100 * seen.busy_s / seen.total_s
    print(f"{seen.rounds} rounds, {seen.stored_mb} MB stored; processors {busy:.0f} % busy for "
          f"{seen.total_s / os.cpu_count():.0f} s\n"
          f"deaths {seen.deaths}; suspicions {seen.suspected}, refuted {seen.refuted}; worst awareness "
          f"{seen.awareness}, worst smoothed round trip {seen.rtt_ms:.0f} ms, slowest `ecbak members` {seen.answer_s:.2f} s")
    if seen.deaths:
        print("FAIL: somebody was taken for dead")
    elif busy < BUSY_PERCENT_MIN:
        print(f"FAIL: that is no saturation, {BUSY_PERCENT_MIN} % were wanted")
    return 1 if seen.deaths or busy < BUSY_PERCENT_MIN else 0


if __name__ == "__main__":
    sys.exit(main())
