#!/usr/bin/env python3
"""Whole-process figures of ecbak beside restic: `make bench-e2e`.

About 1 GB of real files is stored into six local nodes (fragments for k+m of them, encrypted on the wire, fsynced),
stored again unchanged, and recovered; restic does the same with one plain local repository on the same disk. All in
one run, the tools in turn, so that a ratio means something on a noisy machine. Every recovery is compared with its
source. Prints a table, and with --check exits 1 when a target is missed.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from common import HERE

TARGETS = {"first": 0.65, "unchanged": 0.20, "recover": 0.60}
RSS_COMMAND_MB = 200
RSS_NODE_MB = 16


def timed(command, env=None):
    """Runs a command to its end: (seconds, peak MB, stdout). Anything but exit 0 ends the benchmark."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}\nexited {child.returncode}\n{err.read().decode(errors='replace')}")
        return seconds, usage.ru_maxrss / 1024, out.read().decode(errors="replace")


def copy_sources(to, limit):
    """Copies real trees below `to` until about `limit` bytes are there."""
    total = files = 0
    for root in ("/usr/include", "/usr/share", "/usr/lib"):
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                source = os.path.join(folder, name)
                try:
                    info = os.lstat(source)
                except OSError:
                    continue
                if not os.path.isfile(source) or os.path.islink(source):
                    continue
                if total + info.st_size > limit:
                    continue
                target = to + source
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(source, target)
                total += info.st_size
                files += 1
    return total, files


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Restic:
    """One restic binary with a repository of its own below `work`."""

    def __init__(self, binary, label, work, source):
        self.binary, self.label, self.work, self.source = binary, label, work, source
        self.env = dict(os.environ, RESTIC_PASSWORD="benchmark", RESTIC_CACHE_DIR=f"{work}/cache",
                        RESTIC_REPOSITORY=f"{work}/repository", RESTIC_PROGRESS_FPS="0.01")

    def begin(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        timed([self.binary, "-q", "init"], self.env)

    def store(self):
        return timed([self.binary, "-q", "backup", self.source], self.env)

    def recover(self, to):
        return timed([self.binary, "-q", "restore", "latest", "--target", to], self.env)

    def end(self):
        shutil.rmtree(self.work, ignore_errors=True)


class Ecbak:
    """Six nodes on loopback, made and ended by `ecbak lab`."""

    label = "ecbak"

    def __init__(self, build, work, source, shape):
        self.ecbak = str(build / "ecbak")
        self.work, self.source, self.shape = work, source, shape
        self.lab = f"{work}/lab"
        self.idle_mb = 0.0
        self.env = dict(os.environ)

    def begin(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        timed([self.ecbak, "lab", "up", "-n", "6", "--profile", "local", "--dir", self.lab])
        _, _, exports = timed([self.ecbak, "lab", "env", "--dir", self.lab])
        script = f"{exports}\nenv -0"
        listing = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout
        self.env = dict(entry.split("=", 1) for entry in listing.decode().split("\0") if "=" in entry)
        timed([self.ecbak, "init", "--json"], self.env)
        _, _, status = timed([self.ecbak, "lab", "status", "--json", "--dir", self.lab])
        pids = [node["pid"] for node in json.loads(status)["nodes"]]
        self.idle_mb = max(self.idle_mb, max(resident_mb(pid) for pid in pids))

    def store(self):
        return timed([self.ecbak, "store", "-q", *self.shape, self.source], self.env)

    def recover(self, to):
        return timed([self.ecbak, "recover", "latest", "-q", "--to", to], self.env)

    def end(self):
        timed([self.ecbak, "lab", "down", "--dir", self.lab])
        shutil.rmtree(self.work, ignore_errors=True)


def same(source, recovered):
    return subprocess.run([sys.executable, str(HERE / "compare.py"), source, recovered], check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--shape", default="", help="K+M; default: automatic for six nodes")
    parser.add_argument("--dir", default=None, help="where to work (needs about 8 GB)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    shape = ["--code", args.shape] if args.shape else []
    work = tempfile.mkdtemp(prefix="ecbak-bench-", dir=args.dir)
    source = f"{work}/source"
    tools = [Ecbak(build, f"{work}/ecbak", source, shape)]
    for name in ("restic", "restic-current"):
        binary = shutil.which(name)
        if binary:
            version = subprocess.run([binary, "version"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
            tools.append(Restic(binary, f"restic {version[1]}", f"{work}/{name}", source))
    try:
        total, files = copy_sources(source, args.megabytes * 1024 * 1024)
        print(f"{files} files, {total / 1e6:.0f} MB; {args.rounds} rounds, the tools in turn")
        figures = {tool.label: {"first": [], "unchanged": [], "recover": []} for tool in tools}
        peak = {tool.label: {"first": 0, "unchanged": 0, "recover": 0} for tool in tools}
        for _ in range(args.rounds):
            for tool in tools:
                target = f"{work}/recovered"
                tool.begin()
                os.sync()
                for job, run in (("first", tool.store), ("unchanged", tool.store),
                                 ("recover", lambda tool=tool, target=target: tool.recover(target))):
                    seconds, megabytes, _ = run()
                    figures[tool.label][job].append(seconds)
                    peak[tool.label][job] = max(peak[tool.label][job], megabytes)
                if not same(source, target + source):
                    sys.exit(f"{tool.label}: what was recovered differs from its source")
                tool.end()
                shutil.rmtree(target)
                os.sync()
    finally:
        shutil.rmtree(work, ignore_errors=True)

    missed = False
    print(f"\n{'':22}" + "".join(f"{job:>26}" for job in TARGETS))
    for tool in tools:
        row = "".join(f"{statistics.median(figures[tool.label][job]):14.2f} s {peak[tool.label][job]:7.0f} MB"
                      for job in TARGETS)
        print(f"{tool.label:22}{row}")
    for tool in tools[1:]:
        row = ""
        for job, target in TARGETS.items():
            pairs = [a / b for a, b in zip(figures["ecbak"][job], figures[tool.label][job])]
            ratio = statistics.median(pairs)
            row += f"{ratio:14.2f} (max {target:.2f})"
            missed |= tool.label.startswith("restic 0.14") and ratio > target
        print(f"{'ecbak / ' + tool.label:22}{row}")
    command_mb = max(peak["ecbak"].values())
    idle_mb = tools[0].idle_mb
    print(f"\nresident: command {command_mb:.0f} MB (max {RSS_COMMAND_MB}), idle node {idle_mb:.1f} MB (max {RSS_NODE_MB})")
    missed |= command_mb > RSS_COMMAND_MB or idle_mb > RSS_NODE_MB
    return 1 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
