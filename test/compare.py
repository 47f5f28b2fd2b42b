#!/usr/bin/env python3
"""Compares two trees: every byte and every attribute. Prints each difference; exit status 1 on any.

Names, kinds, contents, holes' contents, modes, owners, times to the nanosecond, link targets, extended
attributes (ACLs are among them), flags (chattr), device numbers, and which names are one file (hard links).

usage: compare.py [--no-owners] [--ignore-root] LEFT RIGHT [LEFT RIGHT]...
"""
import fcntl
import os
import stat
import struct
import sys

BLOCK = 1 << 20
FS_IOC_GETFLAGS = 0x80086601
FLAGS = 0x83c4ff  # what somebody sets, not how a file is kept


def walk(root):
    """Relative path -> lstat of everything below root, and of root itself as b"."."""
    found = {b".": os.lstat(root)}
    pending = [b""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                path = os.path.join(below, entry.name)
                found[path] = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found[path].st_mode):
                    pending.append(path)
    return found


def same_contents(left, right):
    with open(left, "rb") as a, open(right, "rb") as b:
        while True:
            x, y = a.read(BLOCK), b.read(BLOCK)
            if x != y:
                return False
            if not x:
                return True


def attributes(path):
    try:
        return {name: os.getxattr(path, name, follow_symlinks=False)
                for name in os.listxattr(path, follow_symlinks=False)}
    except OSError as error:
        return {"error": str(error)}


def flags(path, mode):
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return 0
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        return struct.unpack("I", fcntl.ioctl(handle, FS_IOC_GETFLAGS, bytes(4)))[0] & FLAGS
    except OSError:
        return 0
    finally:
        os.close(handle)


def compare_one(left, right, a, b, owners):
    """The differences between two entries, as words."""
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        return [f"kind {stat.S_IFMT(a.st_mode):o} and {stat.S_IFMT(b.st_mode):o}"]
    found = []
    if a.st_mode != b.st_mode:
        found.append(f"mode {a.st_mode:o} and {b.st_mode:o}")
    if owners and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
        found.append(f"owner {a.st_uid}:{a.st_gid} and {b.st_uid}:{b.st_gid}")
    if a.st_mtime_ns != b.st_mtime_ns:
        found.append(f"mtime {a.st_mtime_ns} and {b.st_mtime_ns}")
    if stat.S_ISREG(a.st_mode):
        if a.st_size != b.st_size:
            found.append(f"size {a.st_size} and {b.st_size}")
        elif not same_contents(left, right):
            found.append("contents")
    if stat.S_ISLNK(a.st_mode) and os.readlink(left) != os.readlink(right):
        found.append("target")
    if (stat.S_ISCHR(a.st_mode) or stat.S_ISBLK(a.st_mode)) and a.st_rdev != b.st_rdev:
        found.append("device number")
    if attributes(left) != attributes(right):
        found.append("extended attributes")
    if flags(left, a.st_mode) != flags(right, b.st_mode):
        found.append("flags")
    return found


def link_groups(found):
    """Path -> the set of paths in the tree that are the same file."""
    groups = {}
    for path, seen in found.items():
        if seen.st_nlink > 1 and not stat.S_ISDIR(seen.st_mode):
            groups.setdefault((seen.st_dev, seen.st_ino), set()).add(path)
    return {path: group for group in groups.values() if len(group) > 1 for path in group}


def compare(left, right, owners, ignore_root):
    """Yields (path, differences); returns nothing else."""
    a, b = walk(left), walk(right)
    for path in sorted(a.keys() | b.keys()):
        if path == b"." and ignore_root:
            continue
        if path not in b:
            yield path, ["missing on the right"]
        elif path not in a:
            yield path, ["only on the right"]
        else:
            differences = compare_one(os.path.join(left, path), os.path.join(right, path), a[path], b[path],
                                      owners)
            if differences:
                yield path, differences
    groups_a, groups_b = link_groups(a), link_groups(b)
    for path in sorted(groups_a.keys() | groups_b.keys()):
        if groups_a.get(path) != groups_b.get(path):
            yield path, ["hard links"]


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    roots = [os.fsencode(word) for word in sys.argv[1:] if not word.startswith("--")]
    if not roots or len(roots) % 2 or options - {"--no-owners", "--ignore-root"}:
        print(__doc__, file=sys.stderr)
        return 2
    differences = entries = size = 0
    for left, right in zip(roots[::2], roots[1::2]):
        for path, words in compare(left, right, "--no-owners" not in options, "--ignore-root" in options):
            print(f"{os.path.join(right, path)!r}: {', '.join(words)}")
            differences += 1
        seen = walk(left).values()
        entries += len(seen)
        size += sum(s.st_size for s in seen if stat.S_ISREG(s.st_mode))
    print(f"{differences} differences in {entries} entries, {size} bytes")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
