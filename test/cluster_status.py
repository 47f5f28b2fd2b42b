#!/usr/bin/env python3
"""What each command's exit status is for each cause that it can have: the README's table, cause by cause."""
import contextlib
import os
import re
import shutil
import subprocess
import sys

from common import HERE, run_tests, wait_until
from lab import DAMAGED, DONE, ECBAK, FAILED, FULL, INCOMPLETE, TOO_FEW, USAGE, Lab, make_tree, told_statuses


def flip_bytes(lab, *names):
    """Damages every fragment that these nodes hold."""
    for name in names:
        for folder, _, files in os.walk(lab.data(name) / "fragments"):
            for file in files:
                with open(os.path.join(folder, file), "r+b") as fragment:
                    fragment.seek(os.path.getsize(fragment.name) // 2)
                    byte = fragment.read(1)
                    fragment.seek(-1, os.SEEK_CUR)
                    fragment.write(bytes([byte[0] ^ 0x40]))


def wait_dead(lab, count):
    wait_until(lambda: sum(m["state"] == "dead" for m in lab.members()) == count, 30, f"{count} are seen dead")


def commands():
    """Every command, as a tuple of its words."""
    def below(*words):
        page = subprocess.run([ECBAK, *words, "--help"], capture_output=True, text=True, check=True).stdout
        section = re.search(r"^Commands\n((?:  .*\n)+)", page, re.MULTILINE)
        if not section:
            return [words]
        return [command for line in section[1].splitlines() if line.split()[0] != "help" for command in below(*words, line.split()[0])]
    return below()


def every_help_names_the_statuses_of_its_command_in_the_words_of_the_readme():
    """That it names each which a command ends with is looked at by every test that runs one (lab.py)."""
    table = dict(re.findall(r"^\| ([0-6]) \| (.*) \|$", (HERE.parent / "README.md").read_text(), re.MULTILINE))
    assert sorted(table) == list("0123456"), table
    assert len(commands()) > 20, commands()
    for command in commands():
        told = told_statuses(*command)
        assert {DONE, FAILED, USAGE} <= set(told), f"{command}: {told}"
        for status, words in told.items():
            assert table[str(status)] == words, f"{command}: {status} is {words!r}"
    everything = set(range(7))
    assert set(told_statuses("store")) == set(told_statuses("recover")) == everything


def without_a_node_or_with_a_wrong_command_line():
    with Lab(1) as lab:
        lab.init()
        lab.kill("node-1")
        for words in (("store", lab.root), ("recover", "latest", "--to", f"{lab.root}/to"), ("snapshots",), ("status",),
                      ("members",)):
            lab.ecbak(*words).expect(FAILED)
            lab.ecbak(*words, "--no-such-option").expect(USAGE)


def a_wrong_phrase():
    with Lab(2) as lab:
        words = lab.init().split()
        words[3], words[4] = words[4], words[3]
        lab.open(" ".join(words), f"{lab.root}/other").expect(DAMAGED)


def too_few_members():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=41)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        asked = lab.ecbak("store", "--code", "9+9", tree).expect(TOO_FEW)  # also where nothing is new
        assert "9+9 needs at least 9 nodes" in asked.err, asked.err
        lab.ecbak("store", tree).expect(DONE)
        lab.kill("node-2", "node-3", "node-4")
        wait_dead(lab, 3)
        lab.ecbak("store", tree).expect(TOO_FEW)
        lab.recover(f"{lab.root}/to").expect(TOO_FEW)
        lab.ecbak("members", "--wait-for", "4=alive", "--timeout", "100ms").expect(TOO_FEW)
        lab.ecbak("snapshots").expect(DONE)
        lab.ecbak("status").expect(DONE)


def damaged_fragments():
    with Lab(4) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=42)
        lab.init()
        lab.ecbak("store", "--code", "2+2", tree).expect(DONE)
        flip_bytes(lab, "node-2", "node-3")
        mended = lab.recover(f"{lab.root}/to", node="node-2").expect(DONE).json
        assert mended["corrupt"] > 0, mended
        flip_bytes(lab, *lab.names())
        lab.recover(f"{lab.root}/none").expect(DAMAGED)


