#!/usr/bin/env python3
"""Disks that forget: a store finds it, says it, and makes good what it can, before it promises anything."""
import os
import sys

from common import run_tests
from lab import DAMAGED, DONE, INCOMPLETE, Lab, compare, make_tree


def fragments(lab, name):
    for folder, _, names in os.walk(lab.data(name) / "fragments"):
        for file in names:
            yield os.path.join(folder, file)


def flip(path, at=None):
    """Flips a bit of a file, in the middle if nothing else is said."""
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2 if at is None else at)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x40]))


def damage(lab, *names):
    count = 0
    for name in names:
        for path in fragments(lab, name):
            flip(path)
            count += 1
    assert count > 0
    return count


def what_is_lost_while_everybody_is_there_is_said_so_the_second_time_too():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=34, megabytes=2)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        damage(lab, *lab.names())
        for i in range(2):  # what is read is set aside: then nobody has it
            lab.recover(f"{lab.root}/to-{i}").expect(DAMAGED)


def what_every_disk_forgot_is_sent_again_from_the_source():
    for more in ((), ("--read-all",)):
        with Lab(6) as lab:
            tree = make_tree(f"{lab.root}/tree", seed=31)
            lab.init()
            lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
            damage(lab, *lab.names())
            again = lab.ecbak("store", "--code", "3+2", *more, tree, "--json").expect(DONE)
            assert again.json["survives"] == 2, again.json
            assert again.json["bytes_new"] > 1_000_000, f"what was damaged was trusted: {again.json}"
            assert len(again.json["unproven"]) >= 5, again.json  # who holds one of the five rows of the data
            assert all(each["damaged"] > 0 and not each["excluded"] for each in again.json["unproven"]), again.json
            assert "look after its disk" in again.err, again.err
            lab.kill("node-2", "node-3")
            lab.recover(f"{lab.root}/to", node="node-4").expect(DONE)
            compare(tree, f"{lab.root}/to{tree}")


def what_one_disk_forgot_is_made_anew_by_the_next_store():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=32, megabytes=40)
        lab.init()
        lab.ecbak("store", "--code", "4+2", tree).expect(DONE)
        damaged = damage(lab, "node-3")
        again = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(DONE)
        assert again.json["survives"] == 1, again.json
        assert again.json["bytes_new"] < 100_000, f"five good rows were not enough: {again.json}"
        assert [each["name"] for each in again.json["unproven"]] == ["node-3"], again.json
        assert "node-3" in again.err, again.err
        # All of it is whole again, so that the two may be lost with which the rest would be too little.
        assert len(list(fragments(lab, "node-3"))) >= damaged, "its rows were not made anew"
        lab.kill("node-1", "node-2")
        lab.recover(f"{lab.root}/to", node="node-3").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def one_bad_leaf_costs_one_fragment():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=33, megabytes=4)
        lab.init()
        lab.ecbak("store", "--code", "4+2", tree).expect(DONE)
        held = list(fragments(lab, "node-3"))
        assert len(held) <= 4, "few enough to be looked at each"
        flip(max(held, key=os.path.getsize))
        again = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(DONE)
        assert again.json["survives"] == 1 and again.json["bytes_new"] < 100_000, again.json
        assert [(each["name"], each["damaged"]) for each in again.json["unproven"]] == [("node-3", 1)], again.json
        counters = lab.ecbak("status", "--json", node="node-3").json["counters"]
        assert counters["fragments_corrupt"] == 1, counters
        # It is said there as well, until somebody has looked.
        assert "damaged" in lab.ecbak("status", node="node-3").out
        third = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(DONE)
        assert third.json["unproven"] == [], third.json


if __name__ == "__main__":
    sys.exit(run_tests(what_is_lost_while_everybody_is_there_is_said_so_the_second_time_too,
                       what_every_disk_forgot_is_sent_again_from_the_source,
                       what_one_disk_forgot_is_made_anew_by_the_next_store, one_bad_leaf_costs_one_fragment))
