#!/usr/bin/env python3
"""Runs every test program and every cluster test, and ends with the one line `N passed, N failed`.

A test program is a cmocka binary (unit_*, sim_*) in the build folder, or a script test/cluster_*.py (with --hosts,
test/hosts_*.py); each prints its own results. Scripts print `ok NAME` or `FAIL NAME` a line.

Each program has a time limit. At it, the program is ended with all that it started (supervise.py) and counts as failed;
its hanging is said, with the test it was in and where its processes waited. What a program that runs long is at is said
before.

Under the sanitizers, a report by any process that a test started fails that test's program, whatever the test
itself made of that process's output and exit status.
"""
import argparse
import os
import pathlib
import re
import signal
import sys
import tempfile
import time

import supervise
from common import HERE, slowness

NOTICE_S = 30  # what runs longer is said
LIMIT_S = 300  # what runs longer hangs, but for these (starts of names); under the sanitizers all get several times as long
LIMITS_S = {
    "cluster_ansible": 1200,
    "cluster_demo": 600,
    "cluster_hosts": 1800,
    "hosts_": 3600,
}


def limit_of(name, build):
    own = [seconds for start, seconds in LIMITS_S.items() if name.startswith(start)]
    return max([LIMIT_S, *own]) * slowness(build)


class Result:
    """What one program came to: counts, what it printed, and what is to be said beside them."""

    def __init__(self, passed, failed, output, remark=""):
        self.passed, self.failed, self.output, self.remark = passed, failed, output, remark


def run(name, command, env, limit_s, notice_s):
    if not pathlib.Path(command[0]).exists():
        return Result(0, 1, f"{command[0]} is not built: make {os.path.relpath(command[0])}, or make test for all")
    with tempfile.TemporaryDirectory(prefix="ecbak-run-") as folder:
        os.chmod(folder, 0o755)
        reports, printed = pathlib.Path(folder) / "reports", pathlib.Path(folder) / "output"
        reports.mkdir()
        os.chmod(reports, 0o1777)  # some tests run a command as another user
        printed.touch()
        ended = supervise.run(command, reporting_to(reports, env), printed, limit_s, Notices(name, printed, notice_s))
        output = printed.read_text(errors="replace")
        found = [path.read_text(errors="replace") for path in sorted(reports.iterdir())]
    passed = len(re.findall(r"^\[\s+OK \] |^ok ", output, re.M))
    failed = len(set(re.findall(r"^\[  FAILED  \] (?!\d+ test)(\S+)$|^FAIL (\S+)", output, re.M)))
    failed += len(found) + ended.hung
    if ended.status != 0 and failed == 0:
        failed = 1
    if ended.status == 0 and passed + failed == 0:
        failed = 1  # a test program that ran nothing is a defect
    remark = ""
    if ended.hung:
        remark = f": hung {doing(output.split(supervise.HUNG)[0])}, ended at its limit of {limit_s:g} s"
    elif ended.left:
        remark = ": left running, and ended here: " + "; ".join(ended.left)
    return Result(passed, failed, "\n".join([output, *found]), remark)


class Notices:
    """Says after a while what a program is at, and again each time that it has taken twice as long."""

    def __init__(self, name, printed, notice_s):
        self.name, self.printed, self.next_s = name, printed, notice_s

    def __call__(self, seconds):
        if seconds >= self.next_s:
            print(f"     {self.name} runs for {seconds:.0f} s now, {doing(self.printed.read_text(errors='replace'))}", flush=True)
            self.next_s *= 2


def doing(output):
    """Where a program that has printed this is, as words."""
    last = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)[-1:]
    if last and not re.search(rf"^\[ +[A-Z]+ +\] {re.escape(last[0])}$", re.sub(r"^\[ RUN .*$", "", output, flags=re.M), re.M):
        return f"in {last[0]}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"after printing {lines[-1][:120]!r}" if lines else "and printed nothing"


def reporting_to(folder, env):
    """The environment in which the sanitizers of every process below write their reports into the folder."""
    env = dict(env)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        env[name] = ":".join(filter(None, [env.get(name), f"log_path={folder}/report"]))
    return env


def passed_over(output):
    """What this machine or user could not test: cmocka's skipped tests, and lines `(needs ...)`. And measured figures."""
    skipped = sorted(set(re.findall(r"^\[  SKIPPED \] (?!\d+ test)(\S+)$", output, re.M)))
    return [f"({name} passed over)" for name in skipped] + re.findall(r"^\(needs .*\)$|^figure: .*$", output, re.M)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--hosts", action="store_true", help="the tests on real hosts instead (hosts_*)")
    parser.add_argument("--tests", type=pathlib.Path, default=HERE, metavar="FOLDER", help="where the sources of tests are")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="for every program, in place of its own limit")
    parser.add_argument("--notice", type=float, default=NOTICE_S, metavar="SECONDS", help="say what runs longer than this")
    parser.add_argument("only", nargs="*", help="run only the programs whose names contain one of these")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    env = dict(os.environ, ECBAK_BUILD=str(build), PATH=f"{build}:{os.environ['PATH']}",
               PYTHONUNBUFFERED="1")  # what a script printed is there when it hangs
    programs = [p for kind in ("unit", "sim") for p in sorted(args.tests.glob(f"{kind}_*.c"))]
    commands = [(p.stem, [str(build / "test" / p.stem)]) for p in programs]
    commands += [(p.stem, [sys.executable, str(p)]) for p in sorted(args.tests.glob("cluster_*.py"))]
    if args.hosts:
        commands = [(p.stem, [sys.executable, str(p)]) for p in sorted(args.tests.glob("hosts_*.py"))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and with us what runs
    total_passed = total_failed = 0
    for name, command in commands:
        if args.only and not any(word in name for word in args.only):
            continue
        start = time.monotonic()
        result = run(name, command, env, args.limit or limit_of(name, build), args.notice)
        total_passed += result.passed
        total_failed += result.failed
        print(f"{'ok  ' if result.failed == 0 else 'FAIL'} {name}: {result.passed} passed, {result.failed} failed "
              f"({time.monotonic() - start:.1f} s){result.remark}", flush=True)
        if result.failed:
            print(result.output, flush=True)
        else:
            for line in passed_over(result.output):
                print(f"     {line}", flush=True)
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or total_passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
