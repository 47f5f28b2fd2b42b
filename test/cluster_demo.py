#!/usr/bin/env python3
"""The demonstration that the README promises, on a small tree: it ends well, says what it showed, and leaves nothing."""
import glob
import os
import pathlib
import subprocess
import sys
import tempfile

from common import BUILD, HERE, SLOW, run_tests
from lab import make_tree


def demo(*paths, temporary):
    return subprocess.run([str(HERE / "demo.sh"), str(BUILD), *paths], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300 * SLOW, check=False,
                          env=dict(os.environ, TMPDIR=temporary))


def deepen(folder, bottom=b"deep"):
    """Makes folders below it until a path through them is longer than the kernel takes, and a file in the last one."""
    name, here = "x" * 200, os.open(folder, os.O_RDONLY)
    for _ in range(os.pathconf(folder, "PC_PATH_MAX") // len(name) + 1):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here), "wb") as file:
        file.write(bottom)
    os.utime("bottom", (0, 0), dir_fd=here)
    os.close(here)
    return folder


def left_over(temporary):
    """Nodes of this demo that still run, and files of it that are still there."""
    nodes = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            command = pathlib.Path(path).read_bytes()
        except OSError:
            continue
        if temporary.encode() in command and b"ecbakd" in command:
            nodes.append(command)
    return nodes, os.listdir(temporary)


def the_demonstration_ends_well_and_leaves_nothing():
    with tempfile.TemporaryDirectory(prefix="ecbak-test-") as folder:
        tree = deepen(make_tree(f"{folder}/a tree", megabytes=2))
        temporary = f"{folder}/tmp"
        os.mkdir(temporary)
        done = demo(tree, temporary=temporary)
        assert done.returncode == 0, done.stdout
        assert "byte for byte" in done.stdout, done.stdout
        nodes, files = left_over(temporary)
        assert not nodes and not files, (nodes, files)


def a_tree_that_is_not_there_fails_the_demonstration():
    with tempfile.TemporaryDirectory(prefix="ecbak-test-") as folder:
        done = demo(f"{folder}/nowhere", temporary=folder)
        assert done.returncode != 0, done.stdout
        assert "nowhere" in done.stdout and "lab up" not in done.stdout, "it found out late\n" + done.stdout
        nodes, files = left_over(folder)
        assert not nodes and not files, (nodes, files)


def what_differs_deeper_than_a_path_reaches_is_found():
    def compared():
        return subprocess.run([HERE / "compare.py", "--ignore-root", f"{folder}/one", f"{folder}/other"], stdout=subprocess.PIPE, text=True, check=False)
    with tempfile.TemporaryDirectory(prefix="ecbak-test-") as folder:
        for name, bottom in (("one", b"deep"), ("other", b"DEEP")):
            os.mkdir(f"{folder}/{name}")
            deepen(f"{folder}/{name}", bottom)
        done = compared()
        lines = [line.rpartition("/")[2] for line in done.stdout.splitlines()]
        assert done.returncode == 1 and "bottom': contents" in lines, done.stdout[-500:]


if __name__ == "__main__":
    sys.exit(run_tests(the_demonstration_ends_well_and_leaves_nothing, a_tree_that_is_not_there_fails_the_demonstration,
                       what_differs_deeper_than_a_path_reaches_is_found))
