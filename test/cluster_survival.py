#!/usr/bin/env python3
"""What ecbak is for: whatever m nodes are lost, everything comes back; and it says so when it cannot."""
import hashlib
import itertools
import os
import re
import shutil
import sqlite3
import struct
import sys

from common import run_tests, wait_until
from lab import DONE, FAILED, INCOMPLETE, TOO_FEW, Lab, compare, make_tree


def every_choice_of_two_lost_nodes_of_six_recovers():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree")
        lab.init()
        stored = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(DONE).json
        assert (stored["data"], stored["parity"]) == (4, 2), stored
        for lost in itertools.combinations(lab.names(), 2):
            lab.kill(*lost)
            reader = next(name for name in lab.names() if name not in lost)
            to = f"{lab.root}/to-{'-'.join(lost)}"
            lab.recover(to, node=reader).expect(DONE)
            compare(tree, to + tree)
            shutil.rmtree(to)
            lab.start(*lost)
            lab.wait_all_alive()


def a_blank_machine_needs_only_the_phrase_and_a_peer():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=2)
        phrase = lab.init()
        lab.ecbak("store", tree).expect(DONE)
        shutil.rmtree(lab.home)
        lab.kill("node-1", "node-2")
        blank = f"{lab.root}/blank"
        lab.open(phrase, blank, "node-5").expect(DONE)
        lab.recover(f"{lab.root}/to", node="node-5", home=blank).expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")
        # The new writer of the blank machine goes on where the old one stopped.
        again = lab.ecbak("store", tree, "--json", node="node-5", home=blank).expect(DONE, INCOMPLETE).json
        assert again["bytes_new"] < 100_000, f"everything was known, yet {again['bytes_new']} bytes were new"
        assert len(lab.snapshots("node-5", blank)) == 2


def one_node_down_is_incomplete_and_the_next_store_completes_it():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=3)
        lab.init()
        lab.kill("node-6")
        wait_until(lambda: any(m["state"] == "dead" for m in lab.members()), 30, "node-6 is seen dead")
        first = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(INCOMPLETE)
        assert first.json["survives"] == 0 and first.err, first.json  # 5 of 6, one of them this machine
        lab.start("node-6")
        lab.wait_all_alive()
        second = lab.ecbak("store", "--code", "4+2", tree, "--json").expect(DONE).json
        assert second["bytes_new"] < 100_000, second
        # Completed means that any two may be lost again, the one that was down being the only sixth holder.
        lab.kill("node-2", "node-3")
        lab.recover(f"{lab.root}/to", node="node-6").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def chunks_on_lost_nodes_are_read_from_the_source_and_sent_again():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=4)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        lost = ("node-2", "node-3", "node-4")
        lab.kill(*lost)
        for name in lost:
            shutil.rmtree(lab.data(name) / "fragments")
            os.makedirs(lab.data(name) / "fragments")
        lab.start(*lost)
        lab.wait_all_alive()
        again = lab.ecbak("store", tree, "--json").expect(DONE).json
        assert again["bytes_new"] > 1_000_000, f"lost chunks were trusted: {again}"
        lab.kill("node-1", "node-2")
        lab.recover(f"{lab.root}/to", node="node-3").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def tagged(purpose, data):
    return hashlib.blake2b(data, digest_size=32, person=purpose.encode().ljust(16, b"\0")).digest()


