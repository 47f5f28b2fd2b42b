"""One program under watch: it ends by itself, or at its time limit together with everything that it started.

What it started is known for certain: this process is made the one that orphans fall to, so whatever is below it in the
table of processes came of the program, daemons in sessions of their own too. Hence one program at a time.

At the limit the text of where each process waits goes to the program's output. The program is then interrupted, upon which
a Python test says where it was and takes its folders and nodes back; what is still there after a moment is killed.
"""
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

POLL_S = 0.02
CLEAN_UP_S = 10   # for an interrupted program to clean up, and for the children of one that ended to end too
HUNG = "\n--- it did not end"  # in the output of a program, from where on it is not the program's
STACK_S = 20      # for a debugger to attach and print
STACKS_MAX = 6    # programs whose stacks are printed
LISTED_MAX = 40   # processes that are listed
PR_SET_CHILD_SUBREAPER = 36
INTERPRETERS = re.compile(r"^(python|perl|sh$|bash|dash)")  # their own stacks tell nothing of the script


class Ended:
    """How a program ended: its exit status, whether it was at its limit, and the processes that it left running."""

    def __init__(self, status, hung, left):
        self.status, self.hung, self.left = status, hung, left


def run(command, env, output, limit_s, tell):
    """Runs one program that prints into the file `output`. Calls tell(seconds) for as long as it runs, some times a second."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    with open(output, "ab") as to:
        program = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=to, stderr=to, start_new_session=True)
    try:
        start = time.monotonic()
        while reap(program) is None:
            seconds = time.monotonic() - start
            if seconds > limit_s:
                with open(output, "ab") as to:
                    to.write(f"{HUNG}; its processes, and what the kernel has them wait for\n{waiting(below(os.getpid()))}\n"
                             "--- interrupted\n".encode())
                return Ended(None, True, [])
            tell(seconds)
            time.sleep(POLL_S)
        return Ended(program.returncode, False, left_running(program))
    finally:
        interrupt(program)
        end_all()


def reap(program):
    """Takes the exit statuses of all children that ended, orphans among them; returns the program's when it ended."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == program.pid:
                program.returncode = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        pass  # there are none any more
    return program.returncode


def interrupt(program):
    """So that a test that did not end takes back what it made."""
    if reap(program) is not None:
        return
    os.kill(program.pid, signal.SIGINT)
    deadline = time.monotonic() + CLEAN_UP_S
    while reap(program) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)


def left_running(program):
    """What is still there a moment after the program ended, as words."""
    deadline = time.monotonic() + CLEAN_UP_S
    while below(os.getpid()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        reap(program)
    return [f"{pid} {command(pid)}" for pid in below(os.getpid())]


def end_all():
    """Kills everything below this process, until nothing is there that could have started more."""
    deadline = time.monotonic() + CLEAN_UP_S
    while time.monotonic() < deadline:
        for pid in below(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return
        time.sleep(POLL_S)


def below(root):
    """The ids of all processes that descend from this one and have not ended, parents first."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        state, parent = status_of(path.name)
        if state is not None:
            children.setdefault(parent, []).append((int(path.name), state))
    found, pending = [], [root]
    while pending:
        for pid, state in children.get(pending.pop(0), []):
            pending.append(pid)
            if state != "Z":
                found.append(pid)
    return found


def status_of(pid):
    """(state, parent) of a process or thread given as a path below /proc; (None, None) when it is gone."""
    try:
        words = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return words[0], int(words[1])
    except (OSError, IndexError):
        return None, None


def read(path):
    return pathlib.Path(path).read_text(errors="replace")


def command(pid):
    try:
        return read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()[:120]
    except OSError:
        return "(gone)"


def waiting(pids):
    """A line for each process: its id, what its threads wait for, its command; then the stacks of programs, where gdb is."""
    lines, stacks = [], []
    for pid in pids[:LISTED_MAX]:
        lines.append(f"{pid} {', '.join(threads(pid))}: {command(pid)}")
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            continue
        if len(stacks) < STACKS_MAX and shutil.which("gdb") and not INTERPRETERS.match(program):
            stacks.append(f"--- stack of {pid} {program}\n{stack(pid)}")
    if len(pids) > LISTED_MAX:
        lines.append(f"and {len(pids) - LISTED_MAX} more")
    return "\n".join(lines + stacks)


def threads(pid):
    """State and wait channel of each thread, equal ones counted: `S futex_wait_queue x3`."""
    seen = {}
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        state, _ = status_of(f"{pid}/task/{path.name}")
        try:
            what = f"{state} {read(path / 'wchan')}".removesuffix(" 0")
        except OSError:
            what = f"{state}"
        seen[what] = seen.get(what, 0) + 1
    return [what if count == 1 else f"{what} x{count}" for what, count in seen.items()]


def stack(pid):
    env = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
    try:
        done = subprocess.run(["gdb", "--nx", "--batch", "-p", str(pid), "-ex", "thread apply all backtrace 30"], env=env, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=STACK_S, check=False)
    except subprocess.TimeoutExpired:
        return f"(gdb did not print it within {STACK_S} s)"
    return "\n".join(re.findall(r"^(?:#|Thread ).*$", done.stdout, re.M)) or "(gdb could not attach)"