def one_pack_that_is_damaged_among_others():
    with Lab(4) as lab:
        first = make_tree(f"{lab.root}/first", seed=43, megabytes=4)
        lab.init()
        lab.ecbak("store", "--code", "2+2", f"{lab.root}/first").expect(DONE)
        kept = {name: set(find_fragments(lab, name)) for name in lab.names()}
        make_tree(f"{first}/more", seed=44, files=1, megabytes=4)
        lab.ecbak("store", "--code", "2+2", first).expect(DONE)
        new = {}
        for name in lab.names():
            for path in set(find_fragments(lab, name)) - kept[name]:
                new.setdefault(os.path.basename(path).split(".")[0], []).append(path)
        for path in max(new.values(), key=lambda paths: os.path.getsize(paths[0])):  # the files' contents
            with open(path, "r+b") as fragment:
                fragment.seek(os.path.getsize(path) // 2)
                fragment.write(b"damage")
        result = lab.recover(f"{lab.root}/to").expect(DAMAGED)
        assert result.json["corrupt"] > 0 and result.json["files"] > 0, result.json


def find_fragments(lab, name):
    return [os.path.join(folder, file) for folder, _, files in os.walk(lab.data(name) / "fragments") for file in files]


def no_space():
    with Lab(3, options=("--capacity", "16M")) as lab, contextlib.ExitStack() as mounts:
        tree = make_tree(f"{lab.root}/tree", seed=45, megabytes=8)
        lab.init()
        lab.ecbak("store", "--code", "2+1", tree).expect(DONE)
        lab.ecbak("store", "--code", "2+1", make_tree(f"{lab.root}/large", seed=46, megabytes=60)).expect(FULL)
        if os.geteuid() != 0:
            print("(needs root to mount a small file system; the rest is passed over)")
            return
        small = f"{lab.root}/small"
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], check=True)
        mounts.callback(subprocess.run, ["umount", small], check=True)
        refused = lab.recover(small).expect(FAILED)  # a new tmpfs lets everybody write
        assert refused.json["error"] == "denied" and "--into-shared" in refused.err, refused.err
        os.chmod(small, 0o755)
        result = lab.recover(small).expect(FULL)
        assert "No space left on device" in result.err and result.json["files"] > 0, (result.err, result.json)


def files_that_are_refused_or_in_the_way():
    with Lab(2) as lab:
        tree = make_tree(f"{lab.root}/tree", seed=47, files=10, megabytes=0)
        lab.init()
        lab.ecbak("store", tree, f"{tree}/missing").expect(INCOMPLETE)
        lab.ecbak("store", "--dry-run", tree, f"{tree}/missing").expect(INCOMPLETE)
        lab.ecbak("store", tree).expect(DONE)
        to = f"{lab.root}/to"
        lab.recover(to).expect(DONE)
        (path,) = [path for path in (f"{to}{tree}/dir-0/file-0",) if os.path.exists(path)]
        with open(path, "a", encoding="ascii") as file:
            file.write("mine")
        lab.recover(to).expect(INCOMPLETE)
        lab.ecbak("recover", "latest", "/no/such/path", "--to", to).expect(FAILED)
        lab.ecbak("recover", "latest", "--to", "/no/such/folder").expect(FAILED)
        lab.ecbak("recover", "ffffffff", "--to", to).expect(FAILED)
        shutil.rmtree(to)
        os.mkdir(to)
        # A folder in the way of a file, and all the rest comes back.
        os.makedirs(f"{to}{tree}/dir-0/file-0")
        result = lab.recover(to).expect(INCOMPLETE)
        assert (result.json["problems"], result.json["files"]) == (1, 9), result.json


def one_refusal_is_incomplete_and_nothing_at_all_is_failed():
    if os.geteuid() != 0:
        print("(needs root, to be somebody else; passed over)")
        return
    with Lab(2) as lab:
        os.chmod(lab.root, 0o755)
        tree = make_tree(f"{lab.root}/tree", seed=48, files=10, megabytes=0)
        lab.init()
        lab.ecbak("store", tree).expect(DONE)
        to = f"{lab.root}/to"
        os.makedirs(f"{to}{tree}/dir-0")  # root's: nobody else may write into it
        subprocess.run(["chattr", "+i", f"{to}{tree}/dir-0"], check=False)
        try:
            result = lab.recover(to)
        finally:
            subprocess.run(["chattr", "-i", f"{to}{tree}/dir-0"], check=False)
        if result.code == DONE:
            print("(nothing can be made unchangeable here; passed over)")
            return
        result.expect(INCOMPLETE)
        assert result.json["files"] > 0 and result.json["problems"] > 0, result.json
        os.mkdir(f"{lab.root}/closed")
        subprocess.run(["chattr", "+i", f"{lab.root}/closed"], check=True)
        try:
            lab.recover(f"{lab.root}/closed").expect(FAILED)
        finally:
            subprocess.run(["chattr", "-i", f"{lab.root}/closed"], check=True)


if __name__ == "__main__":
    sys.exit(run_tests(
        every_help_names_the_statuses_of_its_command_in_the_words_of_the_readme,
        without_a_node_or_with_a_wrong_command_line,
        a_wrong_phrase,
        too_few_members,
        damaged_fragments,
        one_pack_that_is_damaged_among_others,
        no_space,
        files_that_are_refused_or_in_the_way,
        one_refusal_is_incomplete_and_nothing_at_all_is_failed,
    ))
