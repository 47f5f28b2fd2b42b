#!/usr/bin/env python3
"""What a fresh machine needs is installed although the machine updates itself in that minute.

A real apt-get and a real dpkg, in a folder of their own: lists, locks, a repository of one package, the system that it goes to. So
nothing of this machine is touched or waited for.
"""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import HERE, SLOW, run_tests, wait_until

APT = HERE.parent / "ansible/roles/ecbak/files/apt.sh"
LISTS, ARCHIVES = "var/lib/apt/lists/lock", "var/cache/apt/archives/lock"
FRONTEND, DPKG = "var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"
WAITS = "for another program that installs packages"


class System:
    """A system without packages, and a repository that has `small`."""

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="ecbak-deps-")
        self.root = pathlib.Path(self.holder.name)
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg/info", "var/lib/dpkg/updates",
                       "var/lib/dpkg/triggers", "var/log/apt", "small/DEBIAN", "repository"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "small/DEBIAN/control").write_text("Package: small\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n")
        repository = self.root / "repository"
        subprocess.run(["dpkg-deb", "--build", self.root / "small", repository / "small.deb"], check=True, stdout=subprocess.DEVNULL)
        listed = subprocess.run(["dpkg-scanpackages", "."], cwd=repository, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        (repository / "Packages").write_bytes(listed.stdout)
        (self.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
        (self.root / "apt.conf").write_text(f"""Dir "{self.root}/"; Dir::Etc "etc/apt/"; Dir::State::status "{self.root}/var/lib/dpkg/status";
Dir::Bin::Methods "/usr/lib/apt/methods/"; Dir::Bin::dpkg "{shutil.which('dpkg')}"; APT::Sandbox::User "root";
DPkg::Options {{"--root={self.root}"; "--force-not-root"; "--force-script-chrootless"; "--log={self.root}/var/log/dpkg.log";}};
""")
        return self

    def __exit__(self, *_):
        self.holder.cleanup()

    def start(self, *command, wait_s=60):
        env = dict(os.environ, APT_CONFIG=str(self.root / "apt.conf"), DPKG_ADMINDIR=str(self.root / "var/lib/dpkg"), APT_WAIT_S=str(wait_s))
        self.printed = open(self.root / "printed", "w+b")  # pylint: disable=consider-using-with
        return subprocess.Popen([str(word) for word in command], env=env, stdin=subprocess.DEVNULL, stdout=self.printed, stderr=self.printed)

    def said(self):
        return (self.root / "printed").read_text(errors="replace")

    def ends(self, process):
        try:
            return process.wait(timeout=60 * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"it does not end: {self.said()}") from None

    def run(self, *command, **more):
        return self.ends(self.start(*command, **more))

    def hold(self, lock):
        """Holds it as apt and dpkg do, until the file that is returned is closed."""
        file = open(self.root / lock, "wb")
        fcntl.lockf(file, fcntl.LOCK_EX)
        return file

    def has_small(self):
        return "Package: small" in (self.root / "var/lib/dpkg/status").read_text()


def waits_for(lock, *words):
    """Whether apt-get with these words waits while the lock is held, says so once, and then does its work."""
    with System() as system:
        assert words[0] == "update" or system.run(APT, "update") == 0, system.said()
        held = system.hold(lock)
        process = system.start(APT, *words)
        wait_until(lambda: WAITS in system.said() or process.poll() is not None, 30, "it waits")
        assert process.poll() is None, f"it does not wait for {lock}: {system.said()}"
        held.close()
        assert system.ends(process) == 0, system.said()
        assert system.said().count(WAITS) == 1 and "E: " not in system.said(), system.said()
        assert words[0] == "update" or system.has_small(), system.said()


def the_lists_are_waited_for():
    waits_for(LISTS, "update")


def what_is_downloaded_is_waited_for():
    waits_for(ARCHIVES, "install", "-y", "small")


def the_system_that_is_changed_is_waited_for():
    waits_for(FRONTEND, "install", "-y", "small")
    waits_for(DPKG, "install", "-y", "small")


def who_waits_in_vain_is_told_for_what():
    with System() as system, system.hold(LISTS):
        assert system.run(APT, "update", wait_s=1) != 0
        assert f"Could not get lock {system.root / LISTS}" in system.said() and "It was held for 1 s. Try again" in system.said(), system.said()


def another_error_is_not_waited_out():
    with System() as system:
        assert system.run(APT, "install", "-y", "large") != 0
        assert "large" in system.said() and WAITS not in system.said() and "held" not in system.said(), system.said()


def packages_that_are_missing_are_installed_when_it_is_their_turn():
    if os.geteuid() != 0:
        print("(needs root: whether missing packages are installed)")
        return
    with System() as system:
        lists, frontend = system.hold(LISTS), system.hold(FRONTEND)
        process = system.start(HERE / "deps.sh", "small")
        wait_until(lambda: system.said().count(WAITS) == 1 or process.poll() is not None, 30, system.said)
        lists.close()
        wait_until(lambda: system.said().count(WAITS) == 2 or process.poll() is not None, 30, system.said)
        assert process.poll() is None, system.said()
        frontend.close()
        assert system.ends(process) == 0 and system.has_small(), system.said()
        assert system.run(HERE / "deps.sh", "small") == 0 and system.said() == "", "it installs again what is there"


if __name__ == "__main__":
    sys.exit(run_tests(
        the_lists_are_waited_for,
        what_is_downloaded_is_waited_for,
        the_system_that_is_changed_is_waited_for,
        who_waits_in_vain_is_told_for_what,
        another_error_is_not_waited_out,
        packages_that_are_missing_are_installed_when_it_is_their_turn,
    ))
