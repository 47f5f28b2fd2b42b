#!/usr/bin/env python3
"""What one member of six that breaks the rules costs the others: `make bench-hostile`.

Each attack that test/liar/liar.h knows, and all of them together, beside the same work with six honest members; in turn, in
one run, so that a ratio means something on a noisy machine. The attacker's processor time is what nobody else wants (SCHED_IDLE),
as it shares this machine. Prints a table a kind of data; with --check exits 1 where a target is missed.

  store, recover   seconds as a multiple of those without the attack (the first 10 s after it began are not counted: they wait)
  memory           peak of any honest node above its peak without the attack
  disk             bytes of all honest nodes together above those without it
  connections      most descriptors of an honest node above those without it
  processor        seconds of all honest nodes as a multiple of those without it
"""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import sys
import time

from liar_lab import LiarLab
from lab import DONE, INCOMPLETE, compare, make_tree
from processes import cpu_s, fields

ATTACKS = ("pins", "locate", "bury", "records", "claims", "load", "hijack")
HONEST = [f"node-{i + 1}" for i in range(5)]
SETTLE_S = 10
TARGETS = {"store": 1.5, "recover": 1.5, "memory_mb": 64}


def small_files(root):
    return make_tree(root, seed=7, files=4000, megabytes=2)


def noise(root):
    os.makedirs(root)
    (pathlib.Path(root) / "noise").write_bytes(random.Random(8).randbytes(96 * 1024 * 1024))
    return root


DATA = {"small files": small_files, "noise": noise}


def pids(lab):
    status = lab.status()
    return [status[name]["pid"] for name in HONEST]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def disk_bytes(lab):
    return sum(path.lstat().st_blocks * 512 for name in HONEST for path in lab.data(name).rglob("*"))


def timed(run):
    start = time.monotonic()
    run().expect(DONE, INCOMPLETE)
    return time.monotonic() - start


def one(make, attacks, rounds):
    """The figures of one lab. Each round stores new data and recovers it; the middle one counts."""
    with LiarLab(6) as lab:
        lab.init()
        lab.ecbak("store", "--code", "3+2", make_tree(f"{lab.root}/before", seed=9)).expect(DONE)
        if attacks:
            lab.turn("node-6", *attacks, ECBAK_LIAR_BULK=f"127.0.0.1:{lab.bulk_port('node-2')}")
            os.sched_setscheduler(lab.liars["node-6"].pid, os.SCHED_IDLE, os.sched_param(0))
        lab.wait_all_alive()
        if attacks:
            time.sleep(SETTLE_S)  # what an attack does at first is not counted
        for pid in pids(lab):
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        before_s, store, recover, most = cpu_s(pids(lab)), [], [], 0
        for i in range(rounds):
            tree = make(f"{lab.root}/tree-{i}")
            store.append(timed(lambda: lab.ecbak("store", "--code", "3+2", tree)))
            recover.append(timed(lambda: lab.recover(f"{lab.root}/to-{i}", node="node-2")))
            compare(tree, f"{lab.root}/to-{i}{tree}")
            most = max(most, *(descriptors(pid) for pid in pids(lab)))
            shutil.rmtree(tree)
            shutil.rmtree(f"{lab.root}/to-{i}")
        return {"store": statistics.median(store), "recover": statistics.median(recover),
                "memory_mb": max(fields(pathlib.Path(f"/proc/{pid}/status"))["VmHWM"] for pid in pids(lab)) / 1024,
                "disk_mb": disk_bytes(lab) / 1e6, "connections": most, "processor": cpu_s(pids(lab)) - before_s}


def row(name, figures, base):
    above = {key: figures[key] - base[key] for key in ("memory_mb", "disk_mb", "connections")}
    print(f"{name:>10}  {figures['store'] / base['store']:5.2f}  {figures['recover'] / base['recover']:7.2f}  {above['memory_mb']:+7.0f} MB"
          f"  {above['disk_mb']:+6.0f} MB  {above['connections']:+11d}  {figures['processor'] / base['processor']:9.2f}", flush=True)
    return [f"{name}: {key} {figures[key] / base[key]:.2f}, at most {TARGETS[key]}" for key in ("store", "recover")
            if figures[key] / base[key] > TARGETS[key]] + \
           [f"{name}: {above['memory_mb']:.0f} MB, at most {TARGETS['memory_mb']}"] * (above["memory_mb"] > TARGETS["memory_mb"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"{', '.join(ATTACKS)}, all (default: each, and all)")
    args = parser.parse_args()
    chosen = args.attacks or [*ATTACKS, "all"]
    missed = []
    for kind, make in DATA.items():
        base = one(make, (), args.rounds)
        print(f"{kind}: without an attack store {base['store']:.2f} s, recover {base['recover']:.2f} s, {base['memory_mb']:.0f} MB\n"
              f"{'attack':>10}  store  recover      memory       disk  connections  processor", flush=True)
        missed += row("none again", one(make, (), args.rounds), base)
        for attack in chosen:
            missed += row(attack, one(make, ATTACKS if attack == "all" else (attack,), args.rounds), base)
    for line in missed:
        print(f"missed: {line}")
    return 1 if args.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
