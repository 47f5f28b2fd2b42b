"""Control groups of a run: one per host, below one whose name says which run it is. Works on both kernel interfaces.

The name is also how processes of a run are known for certain: whatever a host starts stays below its group.
"""
import os
import pathlib

from common import wait_until

# The hierarchies that a host's systemd needs as its own, where the kernel has the first version; else the one there is.
FIRST_VERSION = ["systemd", "unified", "memory", "pids", "cpu", "cpuacct", "blkio", "freezer"]
MOUNTED = pathlib.Path("/sys/fs/cgroup")


def hierarchies():
    if (MOUNTED / "cgroup.controllers").exists():
        return [MOUNTED]
    return [MOUNTED / name for name in FIRST_VERSION if (MOUNTED / name / "cgroup.procs").exists()]


def writable():
    """Why this machine's control groups cannot be used, or None."""
    if not hierarchies():
        return f"there are no control groups below {MOUNTED}"
    if not all(os.access(path, os.W_OK) for path in hierarchies()):
        return f"the control groups below {MOUNTED} are not writable"
    return None


def make(name):
    """Makes group NAME in each hierarchy; returns the files that a process writes its id to, to move there."""
    for path in hierarchies():
        (path / name).mkdir(parents=True, exist_ok=True)
    return [path / name / "cgroup.procs" for path in hierarchies()]


def remove(name):
    """Removes NAME and everything below; its processes must have ended, or be ending."""
    def gone():
        for hierarchy in hierarchies():
            for folder, _, _ in os.walk(hierarchy / name, topdown=False):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError:
                    return False
        return True
    wait_until(gone, 10, f"control group {name} is empty")


def set_frozen(name, frozen):
    """Stops or continues every process of NAME at once; returns when the kernel says so."""
    for hierarchy in hierarchies():
        second, first = hierarchy / name / "cgroup.freeze", hierarchy / name / "freezer.state"
        if second.exists():
            second.write_text("1" if frozen else "0")
            events = hierarchy / name / "cgroup.events"
            wait_until(lambda events=events: f"frozen {int(frozen)}" in events.read_text(), 10, f"{name} is frozen: {frozen}")
            return
        if first.exists():
            wanted = "FROZEN" if frozen else "THAWED"
            first.write_text(wanted)
            wait_until(lambda first=first: first.read_text().strip() == wanted, 10, f"{name} is {wanted}")
            return
    raise AssertionError("this kernel can freeze no control group")


def limit_processor(name, percent):
    """At most that share of one processor for NAME; None takes the limit away."""
    for hierarchy in hierarchies():
        second, first = hierarchy / name / "cpu.max", hierarchy / name / "cpu.cfs_quota_us"
        if second.exists():
            second.write_text("max 100000" if percent is None else f"{percent * 1000} 100000")
            return
        if first.exists():
            (hierarchy / name / "cpu.cfs_period_us").write_text("100000")
            first.write_text("-1" if percent is None else str(percent * 1000))
            return
    raise AssertionError("this kernel can limit no control group's processor time")
