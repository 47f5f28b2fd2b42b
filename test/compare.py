#!/usr/bin/env python3
"""Compares two trees: every byte and every attribute. Prints each difference; exit status 1 on any.

Names, kinds, contents, holes' contents, modes, owners, times to the nanosecond, link targets, extended
attributes (ACLs are among them), flags (chattr), device numbers, and which names are one file (hard links).

usage: compare.py [--no-owners] [--ignore-root] LEFT RIGHT [LEFT RIGHT]...
"""
import collections
import fcntl
import hashlib
import os
import stat
import struct
import sys

BLOCK = 1 << 20
FS_IOC_GETFLAGS = 0x80086601
FLAGS = 0x83c4ff  # what somebody sets, not how a file is kept

# One name of a tree: its lstat, a digest of a file's contents or a link's target or nothing, its extended attributes and flags.
Entry = collections.namedtuple("Entry", "stat contents attributes flags")


def enter(folder, name):
    """The folder of that name in the open one, which is closed."""
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    os.close(folder)
    return below


def open_parent(path):
    """The open folder in which the path's last name is, and that name."""
    names = [name for name in path.split(b"/") if name] or [b"."]
    folder = os.open(b"/" if path.startswith(b"/") else b".", os.O_PATH)
    for name in names[:-1]:
        below = os.open(name, os.O_PATH | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = below
    return folder, names[-1]


def walk(root):
    """Relative path -> Entry of everything below root, and of root itself as b".".

    A tree may be deeper than the longest path that the kernel takes, so it is walked by descriptors; and deeper than
    descriptors may be open, so only one folder is, and ".." leads back.
    """
    folder, name = open_parent(root)
    found = {b".": look(folder, name)}
    above = []  # of each folder that was entered: its path, and the names in it that were not looked at yet
    if stat.S_ISDIR(found[b"."].stat.st_mode):
        folder = enter(folder, name)
        above.append((b"", os.listdir(folder)))
    while above:
        path, names = above[-1]
        if not names:
            above.pop()
            folder = enter(folder, b"..")
            continue
        name = os.fsencode(names.pop())
        below = os.path.join(path, name)
        found[below] = look(folder, name)
        if stat.S_ISDIR(found[below].stat.st_mode):
            folder = enter(folder, name)
            above.append((below, os.listdir(folder)))
    os.close(folder)
    return found


def look(folder, name):
    seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    contents = None
    if stat.S_ISREG(seen.st_mode):
        contents = digest(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder))
    elif stat.S_ISLNK(seen.st_mode):
        contents = os.readlink(name, dir_fd=folder)
    path = b"/proc/self/fd/%d/%s" % (folder, name)  # extended attributes have no call by descriptor
    return Entry(seen, contents, attributes(path), flags(folder, name, seen.st_mode))


def digest(descriptor):
    summed = hashlib.blake2b()
    with open(descriptor, "rb") as file:
        while block := file.read(BLOCK):
            summed.update(block)
    return summed.digest()


def attributes(path):
    try:
        return {name: os.getxattr(path, name, follow_symlinks=False)
                for name in os.listxattr(path, follow_symlinks=False)}
    except OSError as error:
        return {"error": error.strerror}


def flags(folder, name, mode):
    """What chattr sets; none where there are none."""
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return 0
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        return 0
    try:
        return struct.unpack("I", fcntl.ioctl(handle, FS_IOC_GETFLAGS, bytes(4)))[0] & FLAGS
    except OSError:
        return 0
    finally:
        os.close(handle)


def compare_one(left, right, owners):
    """The differences between two entries, as words."""
    a, b = left.stat, right.stat
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        return [f"kind {stat.S_IFMT(a.st_mode):o} and {stat.S_IFMT(b.st_mode):o}"]
    found = []
    if a.st_mode != b.st_mode:
        found.append(f"mode {a.st_mode:o} and {b.st_mode:o}")
    if owners and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
        found.append(f"owner {a.st_uid}:{a.st_gid} and {b.st_uid}:{b.st_gid}")
    if a.st_mtime_ns != b.st_mtime_ns:
        found.append(f"mtime {a.st_mtime_ns} and {b.st_mtime_ns}")
    if stat.S_ISREG(a.st_mode) and a.st_size != b.st_size:
        found.append(f"size {a.st_size} and {b.st_size}")
    elif left.contents != right.contents:
        found.append("target" if stat.S_ISLNK(a.st_mode) else "contents")
    if (stat.S_ISCHR(a.st_mode) or stat.S_ISBLK(a.st_mode)) and a.st_rdev != b.st_rdev:
        found.append("device number")
    if left.attributes != right.attributes:
        found.append("extended attributes")
    if left.flags != right.flags:
        found.append("flags")
    return found


def link_groups(found):
    """Path -> the set of paths in the tree that are the same file."""
    groups = {}
    for path, (seen, *_) in found.items():
        if seen.st_nlink > 1 and not stat.S_ISDIR(seen.st_mode):
            groups.setdefault((seen.st_dev, seen.st_ino), set()).add(path)
    return {path: group for group in groups.values() if len(group) > 1 for path in group}


def compare(a, b, owners, ignore_root):
    """Yields (path, differences) of two trees that were walked."""
    for path in sorted(a.keys() | b.keys()):
        if path == b"." and ignore_root:
            continue
        if path not in b:
            yield path, ["missing on the right"]
        elif path not in a:
            yield path, ["only on the right"]
        else:
            differences = compare_one(a[path], b[path], owners)
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
        found = walk(left)
        for path, words in compare(found, walk(right), "--no-owners" not in options, "--ignore-root" in options):
            print(f"{os.path.join(right, path)!r}: {', '.join(words)}")
            differences += 1
        entries += len(found)
        size += sum(entry.stat.st_size for entry in found.values() if stat.S_ISREG(entry.stat.st_mode))
    print(f"{differences} differences in {entries} entries, {size} bytes")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
