#!/usr/bin/env python3
"""kill -9 at random moments of a store: of the command, of its node, of a holder; and of a recover.

After every kill: what was a snapshot before is recovered byte for byte; a snapshot is either listed and whole or not
listed; the next store goes on. The moments come from one seed: `cluster_kills.py --seed N` replays a run's choices.
"""
import os
import random
import shutil
import sys
import time

from common import SLOW, run_tests, wait_until
from lab import DONE, INCOMPLETE, Lab, compare, make_tree

ROUNDS = int(os.environ.get("ECBAK_KILLS", "54"))
SEED = int(sys.argv.pop(sys.argv.index("--seed") + 1)) if "--seed" in sys.argv else random.randrange(1 << 31)
if "--seed" in sys.argv:
    sys.argv.remove("--seed")


def earlier_snapshots_outlive_random_kills():
    draw = random.Random(SEED)
    print(f"seed {SEED}: replay with {sys.argv[0]} --seed {SEED}", flush=True)
    with Lab(4) as lab:
        tree = f"{lab.root}/tree"
        make_tree(tree, seed=SEED, files=30, megabytes=2)
        lab.init()
        start = time.monotonic()
        lab.ecbak("store", tree).expect(DONE)
        typical = time.monotonic() - start
        known = {snap["id"] for snap in lab.snapshots()}
        kept = f"{lab.root}/kept"
        for turn in range(ROUNDS):
            # kept is what the newest snapshot that was told to be done holds.
            if draw.random() < 0.4 or turn == 0:
                shutil.rmtree(kept, ignore_errors=True)
                lab.ecbak("store", tree).expect(DONE, INCOMPLETE)
                shutil.copytree(tree, kept, symlinks=True)
                newest = max(lab.snapshots(), key=lambda snap: snap["time"])["id"]
                known = {snap["id"] for snap in lab.snapshots()}
            make_tree(f"{tree}/more-{turn % 3}", seed=draw.randrange(1 << 30), files=12, megabytes=2)
            victim = draw.choice(["command", "node-1", "node-2", "node-3"])
            command = lab.start_ecbak("store", "-q", tree)
            time.sleep(draw.random() * typical * 1.2)  # the random moment itself, not a wait for anything
            if victim == "command":
                command.kill()
                command.wait()
            else:
                lab.kill(victim)
                if victim == "node-1":  # its own: the command waits for it, and goes on
                    lab.start(victim)
                command.wait(timeout=120 * SLOW)
                if victim != "node-1":
                    lab.start(victim)
                lab.wait_all_alive()
            after = {snap["id"] for snap in lab.snapshots()}
            assert known <= after, f"turn {turn}: a snapshot is gone after killing {victim}"
            known = after
            if turn % 6 == 5:
                to = f"{lab.root}/to"
                lab.recover(to, snapshot=newest, node=draw.choice(lab.names())).expect(DONE)
                compare_contents(kept, to + tree)
                shutil.rmtree(to)
                for fresh in sorted(after)[:3]:  # whatever is listed is whole
                    lab.recover(to, snapshot=fresh).expect(DONE)
                    shutil.rmtree(to)
        lab.ecbak("store", tree).expect(DONE)
        lab.recover(f"{lab.root}/to").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")
        for snap in lab.snapshots():
            lab.recover(f"{lab.root}/all", snapshot=snap["id"]).expect(DONE)
            shutil.rmtree(f"{lab.root}/all")


def a_killed_recover_is_finished_by_the_next():
    with Lab(3) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=31, files=10, megabytes=4)
        os.mkdir(f"{tree}/tmp")
        with open(f"{tree}/tmp/large", "wb") as large:
            large.write(random.Random(31).randbytes(60_000_000))
        os.chmod(f"{tree}/tmp", 0o1777)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        to = f"{lab.root}/to"
        for _ in range(2):
            command = lab.start_ecbak("recover", "latest", "--to", to)
            wait_until(lambda: command.poll() is not None or temporaries(to), 60, "the large file is begun", pause=0.001)
            assert command.poll() is None, "it was too fast to be killed"
            command.kill()
            command.wait()
            assert temporaries(to), "nothing was under way"
        lab.recover(to).expect(DONE)
        assert not temporaries(to), temporaries(to)
        compare(tree, f"{to}{tree}")
        for folder in (to + tree, os.path.dirname(to + tree)):
            assert os.stat(folder).st_mode == os.stat(folder[len(to):]).st_mode, folder


def temporaries(root):
    return [name for _, _, names in os.walk(root) for name in names if name.startswith(".ecbak-")]


def compare_contents(source, recovered):
    """Contents only: `kept` is a copy, its directory times are its own."""
    for folder, _, names in os.walk(source):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as left, open(recovered + path[len(source):], "rb") as right:
                assert left.read() == right.read(), f"{path} differs"


if __name__ == "__main__":
    sys.exit(run_tests(earlier_snapshots_outlive_random_kills, a_killed_recover_is_finished_by_the_next))
