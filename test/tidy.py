#!/usr/bin/env python3
"""Holds the sources to the house rules; `make tidy` runs it. Each finding is one line; any one fails.

  layers   an include points only to layers below (LAYERS)
  pure     coding/, gossip/, node/placement/ and cli/vault/ touch no file, socket, clock or terminal
  banned   functions that overrun, keep hidden state or start shells
  sizes    functions, files and folders that a reader can take in
  dead     every function is called by something else than tests, or is among EXCEPTIONS
  private  a header X_internal.h is included from its own folder and from tests only, and no private header is called otherwise
  assert   nothing turns assertions off
  tables   node/README.md shows the tables of requests and chores as they are in the code
  alone    every header compiles by itself
  format   clang-format has nothing to change
  static   clang-tidy, with .clang-tidy; held by the version of Debian 12, STATIC_VERSION: each version doubts other things

usage: tidy.py [--root DIR] [--only CHECK,...] [--jobs N] [-- COMPILER FLAGS]
"""
import argparse
import collections
import concurrent.futures
import pathlib
import re
import subprocess
import sys

from c_source import calls, code_of, functions, includes, names
from common import HERE

# Limits of `sizes`, and what exceeded them, or broke a newer rule, when the rule was made. The numbers only go down: one that is
# too high is a finding too, as is an entry that is not needed any more. Nothing is added here.
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400    # outside test/
TEST_LINES_MAX = 600    # a file of test/: a table of cases is long, and still one thing
FOLDER_FILES_MAX = 24   # .c and .h, outside test/
EXCEPTIONS = {
    "folders": {},
    "files": {},
    "test files": {},
    "functions": {},
    "private": [],
    "dead": [],
    # Called by tests only, to see what cannot be seen otherwise or to check the rest against.
    "for tests": ["catalogue_pinned", "cert_load", "hash_tree_path", "hash_tree_prove",
                  "link_peer_count", "pack_reader_kind", "rs_decode", "rs_rebuild", "serve_client_request",
                  "serve_peer_request"],
}

