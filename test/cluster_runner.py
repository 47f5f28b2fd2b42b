#!/usr/bin/env python3
"""What runs the tests is tested too: programs that hang, hide, say nothing or fail, and the one that follows them all."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from common import HERE, run_tests, wait_until

GOOD = 'print("[ RUN      ] it_is_good\\n[       OK ] it_is_good")\n'
HANGS = "import time\ntime.sleep(1000)\n"
# Leaves its session, and is not asked: it ends by being killed only.
HIDDEN = """import os, pathlib, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(os.environ["SCRATCH"], "hidden").write_text(str(os.getpid()))
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists(os.path.join(os.environ["SCRATCH"], "hidden")):
    time.sleep(0.01)
"""


class Tests:
    """A folder of test programs, all written in Python, and the runner on them."""

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="ecbak-runner-")
        self.folder = pathlib.Path(self.holder.name)
        (self.folder / "build/test").mkdir(parents=True)
        return self

    def __exit__(self, *_):
        self.holder.cleanup()

    def add(self, name, text):
        if name.startswith("cluster_"):
            (self.folder / f"{name}.py").write_text(text)
            return
        (self.folder / f"{name}.c").touch()
        program = self.folder / "build/test" / name
        program.write_text(f"#!{sys.executable}\n{text}")
        program.chmod(0o755)

    def start(self, limit_s=3, notice_s=100):
        return subprocess.Popen([sys.executable, HERE / "run.py", "--build", self.folder / "build", "--tests", self.folder, "--limit", str(limit_s),
                                 "--notice", str(notice_s)], env=dict(os.environ, SCRATCH=str(self.folder)), text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, last, **more):
        """What the runner prints; its last line is to be this one."""
        with self.start(**more) as runner:
            try:
                said, _ = runner.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                runner.terminate()
                raise AssertionError("the runner does not end") from None
        assert said.splitlines()[-1] == last, said
        assert (runner.returncode == 0) == last.endswith(" 0 failed"), said
        return said

    def hidden(self):
        return int((self.folder / "hidden").read_text())


def is_there(pid):
    return pathlib.Path(f"/proc/{pid}/exe").exists()


def what_passes_and_what_fails_is_counted():
    with Tests() as tests:
        tests.add("unit_good", GOOD)
        tests.add("cluster_fails", 'print("ok one\\nFAIL another\\nbecause")\nraise SystemExit(1)\n')
        tests.add("cluster_dies", 'print("ok one", flush=True)\nimport os\nos.abort()\n')
        tests.add("cluster_empty", "")
        said = tests.run("3 passed, 3 failed")
    assert "ok   unit_good: 1 passed, 0 failed" in said and "because" in said, said


def a_program_that_hangs_is_named_with_its_test_and_the_next_one_runs():
    with Tests() as tests:
        tests.add("unit_a_hangs", f'print("[ RUN      ] this_holds\\n[       OK ] this_holds\\n[ RUN      ] this_hangs", flush=True)\n{HANGS}')
        tests.add("unit_b_good", GOOD)
        said = tests.run("2 passed, 1 failed")
    assert "FAIL unit_a_hangs: 1 passed, 1 failed" in said and ": hung in this_hangs, ended at its limit of 3 s" in said, said
    assert "[ RUN      ] this_hangs" in said, "what it printed is not shown\n" + said


def a_program_that_prints_nothing_is_ended_too():
    with Tests() as tests:
        tests.add("unit_silent", HANGS)
        said = tests.run("0 passed, 1 failed")
    assert "hung and printed nothing, ended" in said, said


def all_that_a_hanging_program_started_ends_with_it():
    with Tests() as tests:
        tests.add("cluster_a", f"{HIDDEN}print('ok one')\n{HANGS}")
        tests.add("unit_good", GOOD)
        said = tests.run("2 passed, 1 failed")
        assert not is_there(tests.hidden()), said
    assert "hung after printing 'ok one'" in said and f"{tests.folder}/cluster_a.py" in said, said


def nothing_else_ends_with_it():
    with Tests() as tests, subprocess.Popen(["sleep", "1000"]) as other:
        tests.add("unit_hangs", HANGS)
        tests.run("0 passed, 1 failed")
        assert other.poll() is None
        other.kill()


def a_hanging_script_says_where_and_cleans_up():
    with Tests() as tests:
        tests.add("cluster_made", f"""import os, pathlib
made = pathlib.Path(os.environ["SCRATCH"], "made")
made.touch()
def it_waits_in_vain():
    {HANGS.replace(chr(10), "; ", 1)}
try:
    it_waits_in_vain()
finally:
    made.unlink()
""")
        said = tests.run("0 passed, 1 failed")
        assert not (tests.folder / "made").exists(), said
    assert "in it_waits_in_vain" in said and "KeyboardInterrupt" in said, said


def where_a_programs_threads_wait_is_said():
    with Tests() as tests:
        tests.add("cluster_waits", 'import subprocess\nsubprocess.run(["tail", "-f", "/dev/null"])\n')
        said = tests.run("0 passed, 1 failed")
    line = next((line for line in said.splitlines() if line.endswith(": tail -f /dev/null")), None)
    assert line and line.split()[1] == "S", said
    if shutil.which("gdb") and os.geteuid() == 0:
        assert " tail\n" in said and "#0 " in said, said
    else:
        print("(needs root and gdb: whether stacks are printed)")


def a_process_that_is_left_behind_is_named_and_ended():
    with Tests() as tests:
        tests.add("cluster_leaves", f"{HIDDEN}print('ok one')\n")
        said = tests.run("1 passed, 0 failed", limit_s=50)
        hidden = tests.hidden()
    assert not is_there(hidden), said
    assert f"left running, and ended here: {hidden} " in said and "cluster_leaves.py" in said, said


def what_runs_long_is_said_before_its_limit():
    with Tests() as tests:
        tests.add("cluster_long", "import time\nprint('ok one')\ntime.sleep(1.5)\nprint('ok two')\n")
        said = tests.run("2 passed, 0 failed", limit_s=50, notice_s=0.3)
    assert said.count("cluster_long runs for ") == 3 and "after printing 'ok one'" in said, said


def a_runner_that_is_ended_takes_along_what_runs():
    with Tests() as tests:
        tests.add("cluster_hides", HIDDEN + HANGS)
        with tests.start(limit_s=1000) as runner:
            wait_until((tests.folder / "hidden").exists, 20, "it runs")
            runner.send_signal(signal.SIGTERM)
            said, _ = runner.communicate(timeout=60)
        assert runner.returncode == 128 + signal.SIGTERM and not is_there(tests.hidden()), said


if __name__ == "__main__":
    sys.exit(run_tests(
        what_passes_and_what_fails_is_counted,
        a_program_that_hangs_is_named_with_its_test_and_the_next_one_runs,
        a_program_that_prints_nothing_is_ended_too,
        all_that_a_hanging_program_started_ends_with_it,
        nothing_else_ends_with_it,
        a_hanging_script_says_where_and_cleans_up,
        where_a_programs_threads_wait_is_said,
        a_process_that_is_left_behind_is_named_and_ended,
        what_runs_long_is_said_before_its_limit,
        a_runner_that_is_ended_takes_along_what_runs,
    ))
