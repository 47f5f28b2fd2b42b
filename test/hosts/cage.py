"""One process that everything of a run is inside, so that all of it ends with that process.

A test program starts itself a second time inside a mount, network and process namespace of its own. Whatever it starts,
mounts or plugs together there vanishes when that process ends, even by SIGKILL: the kernel sees to it. What namespaces
do not hold (control groups, settings of the machine) the outer process takes back, and then looks for leftovers.

    if __name__ == "__main__":
        sys.exit(cage.main(tests))

A program that boots no hosts says what it `needs` instead, and gets the cage without control groups:

        sys.exit(cage.main(measure, needs=[*cage.NETWORK, "serf"]))
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from . import cgroups, leftovers
from .shell import run

INSIDE = "ECBAK_HOSTS_CAGE"  # in the environment of all inside: the run's mark
MARK = "ecbak-hosts-"
BOOT = "systemd-nspawn"
NETWORK = ["unshare", "setpriv", "nsenter", "nft", "ip"]  # for a cage, and for network.py in it
HOSTS = [*NETWORK, BOOT, "mmdebstrap", "ssh", "ssh-keygen", "ansible-playbook"]


class Cage:
    """The names by which things of this run are known."""

    def __init__(self, identity):
        self.identity = identity
        self.mark = f"{MARK}{identity}"    # processes: in their environment, and of their control group
        self.prefix = f"eb{identity}"      # links and network namespaces; 15 characters are all a link may have
        self.folder = f"/run/{self.mark}"  # work files, inside a tmpfs that only the cage sees

    @staticmethod
    def current():
        return Cage(os.environ[INSIDE].removeprefix(MARK))


def refused(needs=HOSTS):
    """Why this machine cannot do what needs these programs, as words for a person; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts need root"
    missing = [tool for tool in needs if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    why = cgroups.writable() if BOOT in needs else None
    if why:
        return why
    tried = run("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/run",
                check=False)
    if tried.returncode != 0:
        return f"namespaces are refused: {tried.stderr.strip()}"
    return None


def outside(prepare, settings, groups):
    """Runs this program again inside a cage; returns its exit status, 1 when something was left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cage = Cage(f"{os.getpid():x}")
    before = leftovers.settings(settings)
    if prepare:
        prepare()  # what needs the machine's own network, before there is none
    moves = "".join(f"echo $$ > {file}\n" for file in (cgroups.make(cage.mark) if groups else []))
    # Whichever of these is killed takes those inside along.
    command = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", f'{moves}exec "$@"', "sh", "unshare", "--mount", "--net", "--pid",
               "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
    status = 1
    try:
        leftovers.set_settings(settings)
        with subprocess.Popen(command, env=dict(os.environ, **{INSIDE: cage.mark})) as process:
            try:
                status = process.wait()
            finally:
                process.kill()
    finally:
        leftovers.set_settings(before)
        try:
            if groups:
                cgroups.remove(cage.mark)
        except AssertionError as error:
            print(error)
    left = after_a_moment(cage, before)
    print("ok nothing_is_left_behind" if not left else "\n".join(["FAIL nothing_is_left_behind", *left]), flush=True)
    return status or (1 if left else 0)


def after_a_moment(cage, before):
    """The kernel takes a moment to tear a namespace down, after the last process in it has ended."""
    deadline = time.monotonic() + 10
    while True:
        left = leftovers.found(cage, before)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def set_up_inside():
    """First steps inside: nothing that is mounted here reaches the machine, and /run is empty and our own."""
    cage = Cage.current()
    run("mount", "--make-rprivate", "/")
    run("mount", "--make-rshared", "/")  # a host's namespace is a copy of ours: what is unmounted here must go there too
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    pathlib.Path(cage.folder).mkdir()
    os.environ.update(HOME=cage.folder, TMPDIR=cage.folder)
    return cage


def main(inside, prepare=None, settings=None, needs=HOSTS):
    """The exit status of a test program: `inside` runs in the cage and gives it; `prepare` runs before, outside.

    `settings` are kernel settings of the whole machine that this run needs otherwise: put back afterwards. `needs`
    names the programs that must be there.
    """
    if INSIDE in os.environ:
        set_up_inside()
        return inside()
    why = refused(needs)
    if why:
        print(f"FAIL hosts_can_be_made_here\n{why}")
        return 1
    return outside(prepare, settings or {}, groups=BOOT in needs)
