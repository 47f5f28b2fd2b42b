#!/usr/bin/env python3
"""Peers learn nothing: planted strings are searched in all that nodes keep, log and say to each other."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from common import run_tests, wait_until
from lab import DAMAGED, DONE, ECBAK, FAILED, Lab

NOBODY = 65534

CONTENT = b"planted-content-7f3a91c2-the-quick-brown-fox"
NAME = "planted-name-5d20e8b1"
TAG = "planted-tag-99ab10"
PLANTED = [CONTENT, NAME.encode(), TAG.encode()]


class Wire:
    """All that crosses loopback while it runs, when the system lets us listen."""

    def __init__(self):
        self.found = set()
        self.bytes = 0
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
            self.socket.bind(("lo", 0))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
            self.socket.settimeout(0.1)
        except (PermissionError, OSError):
            self.socket = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.listen)

    def listen(self):
        while not self.ended.is_set():
            try:
                packet = self.socket.recv(1 << 17)
            except socket.timeout:
                continue
            self.bytes += len(packet)
            self.found |= {planted for planted in PLANTED if planted in packet}

    def __enter__(self):
        if self.socket:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        if self.socket:
            self.thread.join()
            self.socket.close()


def plant(root):
    folder = pathlib.Path(root) / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.txt").write_bytes(CONTENT * 10)
    (folder / "large").write_bytes(b"".join(CONTENT + os.urandom(64) for _ in range(40000)))
    os.symlink(f"/{NAME}/target", folder / "link")
    return str(root)


def no_planted_string_is_on_a_node_or_on_the_wire():
    with Lab(4) as lab, Wire() as wire:
        tree = plant(f"{lab.root}/tree")
        phrase = lab.init()
        lab.ecbak("store", "--tag", TAG, tree).expect(DONE)
        lab.recover(f"{lab.root}/to", node="node-3").expect(DONE)
        lab.ecbak("snapshots").expect(DONE)
        searched = 0
        words = phrase.encode()
        for folder, _, names in os.walk(lab.dir):
            for name in names:
                path = pathlib.Path(folder) / name
                if not path.is_file():
                    continue
                held = path.read_bytes()
                searched += len(held)
                for planted in PLANTED:
                    assert planted not in held, f"{planted} is in {path}"
                assert words not in held, f"the recovery phrase is in {path}"
        assert searched > 1_000_000, "nothing was searched"
        if wire.socket:
            assert wire.bytes > 1_000_000, "nothing was heard on the wire"
            assert not wire.found, f"{wire.found} crossed the wire in the clear"


def sizes_show_only_as_far_as_padding_lets_them():
    """Two trees whose sealed sizes differ a little give fragments of the same sizes."""
    sizes = []
    for extra in (0, 700):
        with Lab(3) as lab:
            folder = pathlib.Path(lab.root) / "tree"
            folder.mkdir()
            (folder / "file").write_bytes(os.urandom(300_000 + extra))
            lab.init()
            lab.ecbak("store", str(folder)).expect(DONE)
            sizes.append(sorted(path.stat().st_size for name in lab.names()
                                for path in (lab.data(name) / "fragments").rglob("*") if path.is_file()))
    assert sizes[0] == sizes[1], f"700 bytes more can be seen: {sizes}"


def a_mistyped_phrase_and_the_phrase_of_another_vault_are_told_apart():
    with Lab(3) as lab:
        tree = plant(f"{lab.root}/tree")
        phrase = lab.init()
        lab.ecbak("store", tree).expect(DONE)
        words = phrase.split()
        words[3], words[4] = words[4], words[3]
        if words == phrase.split():
            words[5] = "zoo" if words[5] != "zoo" else "abandon"
        mistyped = lab.open(" ".join(words), f"{lab.root}/wrong").expect(DAMAGED)
        assert "checksum" in mistyped.err, mistyped.err
        other = lab.ecbak("init", "--json", home=f"{lab.root}/other").expect(DONE).json["phrase"]
        missing = lab.open(other, f"{lab.root}/blank").expect(FAILED)
        assert "another vault" in missing.err and "checksum" not in missing.err, missing.err


def who_waits_for_a_secret_leaves_no_core():
    """A process that cannot be dumped is root's in /proc, whoever runs it."""
    root = os.geteuid() == 0
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    with tempfile.TemporaryDirectory(prefix="ecbak-secrecy-") as folder:
        os.chmod(folder, 0o777)
        program = shutil.copy(ECBAK, folder)  # where anybody may reach it
        env = dict(os.environ, HOME=folder, ECBAK_HOME=f"{folder}/home", ECBAK_CACHE=f"{folder}/cache")
        for words in (("open",), ("join", "-")):
            with subprocess.Popen([program, *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, **identity) as waiting:
                proc = pathlib.Path(f"/proc/{waiting.pid}")
                wait_until(lambda proc=proc: (proc / "environ").stat().st_uid == 0, 10, f"nobody may look into ecbak {words}")
                limits = [line.split() for line in (proc / "limits").read_text().splitlines() if line.startswith("Max core file size")]
                assert limits[0][4:6] == ["0", "0"], limits
                waiting.stdin.close()


if __name__ == "__main__":
    sys.exit(run_tests(
        no_planted_string_is_on_a_node_or_on_the_wire,
        sizes_show_only_as_far_as_padding_lets_them,
        a_mistyped_phrase_and_the_phrase_of_another_vault_are_told_apart,
        who_waits_for_a_secret_leaves_no_core,
    ))
