#!/usr/bin/env python3
"""A member with a valid certificate that breaks the rules: it loses its own data, and nobody else's.

Each attack is one that worked once; `make bench-hostile` prints what each costs the others."""
import contextlib
import os
import shutil
import sqlite3
import sys

from common import run_tests, wait_until
from liar_lab import LiarLab
from lab import DONE, INCOMPLETE, TOO_FEW, compare, make_tree


def empty(lab, *names):
    """What they hold is gone, as after a disk that was changed."""
    lab.kill(*names)
    for name in names:
        shutil.rmtree(lab.data(name) / "fragments")
        os.makedirs(lab.data(name) / "fragments")
    lab.start(*names)


def used_bytes(folder):
    return sum(os.path.getsize(os.path.join(where, file)) for where, _, files in os.walk(folder) for file in files)


def pins(lab, name):
    with contextlib.closing(sqlite3.connect(f"file:{lab.data(name)}/catalogue.db?mode=ro", uri=True)) as catalogue:
        return catalogue.execute("SELECT count(*) FROM pin").fetchone()[0]


def revoke(lab, name):
    line = lab.run("authority", "revoke", "--dir", f"{lab.dir}/authority", name).expect(DONE).out.strip()
    lab.ecbak("revoke", line).expect(DONE)


def rows_of_another_object_do_not_hide_those_of_a_pack():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=41)
        lab.init()
        lab.turn("node-6", "bury")
        lab.wait_all_alive()
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
        lab.wait_liar("node-6", "buried", len(os.listdir(lab.data("node-6") / "fragments")))
        lab.recover(f"{lab.root}/to", node="node-2").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")
        # It is out, and what it did is too: its word hides nothing either when it does not answer.
        lab.end_liar("node-6")
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE, INCOMPLETE)
        lab.recover(f"{lab.root}/again", node="node-3").expect(DONE)
        compare(tree, f"{lab.root}/again{tree}")


def members_that_make_their_pins_up_vouch_for_nothing():
    for liars in (("node-6",), ("node-5", "node-6")):
        with LiarLab(6) as lab:
            tree = make_tree(f"{lab.root}/tree", seed=43)
            lab.init()
            lab.ecbak("store", tree).expect(DONE)
            for name in liars:
                lab.turn(name, "pins")
            empty(lab, *(name for name in lab.names() if name not in liars))
            lab.wait_all_alive()
            again = lab.ecbak("store", tree, "--json").expect(DONE, INCOMPLETE, TOO_FEW)
            if again.code == TOO_FEW:  # what they hold counts for nothing, and too little is left
                assert len(liars) == 2 and again.json["error"] == "too_few", again.json
                assert len(lab.snapshots()) == 1, "it was published nevertheless"
                continue
            assert again.json["bytes_new"] > 1_000_000, f"they were believed: {again.json}"
            for name in liars:
                lab.end_liar(name)
            lab.recover(f"{lab.root}/to").expect(DONE)
            compare(tree, f"{lab.root}/to{tree}")


def a_member_that_says_where_it_is_not_takes_nobodys_place():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=44)
        lab.init()
        lab.turn("node-6", "hijack", ECBAK_LIAR_BULK=f"127.0.0.1:{lab.bulk_port('node-2')}")
        lab.wait_all_alive()
        wait_until(lambda: any(lab.sees(name, "node-6") for name in lab.names()[:5]), 30, "they see it")
        stored = lab.ecbak("store", "--code", "3+2", tree, "--json").expect(DONE, INCOMPLETE).json
        assert stored["survives"] >= 1, stored
        lab.end_liar("node-6")
        lab.recover(f"{lab.root}/to", node="node-2").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def a_flood_of_records_takes_a_bounded_place_and_leaves_room_for_honest_ones():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=45, megabytes=2)
        lab.init()
        lab.turn("node-6", "records")
        lab.wait_all_alive()
        lab.wait_liar("node-6", "records refused", 1)
        lab.ecbak("store", tree).expect(DONE, INCOMPLETE)
        assert len(lab.snapshots("node-3")) == 1
        for name in lab.names()[:5]:
            assert used_bytes(lab.data(name) / "records") < 80 * 1024 * 1024, name


def pins_of_writers_that_nobody_certified_are_not_kept():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=46, megabytes=2)
        lab.init()
        lab.turn("node-6", "claims")
        lab.wait_all_alive()
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
        lab.wait_liar("node-6", "claimed", 200)
        lab.end_liar("node-6")
        lab.kill(*lab.names()[:5])  # whoever looks into a catalogue must be alone with it
        for name in lab.names()[:5]:
            kept = pins(lab, name)
            assert kept <= 20, f"{name} has {kept} pins"


def questions_without_end_cost_a_store_no_holder():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=47)
        lab.init()
        lab.turn("node-6", "load")
        lab.wait_all_alive()
        lab.wait_liar("node-6", "loaded", 1)
        stored = lab.ecbak("store", "--code", "3+2", tree, "--json").expect(DONE).json
        assert stored["survives"] == 2, stored
        lab.recover(f"{lab.root}/to").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def a_member_that_lies_about_where_packs_are_is_left_aside():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=48)
        lab.init()
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
        lab.turn("node-6", "locate")
        lab.wait_all_alive()
        lab.recover(f"{lab.root}/to").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def all_attacks_together_lose_nothing_and_end_with_the_revocation():
    with LiarLab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=49)
        lab.init()
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
        lab.turn("node-6", "pins", "locate", "bury", "records", "claims", "load")
        lab.wait_all_alive()
        more = make_tree(f"{lab.root}/more", seed=50)
        lab.ecbak("store", "--code", "3+2", more).expect(DONE, INCOMPLETE)
        lab.recover(f"{lab.root}/to", node="node-2").expect(DONE)
        compare(more, f"{lab.root}/to{more}")
        for name in lab.names()[:5]:
            dead = [member for member in lab.members(name) if member["state"] != "alive" and member["name"] != "node-6"]
            assert not dead, f"{name} takes honest members for {dead}"
        revoke(lab, "node-6")
        wait_until(lambda: all(lab.sees(name, "node-6") == "revoked" for name in lab.names()[:5]), 30, "all know that it is out")
        lab.ecbak("store", "--code", "3+2", tree).expect(DONE)
        lab.recover(f"{lab.root}/again", node="node-3").expect(DONE)
        compare(tree, f"{lab.root}/again{tree}")


if __name__ == "__main__":
    sys.exit(run_tests(rows_of_another_object_do_not_hide_those_of_a_pack,
                       members_that_make_their_pins_up_vouch_for_nothing,
                       a_member_that_says_where_it_is_not_takes_nobodys_place,
                       a_flood_of_records_takes_a_bounded_place_and_leaves_room_for_honest_ones,
                       pins_of_writers_that_nobody_certified_are_not_kept,
                       questions_without_end_cost_a_store_no_holder,
                       a_member_that_lies_about_where_packs_are_is_left_aside,
                       all_attacks_together_lose_nothing_and_end_with_the_revocation))
