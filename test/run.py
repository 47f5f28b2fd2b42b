#!/usr/bin/env python3
"""Runs every test program and every cluster test, and ends with the one line `N passed, N failed`.

A test program is a cmocka binary (unit_*, sim_*) in the build folder, or a script test/cluster_*.py (with --hosts,
test/hosts_*.py); each prints its own results. Scripts print `ok NAME` or `FAIL NAME` a line.

Under the sanitizers, a report by any process that a test started fails that test's program, whatever the test
itself made of that process's output and exit status.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def run(command, env):
    """Runs one program; returns (passed, failed, output)."""
    if not pathlib.Path(command[0]).exists():
        return 0, 1, f"{command[0]} is not built: make {os.path.relpath(command[0])}, or make test for all"
    with tempfile.TemporaryDirectory(prefix="ecbak-reports-") as reports:
        os.chmod(reports, 0o1777)  # some tests run a command as another user
        done = subprocess.run(command, env=reporting_to(reports, env), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        found = [path.read_text(errors="replace") for path in sorted(pathlib.Path(reports).iterdir())]
    passed = len(re.findall(r"^\[\s+OK \] |^ok ", done.stdout, re.M))
    failed = len(set(re.findall(r"^\[  FAILED  \] (?!\d+ test)(\S+)$|^FAIL (\S+)", done.stdout, re.M)))
    failed += len(found)
    if done.returncode != 0 and failed == 0:
        failed = 1
    if done.returncode == 0 and passed + failed == 0:
        failed = 1  # a test program that ran nothing is a defect
    return passed, failed, "\n".join([done.stdout, *found])


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
    parser.add_argument("only", nargs="*", help="run only the programs whose names contain one of these")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    env = dict(os.environ, ECBAK_BUILD=str(build), PATH=f"{build}:{os.environ['PATH']}")
    programs = [p for kind in ("unit", "sim") for p in sorted(HERE.glob(f"{kind}_*.c"))]
    commands = [(p.stem, [str(build / "test" / p.stem)]) for p in programs]
    commands += [(p.stem, [sys.executable, str(p)]) for p in sorted(HERE.glob("cluster_*.py"))]
    if args.hosts:
        commands = [(p.stem, [sys.executable, str(p)]) for p in sorted(HERE.glob("hosts_*.py"))]
    total_passed = total_failed = 0
    for name, command in commands:
        if args.only and not any(word in name for word in args.only):
            continue
        start = time.monotonic()
        passed, failed, output = run(command, env)
        total_passed += passed
        total_failed += failed
        print(f"{'ok  ' if failed == 0 else 'FAIL'} {name}: {passed} passed, {failed} failed "
              f"({time.monotonic() - start:.1f} s)", flush=True)
        if failed:
            print(output, flush=True)
        else:
            for line in passed_over(output):
                print(f"     {line}", flush=True)
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or total_passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
