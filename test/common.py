"""What every Python test starts from: where the programs are, waiting for a condition, running tests by name.

Nothing here sleeps and hopes: wait_until() polls a condition with a deadline.
"""
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("ECBAK_BUILD", HERE.parent / "build")).resolve()


def slowness(build):
    """How many times longer than elsewhere what is in this build folder may take."""
    return 4 if "san" in build.name else 1  # sanitizers slow everything


SLOW = slowness(BUILD)


def wait_until(condition, seconds, what, pause=0.05):
    """The condition's first true value. `what` is a text, or a function that gives one when it did not come true."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOW} s: {what() if callable(what) else what}")
        time.sleep(pause)


def run_tests(*tests, words=None):
    """Runs those tests (functions) whose names contain one of the words, or all when there is none; the words are those
    of the command line unless said. Prints `ok NAME` or `FAIL NAME` and why for each; returns the exit status."""
    words = sys.argv[1:] if words is None else words
    failed = 0
    for test in tests:
        if words and not any(word in test.__name__ for word in words):
            continue
        try:
            test()
            print(f"ok {test.__name__}", flush=True)
        except Exception:  # a test's failure must not hide the others
            failed += 1
            print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0
