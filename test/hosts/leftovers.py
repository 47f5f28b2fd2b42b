"""What a run must not leave behind: processes, namespaces, mounts, links, loop devices, control groups, settings.

Others use the machine at the same time, so a thing is held against the run only when it bears the run's mark (see
cage.py): its environment or control group for processes, its prefix for links and namespaces, its folder for mounts and
loop devices.
"""
import os
import pathlib

from . import cgroups
from .shell import run


def text(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def settings(names):
    """Kernel settings as they are now: those that a run changes are to be the same after it."""
    return {name: text("/proc/sys/" + name.replace(".", "/")).strip() for name in names}


def set_settings(wanted):
    for name, value in wanted.items():
        pathlib.Path("/proc/sys/" + name.replace(".", "/")).write_text(value)


def processes(mark):
    return [f"process {path.name}: {text(path / 'cmdline').replace(chr(0), ' ')[:100]}"
            for path in pathlib.Path("/proc").glob("[0-9]*") if mark in text(path / "cgroup") or mark in text(path / "environ")]


def mounts(folder):
    """In this mount namespace, and in any other that is still alive because somebody holds it."""
    tables = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            tables.setdefault(os.readlink(path / "ns/mnt"), path / "mountinfo")
        except OSError:
            pass
    return [f"mount {line.split()[4]}" for path in tables.values() for line in text(path).splitlines() if folder in line]


def links(prefix):
    return [f"link {name}" for name in sorted(os.listdir("/sys/class/net")) if name.startswith(prefix)]


def loops(folder):
    found = []
    for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        if folder in text(path):
            found.append(f"loop device {path.parts[3]} of {text(path).strip()}")
    return found


def groups(mark):
    return [f"control group {path / mark}" for path in cgroups.hierarchies() if (path / mark).exists()]


def named_namespaces(prefix):
    listed = run("ip", "netns", "list", check=False).stdout.split()
    return [f"network namespace {name}" for name in listed if name.startswith(prefix)]


def found(cage, settings_before):
    """One line for each thing that the run left; none is what must be."""
    lines = processes(cage.mark) + mounts(cage.folder) + links(cage.prefix) + loops(cage.folder) + groups(cage.mark)
    lines += named_namespaces(cage.prefix)
    if os.path.exists(cage.folder):
        lines.append(f"folder {cage.folder}")
    for name, value in settings(settings_before).items():
        if value != settings_before[name]:
            lines.append(f"setting {name} = {value}, was {settings_before[name]}")
    return lines