# What each folder may include: the longest matching folder of a file decides.
LAYERS = {
    "coding/base": ["coding/base"],
    "coding": ["coding"],
    "gossip": ["gossip/swim.h", "gossip/claim.h", "gossip/order.h", "gossip/prng.h", "coding/base"],
    "gossip/core": ["gossip", "coding/base"],
    "node/common": ["node/common", "coding"],
    "node/trust": ["node/trust", "node/common", "coding"],
    "node/api": ["node/api", "node/trust", "node/common", "coding"],
    "node/base": ["node/base", "node/trust", "node/common", "coding"],
    "node/config": ["node/config", "node/base", "node/api", "node/trust", "node/common", "coding"],
    "node/placement": ["node/placement", "coding"],
    "node/pins": ["node/pins", "node/trust", "node/common", "coding"],
    "node/store": ["node/store", "node/pins", "node/base", "node/trust", "node/common", "coding"],
    "node/door": ["node/door", "node/base", "node/trust", "node/common", "coding"],
    "node/net": ["node/net", "node/door", "node/config", "node/base", "node/trust", "node/common", "coding"],
    "node/membership": ["node/membership", "node/net", "node/door", "node/config", "node/base", "node/trust", "node/common", "gossip/swim.h",
                        "coding"],
    "node/peers": ["node/peers", "node/membership", "node/net", "node/door", "node/store", "node/placement", "node/config", "node/base",
                   "node/trust", "node/common", "coding"],
    "node/transfer": ["node/transfer", "node/peers", "node/membership", "node/net", "node/door", "node/store", "node/placement", "node/base",
                      "node/api", "node/trust", "node/common", "coding"],
    "node/repair": ["node/repair", "node/transfer", "node/peers", "node/membership", "node/net", "node/door", "node/store",
                    "node/placement", "node/base", "node/api", "node/trust", "node/common", "coding"],
    "node/sync": ["node/sync", "node/peers", "node/membership", "node/net", "node/door", "node/store", "node/placement", "node/base",
                  "node/trust", "node/common", "coding"],
    "node/chores": ["node/chores", "node/sync", "node/peers", "node/membership", "node/net", "node/door", "node/store", "node/config",
                    "node/base", "node/trust", "node/common", "coding"],
    "node/serve": ["node/serve", "node/chores", "node/sync", "node/repair", "node/transfer", "node/peers", "node/membership",
                   "node/net", "node/door", "node/store", "node/placement", "node/config", "node/base", "node/api", "node/trust",
                   "node/common", "coding"],
    "node": ["node", "gossip", "coding"],
    "cli/base": ["cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/vault": ["cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/files": ["cli/files", "cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/home": ["cli/home", "cli/files", "cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/remote": ["cli/remote", "cli/home", "cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/packing": ["cli/packing", "cli/home", "cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/store": ["cli/store", "cli/packing", "cli/remote", "cli/home", "cli/files", "cli/vault", "cli/base",
                  "coding", "node/api", "node/trust", "node/common"],
    "cli/recover": ["cli/recover", "cli/remote", "cli/home", "cli/files", "cli/vault", "cli/base", "coding",
                    "node/api", "node/trust", "node/common"],
    "cli/ui": ["cli/ui", "cli/vault", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/admit": ["cli/admit", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli/lab": ["cli/lab", "cli/admit", "cli/ui", "cli/base", "coding", "node/api", "node/trust", "node/common"],
    "cli": ["cli", "coding", "node/api", "node/trust", "node/common"],
    "test": ["test", "cli", "node", "gossip", "coding"],
}

PURE = ["coding", "gossip", "node/placement", "cli/vault"]
# <stdio.h> is there for snprintf; what else it has is among PURE_CALLS.
PURE_HEADERS = re.compile(r"^(unistd|fcntl|time|poll|dirent|signal|termios|glob|ftw|spawn|syslog|netdb|"
                          r"zmq|czmq|zmq_utils|sqlite3|jansson)\.h$|^(sys|net|netinet|arpa)/")
PURE_EXCEPT = {
    # Memory is no file: one place asks for large pages.
    ("coding/base/alloc.c", "sys/mman.h"),
    # A key or a nonce is drawn where it is used, so that no caller can give one twice.
    ("cli/vault/keys.c", "randombytes_buf"),
    ("cli/vault/pack_format.c", "randombytes_buf"),
    ("cli/vault/snapshot.c", "randombytes_buf"),
}
PURE_CALLS = """printf fprintf vprintf vfprintf puts fputs fputc putchar putc perror fopen fdopen freopen
    fread fwrite fgets fgetc getc getchar fscanf scanf tmpfile remove rename open openat creat read write
    close socket connect bind listen accept send recv poll select epoll_wait clock_gettime time gettimeofday
    clock sleep usleep nanosleep getrandom getenv random rand randombytes_buf randombytes_uniform
    randombytes_random pthread_create""".split()
BANNED_CALLS = """strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof rand srand system popen
    alloca tmpnam mktemp strncpy strncat""".split()
# Called in one place only, but for tests: libzmq resolves names on the thread that carries all connections.
CALLED_IN = {"zmq_connect": "node/common/endpoint.c", "zmq_bind": "node/common/endpoint.c",
             "zmq_disconnect": "node/common/endpoint.c"}

STATIC_VERSION = 14

MISNAMED = re.compile(r"(^|[/_])(inner|inside|core|parts)\.h$")
BUILD_FILES = ["Makefile", "ansible/packaging"]


def sources(root, kinds=("c", "h")):
    for folder in ("coding", "gossip", "node", "cli", "test"):
        for kind in kinds:
            yield from sorted((root / folder).rglob(f"*.{kind}"))


def layer_of(path):
    fits = [layer for layer in LAYERS if path == layer or path.startswith(layer + "/")]
    return max(fits, key=len) if fits else None


def check_layers(root, _flags, _jobs):
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        layer = layer_of(name)
        if layer == "test":
            continue
        for number, system, target in includes(path.read_text(errors="replace")):
            if system:
                continue
            if not any(target == below or target.startswith(below + "/") for below in LAYERS[layer]):
                yield f'{name}:{number}: {layer}/ may not include "{target}"'


def check_pure(root, _flags, _jobs):
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        if not any(name.startswith(folder + "/") for folder in PURE):
            continue
        text = path.read_text(errors="replace")
        for number, system, target in includes(text):
            if system and PURE_HEADERS.search(target) and (name, target) not in PURE_EXCEPT:
                yield f"{name}:{number}: <{target}> in a pure folder"
        for number, call in calls(text, PURE_CALLS):
            if (name, call) not in PURE_EXCEPT:
                yield f"{name}:{number}: {call}() in a pure folder"


def check_banned(root, _flags, _jobs):
    for path in sources(root):
        for number, call in calls(path.read_text(errors="replace"), BANNED_CALLS):
            yield f"{path.relative_to(root)}:{number}: {call}() is banned"
        name = path.relative_to(root).as_posix()
        for number, call in calls(path.read_text(errors="replace"), CALLED_IN):
            if not name.startswith("test/") and name != CALLED_IN[call]:
                yield f"{name}:{number}: {call}() is for {CALLED_IN[call]} alone"


def ratchet(kind, unit, found, limit):
    """Holds numbers to a limit, or to what EXCEPTIONS allow; and EXCEPTIONS to what there is."""
    allowed = EXCEPTIONS[kind]
    for what, number in found.items():
        if number > max(limit, allowed.get(what, 0)):
            yield f"{what}: {number} {unit}, at most {max(limit, allowed.get(what, 0))}"
    for what, number in allowed.items():
        now = found.get(what, 0)
        if now < number:
            yield f"{what}: {now} {unit} now; " + (f"{now} for {number} in EXCEPTIONS" if now > limit else "take it out of EXCEPTIONS")


def check_sizes(root, _flags, _jobs):
    in_files, in_tests, in_functions, in_folders = {}, {}, {}, collections.Counter()
    for path in sources(root):
        name, text = path.relative_to(root).as_posix(), path.read_text(errors="replace")
        for function, _, lines in functions(text):
            in_functions[f"{name}: {function}"] = lines
        if name.startswith("test/"):
            in_tests[name] = text.count("\n")
        else:
            in_files[name] = text.count("\n")
            in_folders[name.rpartition("/")[0]] += 1
    yield from ratchet("functions", "lines", in_functions, FUNCTION_LINES_MAX)
    yield from ratchet("files", "lines", in_files, FILE_LINES_MAX)
    yield from ratchet("test files", "lines", in_tests, TEST_LINES_MAX)
    yield from ratchet("folders", "files", in_folders, FOLDER_FILES_MAX)


def check_dead(root, _flags, _jobs):
    declared, used, tested = {}, set(), set()
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        of_test = name.startswith("test/")
        here, words = names(path.read_text(errors="replace"))
        (tested if of_test else used).update(words)
        if not of_test or name.endswith(".h"):  # the compiler finds those of one .c
            for function in here:
                declared.setdefault(function, []).append(name)
    uncalled = {}
    for function, where in declared.items():
        if function not in used and function != "main":
            for_tests = all(name.startswith("test/") for name in where)
            if not (for_tests and function in tested):
                uncalled[function] = where[-1], function in tested
    for function, (where, by_tests) in sorted(uncalled.items(), key=lambda item: item[1]):
        if function not in EXCEPTIONS["for tests" if by_tests else "dead"]:
            yield f"{where}: {function}() is called by " + ("tests only" if by_tests else "nothing")
    for kind, by_tests in (("dead", False), ("for tests", True)):
        for function in EXCEPTIONS[kind]:
            if function not in uncalled or uncalled[function][1] != by_tests:
                yield f'{function}(): take it out of EXCEPTIONS, "{kind}"'


def check_private(root, _flags, _jobs):
    misnamed = [path.relative_to(root).as_posix() for path in sources(root, ("h",)) if MISNAMED.search(path.name)]
    for name in misnamed:
        if name not in EXCEPTIONS["private"]:
            yield f"{name}: a private header's name ends in _internal.h"
    for name in EXCEPTIONS["private"]:
        if name not in misnamed:
            yield f"{name}: is there no more, take it out of EXCEPTIONS"
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        for number, system, target in includes(path.read_text(errors="replace")):
            ours = target.rpartition("/")[0] == name.rpartition("/")[0] or name.startswith("test/")
            if not system and target.endswith("_internal.h") and not ours:
                yield f'{name}:{number}: "{target}" is private to its folder'


def check_assert(root, _flags, _jobs):
    builds = [path for name in BUILD_FILES for path in ([root / name] if (root / name).is_file() else sorted((root / name).rglob("*")))]
    for path in [path for path in builds if path.is_file()] + list(sources(root)):
        text = path.read_text(errors="replace")
        for number, line in enumerate((code_of(text) if path.suffix in (".c", ".h") else text).splitlines(), 1):
            if re.search(r"\bD?NDEBUG\b", line):
                yield f"{path.relative_to(root)}:{number}: assertions hold in every build, NDEBUG is never set"


# What a row of a table in the code says, as node/README.md shows it.
TABLES = {
    "node/serve/peer_requests.c": (r'\{\{KIND\(\w+\), "(\w+)", QUEUE_(\w+), COST_(\w+)\}', r"^\| (\w+) \| (peer|dial) \| (\w+) \|$"),
    "node/serve/client_requests.c": (r'\{\{KIND\(\w+\), "(\w+)", QUEUE_(\w+), COST_(\w+)\}',
                                     r"^\| (\w+) \| (quick|client) \| (\w+) \|$"),
    "node/chores/chores.c": (r'\{"([^"]+)", THREAD_(\w+), WAITS_(\w+), (\d+), \d+, \w+\}',
                             r"^\| ([^|]+) \| (watch|house|ask|records) \| (\w+) \| (\d+ \w+)"),
}


def check_tables(root, _flags, _jobs):
    def period(text):
        return f"{int(text) // 86400000} day" if int(text) >= 86400000 else f"{int(text) // 1000} s"
    readme = root / "node/README.md"
    shown = readme.read_text() if readme.exists() else ""
    for name, (in_code, in_readme) in TABLES.items():
        if not (root / name).exists():
            continue
        rows = [(row[0], row[1].lower(), row[2].lower(), *map(period, row[3:]))
                for row in re.findall(in_code, (root / name).read_text())]
        lines = re.findall(in_readme, shown, re.M)
        yield from (f"node/README.md: {name} has no row {' | '.join(line)}" for line in lines if line not in rows)
        yield from (f"{name}: node/README.md does not show {' | '.join(row)}" for row in rows if row not in lines)


def run_each(paths, command, jobs):
    """Runs command(path) for each, some side by side; yields (path, output) of those that failed."""
    def one(path):
        done = subprocess.run(command(path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        return path, done.returncode, done.stdout
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for path, status, output in pool.map(one, paths):
            if status != 0:
                yield path, output


def check_alone(root, flags, jobs):
    def command(path):
        return ["gcc", "-std=c17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c", *flags,
                "-include", str(path), "/dev/null"]
    for path, output in run_each(sources(root, ("h",)), command, jobs):
        first = next((line for line in output.splitlines() if "error" in line), "does not compile")
        yield f"{path.relative_to(root)}: not by itself: {first.strip()}"


def check_format(root, _flags, jobs):
    def command(path):
        return ["clang-format", "--dry-run", "-Werror", str(path)]
    for path, output in run_each(sources(root), command, jobs):
        where = re.search(r":(\d+):\d+: error", output)
        yield f"{path.relative_to(root)}:{where.group(1) if where else 0}: not as clang-format has it"


def static_version():
    """Which clang-tidy this machine has."""
    done = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, text=True, check=False)
    return int(re.search(r"version (\d+)", done.stdout)[1])


def check_static(root, flags, jobs):
    def command(path):
        return ["clang-tidy", "--quiet", str(path), "--", "-std=c17", "-Wno-unknown-warning-option", *flags]
    for _path, output in run_each(sources(root, ("c",)), command, jobs):
        for line in dict.fromkeys(re.findall(r"^.*: (?:error|warning): .*$", output, re.M)):
            yield line.removeprefix(str(root) + "/")


CHECKS = {"layers": check_layers, "pure": check_pure, "banned": check_banned, "sizes": check_sizes, "dead": check_dead,
          "private": check_private, "assert": check_assert, "tables": check_tables, "alone": check_alone, "format": check_format,
          "static": check_static}


def main():
    own, flags = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, flags = own[:cut], own[cut + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=HERE.parent)
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args(own)
    if args.root.resolve() != HERE.parent:
        EXCEPTIONS.update({kind: type(entries)() for kind, entries in EXCEPTIONS.items()})  # they are of these sources
    flags += ["-I", str(args.root)]
    total = 0
    for name in args.only.split(","):
        if name == "static" and args.root.resolve() == HERE.parent and static_version() != STATIC_VERSION:
            print(f"NOT CHECKED static: this is clang-tidy {static_version()}, and what counts is what {STATIC_VERSION} says, Debian 12's")
            continue
        found = list(dict.fromkeys(CHECKS[name](args.root.resolve(), flags, args.jobs)))
        for line in found:
            print(line)
        print(f"{'ok  ' if not found else 'FAIL'} {name}" + (f": {len(found)}" if found else ""), flush=True)
        total += len(found)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