def made_up(file):
    """(object id, bytes) of a fragment file as a member may make it up: of the pack that this file is of, and with its
    grant beside it, but of an object of one's own, 1+1, of which row 0 is all that has to be held."""
    k, m = struct.unpack_from("<HH", file, 16)
    row_size, = struct.unpack_from("<Q", file, 32)
    pack = file[40:72]
    end = (160 + 32 * (k + m) + 32 * max(1, -(-row_size // 65536)) + 63) // 64 * 64 + row_size
    row = bytes(64)
    leaf = tagged("ecbak leaf v1", row)
    root = tagged("ecbak root v1", struct.pack("<Q", 64) + leaf)
    name = tagged("ecbak object v1", struct.pack("<HHHHQQ", 1, 1, 1, 1, 64, 64) + pack + root + root)
    head = b"ecbkfrag" + struct.pack("<HHHHHHHHQQ", 1, 1, 1, 1, 1, 1, 0, 0, 64, 64) + pack + name + bytes(24)
    fragment = head + tagged("ecbak fragment 1", head) + root + root + leaf + row
    trailer = file[end:end + 16] + struct.pack("<Q", len(fragment)) + file[end + 24:-32]
    return name, fragment + trailer + tagged("ecbak trailer 2", trailer)


def lose_all_but_lies(data):
    """What a node that does not run has is gone; instead it claims to hold enough of every pack by itself."""
    catalogue = sqlite3.connect(data / "catalogue.db", isolation_level=None)
    rows = catalogue.execute("SELECT object, vault, idx, pack FROM fragment").fetchall()
    files = [(data / "fragments" / obj.hex()[:2] / f"{obj.hex()}.{index}.{vault.hex()}").read_bytes() for obj, vault, index, _ in rows]
    shutil.rmtree(data / "fragments")
    for (obj, vault, index, pack), file in zip(rows, files):
        name, lie = made_up(file)
        path = data / "fragments" / name.hex()[:2] / f"{name.hex()}.0.{vault.hex()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lie)
        catalogue.execute("UPDATE fragment SET object = ?, idx = 0, data = 1, parity = 1, pack_bytes = 64, file_bytes = ?"
                          " WHERE object = ? AND vault = ? AND idx = ?", (name, len(lie), obj, vault, index))
        catalogue.execute("DELETE FROM belief WHERE object = ?", (obj,))
    catalogue.close()
    return len(rows)


def what_a_member_claims_to_hold_is_not_relied_on():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=14)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        lost = ("node-2", "node-3", "node-4")
        lab.kill(*lost)
        for name in lost[:2]:
            shutil.rmtree(lab.data(name) / "fragments")
        assert lose_all_but_lies(lab.data("node-4")) > 0
        lab.start(*lost)
        lab.wait_all_alive()
        again = lab.ecbak("store", tree, "--json").expect(DONE).json
        assert again["bytes_new"] > 1_000_000, f"a member's word was trusted: {again}"
        counters = lab.ecbak("status", "--json").expect(DONE).json["counters"]
        assert counters["objects_ungranted"] > 0, counters
        lab.kill("node-1", "node-2")
        lab.recover(f"{lab.root}/to", node="node-3").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def an_index_that_only_a_revoked_member_gives_is_written_anew():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=14, megabytes=4)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        lab.kill(*lab.names()[:3])
        for name in lab.names()[:3]:
            shutil.rmtree(lab.data(name) / "fragments")
            os.makedirs(lab.data(name) / "fragments")
        lab.start(*lab.names()[:3])
        lab.wait_all_alive()
        line = lab.run("authority", "revoke", "--dir", f"{lab.dir}/authority", "node-4").expect(DONE).out.strip()
        lab.ecbak("revoke", line).expect(DONE)
        wait_until(lambda: all(any(m["state"] == "revoked" for m in lab.members(name)) for name in lab.names()[:3]), 30, "it is out")
        lab.ecbak("store", tree, "--json").expect(DONE)
        sent = lab.ecbak("store", tree, "--json").expect(DONE).json["bytes_sent"]
        assert sent < 1_000_000, f"{sent} bytes of what was there"
        lab.kill("node-4")
        shutil.rmtree(f"{lab.root}/cache")  # what it knows comes from the members
        lab.recover(f"{lab.root}/to").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def one_loss_too_many_is_a_clear_error_and_leaves_nothing_half_written():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=5)
        lab.init()
        lab.ecbak("store", "--code", "4+2", tree).expect(DONE)
        lab.kill("node-2", "node-3", "node-4")
        to = f"{lab.root}/to"
        result = lab.ecbak("recover", "latest", "--to", to).expect(TOO_FEW)
        # A small pack has three fragments only: where all three were lost, that is what is said.
        assert re.search("object [0-9a-f]+.*needs 4|pack [0-9a-f]+: no fragment of it", result.err), result.err
        for folder, _, names in os.walk(to):
            for name in names:
                whole = os.path.join(folder, name)
                source = whole[len(to):]
                assert os.path.exists(source), f"{whole} is no file of the source"
                with open(whole, "rb") as left, open(source, "rb") as right:
                    assert left.read() == right.read(), f"{whole} looks whole and is not"


def a_corrupt_fragment_is_replaced_by_another():
    with Lab(6) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=6)
        lab.init()
        lab.ecbak("store", "--code", "4+2", tree).expect(DONE)
        damaged = 0
        for name in ("node-2", "node-3"):
            for folder, _, names in os.walk(lab.data(name) / "fragments"):
                for file in names:
                    path = os.path.join(folder, file)
                    with open(path, "r+b") as fragment:
                        fragment.seek(os.path.getsize(path) // 2)
                        byte = fragment.read(1)
                        fragment.seek(-1, os.SEEK_CUR)
                        fragment.write(bytes([byte[0] ^ 0x40]))
                    damaged += 1
        assert damaged > 0
        lab.recover(f"{lab.root}/to", node="node-4").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


def too_few_members_store_nothing():
    with Lab(1) as lab:
        tree = make_tree(f"{lab.root}/tree", files=5, megabytes=0)
        lab.init()
        result = lab.ecbak("store", tree).expect(TOO_FEW)
        assert "member" in result.err or "node" in result.err, result.err
        assert lab.snapshots() == []


def with_all_others_dead_nothing_is_called_a_snapshot():
    with Lab(3) as lab:
        tree = make_tree(f"{lab.root}/tree", files=5, megabytes=2)
        lab.init()
        lab.kill("node-2", "node-3")
        wait_until(lambda: sum(m["state"] == "dead" for m in lab.members()) == 2, 30, "the others are seen dead")
        result = lab.ecbak("store", tree, "--json").expect(TOO_FEW)
        assert (result.json["survives"], result.json["snapshot"]) == (-1, None), result.json
        text = lab.ecbak("store", tree).expect(TOO_FEW)
        assert "Lost with this machine" in text.out and "no snapshot was made" in text.err, (text.out, text.err)
        assert lab.snapshots() == []
        lab.start("node-2", "node-3")
        lab.wait_all_alive()
        again = lab.ecbak("store", tree, "--json").expect(DONE).json
        assert again["survives"] == 1 and again["bytes_new"] < 100_000, again
        assert [snapshot["id"] for snapshot in lab.snapshots()] == [again["snapshot"]]
        lab.kill("node-1")
        lab.recover(f"{lab.root}/to", node="node-2").expect(DONE)
        compare(tree, f"{lab.root}/to{tree}")


if __name__ == "__main__":
    sys.exit(run_tests(
        every_choice_of_two_lost_nodes_of_six_recovers,
        a_blank_machine_needs_only_the_phrase_and_a_peer,
        one_node_down_is_incomplete_and_the_next_store_completes_it,
        chunks_on_lost_nodes_are_read_from_the_source_and_sent_again,
        what_a_member_claims_to_hold_is_not_relied_on,
        an_index_that_only_a_revoked_member_gives_is_written_anew,
                       one_loss_too_many_is_a_clear_error_and_leaves_nothing_half_written,
        a_corrupt_fragment_is_replaced_by_another,
        too_few_members_store_nothing,
        with_all_others_dead_nothing_is_called_a_snapshot,
    ))
