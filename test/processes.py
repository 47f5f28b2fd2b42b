"""What processes use, from /proc: memory, processor time, wake-ups. Each takes a list of pids."""
import pathlib


def fields(path):
    """{name: first number} of a file of lines `Name: number unit`."""
    found = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, rest = line.partition(":")
        if rest.split()[:1] and rest.split()[0].isdigit():
            found[name] = int(rest.split()[0])
    return found


def resident_kb(pids):
    """[(resident, proportional)] of each: the second shares out the pages that several have."""
    return [(fields(pathlib.Path(f"/proc/{pid}/status"))["VmRSS"],
             fields(pathlib.Path(f"/proc/{pid}/smaps_rollup"))["Pss"]) for pid in pids]


def threads(pids):
    for pid in pids:
        yield from pathlib.Path(f"/proc/{pid}/task").iterdir()


def cpu_s(pids):
    """Time on a processor of all threads that are there now. In nanoseconds as the scheduler counts, because a clock
    tick of 10 ms is more than most of these threads run at a time."""
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads(pids)) / 1e9


def wakeups(pids):
    """How often all their threads went to sleep by themselves so far."""
    return sum(fields(thread / "status")["voluntary_ctxt_switches"] for thread in threads(pids))


def machine_busy_s():
    """(busy, total) seconds of all processors together, since the machine started; in clock ticks."""
    words = pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    ticks = [int(word) for word in words]
    idle = ticks[3] + ticks[4]  # idle, and waiting for disks
    return (sum(ticks) - idle) / 100, sum(ticks) / 100
