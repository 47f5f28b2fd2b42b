#!/usr/bin/env python3
"""Store and recover keep every kind of file, every attribute and every odd name, on a real cluster."""
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys

from common import run_tests
from lab import DONE, ECBAK, FAILED, INCOMPLETE, Lab, compare

ROOT = os.geteuid() == 0


def acl(*entries):
    """The bytes of system.posix_acl_*: (tag, permissions, id) each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def write(path, data=b"x"):
    with open(path, "wb") as file:
        file.write(data)
    return path


def make_names(root):
    """Every byte that a name can hold, and the longest one."""
    folder = os.path.join(os.fsencode(root), b"names")
    os.mkdir(folder)
    for byte in range(1, 256):
        if byte != ord("/"):
            write(os.path.join(folder, b"n" + bytes([byte])), bytes([byte]))
    write(os.path.join(folder, b"L" * 255))
    write(os.path.join(folder, b" "))
    write(os.path.join(folder, b"..."))
    os.mkdir(os.path.join(folder, b"\xff\xfe folder\n"))
    deep = folder
    for _ in range(60):
        deep = os.path.join(deep, b"deep")
        os.mkdir(deep)
    write(os.path.join(deep, b"down here"))


def make_kinds(root):
    folder = os.path.join(root, "kinds")
    os.mkdir(folder)
    write(f"{folder}/empty", b"")
    os.mkdir(f"{folder}/empty folder")
    os.symlink("no such target", f"{folder}/dangling")
    os.symlink("t" * 4000, f"{folder}/long link")
    os.symlink(b"\xff\n", os.path.join(os.fsencode(folder), b"odd link"))
    os.mkfifo(f"{folder}/fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)
        server.bind("socket")
        os.chdir(here)
    if ROOT:
        os.mknod(f"{folder}/char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(f"{folder}/block", stat.S_IFBLK | 0o660, os.makedev(7, 200))
    write(f"{folder}/first name", b"one inode" * 1000)
    os.link(f"{folder}/first name", f"{folder}/second name")
    os.mkdir(f"{folder}/elsewhere")
    os.link(f"{folder}/first name", f"{folder}/elsewhere/third name")
    os.link(f"{folder}/fifo", f"{folder}/fifo again")
    os.link(f"{folder}/dangling", f"{folder}/dangling again", follow_symlinks=False)


def make_sparse(root):
    folder = os.path.join(root, "sparse")
    os.mkdir(folder)
    for name, size, runs in (("only a hole", 5 << 20, []), ("hole first", 9 << 20, [(8 << 20, b"end" * 5000)]),
                             ("hole last", 9 << 20, [(0, b"begin" * 5000)]),
                             ("holes between", 40 << 20, [(i << 22, os.urandom(70000)) for i in range(1, 9)])):
        with open(f"{folder}/{name}", "wb") as file:
            for offset, data in runs:
                file.seek(offset)
                file.write(data)
            file.truncate(size)


def make_attributes(root):
    folder = os.path.join(root, "attributes")
    os.mkdir(folder)
    for mode in ([0o000] if ROOT else []) + [0o400, 0o4755, 0o2755, 0o1777, 0o7777, 0o644]:
        os.chmod(write(f"{folder}/mode {mode:o}"), mode)
    for number, mtime in enumerate((0, 1, -1, 123456789012345678, -10**18, 4102444800999999999)):
        os.utime(write(f"{folder}/time {number}"), ns=(0, mtime))
    path = write(f"{folder}/xattrs")
    for number in range(12):
        os.setxattr(path, f"user.n{number}", os.urandom(number * 10))
    read_only = write(f"{folder}/xattr on a read-only file")
    os.setxattr(read_only, "user.kept", b"\0binary\xff")
    os.chmod(read_only, 0o444)
    os.setxattr(write(f"{folder}/acl"), "system.posix_acl_access",
                acl((1, 6, 0xffffffff), (2, 4, 12345), (4, 4, 0xffffffff), (16, 6, 0xffffffff), (32, 0, 0xffffffff)))
    os.mkdir(f"{folder}/default acl")
    write(f"{folder}/default acl/inherits nothing")
    os.setxattr(f"{folder}/default acl", "system.posix_acl_default",
                acl((1, 7, 0xffffffff), (2, 7, 12345), (4, 5, 0xffffffff), (16, 7, 0xffffffff), (32, 5, 0xffffffff)))
    os.mkdir(f"{folder}/flags")
    write(f"{folder}/flags/not inherited")
    for path in (f"{folder}/flags", write(f"{folder}/flags/d and A")):
        if subprocess.run(["chattr", "+dA", path], check=False).returncode != 0:
            print("SKIPPED: flags (chattr), which this file system does not have")
    if ROOT:
        os.chown(write(f"{folder}/owner"), 54321, 54322)
        os.chmod(f"{folder}/owner", 0o6755)
        os.chown(write(f"{folder}/named owner"), 1, 2)
        os.setxattr(write(f"{folder}/capability"), "security.capability",
                    struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
        os.symlink("x", f"{folder}/owned link")
        os.lchown(f"{folder}/owned link", 54321, 54322)
        os.utime(f"{folder}/owned link", ns=(0, 987654321987654321), follow_symlinks=False)
        os.mkdir(f"{folder}/owned folder")
        os.chown(f"{folder}/owned folder", 54321, 0)
        os.chmod(f"{folder}/owned folder", 0o2500)
    os.utime(folder, ns=(0, 1111111111222222222))


def make_zoo(root):
    os.mkdir(root)
    for make in (make_names, make_kinds, make_sparse, make_attributes):
        make(root)
    return root


def holes_are_kept(left, right):
    for name in os.listdir(f"{left}/sparse"):
        size = os.stat(f"{right}/sparse/{name}").st_blocks
        assert size <= os.stat(f"{left}/sparse/{name}").st_blocks + 64, f"{name} takes {size} blocks"


def every_kind_of_file_comes_back_as_it_was():
    with Lab(3) as lab:
        phrase = lab.init()
        zoo = make_zoo(f"{lab.root}/zoo")
        lab.ecbak("store", zoo).expect(DONE)
        again = lab.ecbak("store", zoo, "--json").expect(DONE).json
        assert again["bytes_new"] == 0, again
        home = f"{lab.root}/blank"
        lab.open(phrase, home, node="node-3").expect(DONE)
        lab.recover(f"{lab.root}/out", "--verify", node="node-3", home=home).expect(DONE)
        compare(zoo, f"{lab.root}/out{zoo}")
        holes_are_kept(zoo, f"{lab.root}/out{zoo}")


def changes_renames_and_removals_are_seen():
    with Lab(3) as lab:
        lab.init()
        tree = f"{lab.root}/tree"
        os.mkdir(tree)
        for i in range(30):
            write(f"{tree}/file-{i}", f"number {i}\n".encode() * 500)
        write(f"{tree}/big", os.urandom(6 << 20))
        first = lab.ecbak("store", tree, "--json").expect(DONE).json
        write(f"{tree}/file-1", b"changed")
        os.rename(f"{tree}/file-2", f"{tree}/moved")
        os.unlink(f"{tree}/file-3")
        os.rename(f"{tree}/big", f"{tree}/big moved")
        os.chmod(f"{tree}/file-4", 0o600)
        with open(f"{tree}/big moved", "r+b") as big:
            big.seek(3 << 20)
            big.write(b"one change in the middle")
        second = lab.ecbak("store", tree, "--json").expect(DONE).json
        assert 0 < second["bytes_new"] < 5 << 20, second
        lab.recover(f"{lab.root}/new").expect(DONE)
        compare(tree, f"{lab.root}/new{tree}")
        lab.recover(f"{lab.root}/old", snapshot=first["snapshot"][:8]).expect(DONE)
        assert os.path.exists(f"{lab.root}/old{tree}/file-3")
        assert not os.path.exists(f"{lab.root}/old{tree}/moved")


def some_paths_and_refusals():
    with Lab(3) as lab:
        lab.init()
        tree, out = f"{lab.root}/tree", f"{lab.root}/out"
        os.makedirs(f"{tree}/a/b")
        os.mkdir(f"{tree}/c")
        write(f"{tree}/a/b/wanted")
        write(f"{tree}/a/other")
        lab.ecbak("store", tree).expect(DONE)
        lab.recover(out, f"{tree}/a/b").expect(DONE)
        compare(f"{tree}/a/b", f"{out}{tree}/a/b")
        assert not os.path.exists(f"{out}{tree}/a/other") and not os.path.exists(f"{out}{tree}/c")
        assert lab.recover(f"{lab.root}/none", f"{tree}/no such").code == FAILED
        write(f"{out}{tree}/a/b/wanted", b"mine")
        lab.recover(out).expect(INCOMPLETE)
        with open(f"{out}{tree}/a/b/wanted", "rb") as file:
            assert file.read() == b"mine"
        os.mkdir(f"{lab.root}/outside")
        os.rename(f"{out}{tree}/a", f"{lab.root}/moved")
        os.symlink(f"{lab.root}/outside", f"{out}{tree}/a")
        lab.recover(out).expect(INCOMPLETE)
        assert os.listdir(f"{lab.root}/outside") == []
        lab.recover(out, "--overwrite").expect(DONE)
        assert os.listdir(f"{lab.root}/outside") == []
        compare(tree, f"{out}{tree}")


def a_profile_says_what_is_stored():
    with Lab(2) as lab:
        lab.init()
        tree, out, profile = f"{lab.root}/a tree", f"{lab.root}/out", f"{lab.root}/nightly.conf"
        os.mkdir(tree)
        write(f"{tree}/wanted")
        write(f"{tree}/left.o")
        write(profile, f"# every night\npath {tree}\nexclude *.o\ntag nightly\n".encode())
        lab.ecbak("store", "--profile", profile).expect(DONE)
        lab.recover(out, "--tag", "nightly").expect(DONE)
        assert os.listdir(f"{out}{tree}") == ["wanted"]


def a_file_that_cannot_be_read_is_named():
    """As an ordinary user: root can read everything."""
    with Lab(3) as lab:
        lab.init()
        tree = f"{lab.root}/tree"
        os.mkdir(tree)
        write(f"{tree}/good", b"good")
        write(f"{tree}/secret", b"secret")
        os.chmod(f"{tree}/secret", 0)
        if ROOT:
            for folder in (lab.root, lab.home):
                for path, _, files in os.walk(folder):
                    for name in [path] + [os.path.join(path, file) for file in files]:
                        os.chown(name, 65534, 65534, follow_symlinks=False)
            os.chmod(lab.root, 0o755)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if ROOT else {}
        program = shutil.copy(ECBAK, f"{lab.root}/ecbak")  # the other user may not reach our build folder
        done = subprocess.run([program, "store", tree], env=lab.environment(), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=120, check=False, **user)
        assert done.returncode == INCOMPLETE, (done.returncode, done.stderr)
        assert "secret" in done.stderr, done.stderr
        lab.recover(f"{lab.root}/out").expect(DONE)
        assert os.listdir(f"{lab.root}/out{tree}") == ["good"]


def store_beside(lab, tree, how):
    """A store while another process changes the file again and again."""
    writer = subprocess.Popen([sys.executable, "-c", "import random,sys,time\nwhile True:\n" + how + "\n time.sleep(.001)",
                               f"{tree}/log"])
    try:
        return lab.ecbak("store", tree)
    finally:
        writer.kill()
        writer.wait()


def a_file_that_is_rewritten_while_it_is_read_is_named_and_one_that_grew_is_whole():
    with Lab(3) as lab:
        lab.init()
        tree = f"{lab.root}/tree"
        os.mkdir(tree)
        write(f"{tree}/log", os.urandom(64 << 20))
        result = store_beside(lab, tree, " f=open(sys.argv[1],'r+b');f.seek(random.randrange(64<<20));f.write(b'line');f.close()")
        result.expect(INCOMPLETE)
        assert "log" in result.err and "changed" in result.err, result.err
        grown = store_beside(lab, tree, " open(sys.argv[1],'ab').write(b'line')")
        grown.expect(DONE)
        assert "grew" in grown.out + grown.err, grown.out + grown.err
        lab.ecbak("store", tree).expect(DONE)
        lab.recover(f"{lab.root}/out").expect(DONE)
        compare(tree, f"{lab.root}/out{tree}")


if __name__ == "__main__":
    sys.exit(run_tests(every_kind_of_file_comes_back_as_it_was, changes_renames_and_removals_are_seen,
                       some_paths_and_refusals, a_profile_says_what_is_stored,
                       a_file_that_cannot_be_read_is_named,
                       a_file_that_is_rewritten_while_it_is_read_is_named_and_one_that_grew_is_whole))
