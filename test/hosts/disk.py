"""Disks for a host's /var/lib/ecbak and its user's state: one that can lose power, and one that is soon full.

What a power cut takes is what was not synced. Killing processes does not show that, because the kernel keeps their
writes; so the file system itself is shut down without its log being flushed, and mounted again.
"""
import fcntl
import os
import pathlib
import struct

from common import wait_until
from .leftovers import loops
from .shell import run

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, u32)
WITHOUT_FLUSHING = struct.pack("I", 2)
STATE_FOLDER = "/var/lib/ecbak"
USER_FOLDERS = ["/root/.local", "/root/.cache"]  # what the command keeps


class Disk:
    """An ext4 of its own in a file, with all that ecbak keeps on the host; the host's boot() binds folders of it."""

    def __init__(self, cage, host, megabytes):
        self.file = pathlib.Path(cage.folder) / f"{host.name}.disk"
        self.folder = pathlib.Path(cage.folder) / f"{host.name}.mounted"
        self.folder.mkdir()
        with open(self.file, "wb") as file:
            file.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-m", "0", self.file)
        self.mount()
        host.disk = self
        for inside in [STATE_FOLDER, *USER_FOLDERS]:
            host.binds[inside] = self.folder / inside.replace("/", "_")
            host.binds[inside].mkdir()

    def mount(self):
        run("mount", "-o", "loop", self.file, self.folder)

    def lose_power(self):
        """Call it while the host still runs, cable out: what it believes written from now on is not."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, WITHOUT_FLUSHING)
        finally:
            os.close(handle)

    def power_back(self):
        """After the host is off: the file system as a real disk would show it."""
        run("umount", self.folder)
        # As long as anybody holds the old mount, a new one would be of the same dead file system.
        wait_until(lambda: not loops(str(self.file)), 10, f"the kernel lets go of {self.file}")
        self.mount()


class SmallDisk:
    """So many megabytes and no more."""

    def __init__(self, cage, host, megabytes):
        self.folder = pathlib.Path(cage.folder) / f"{host.name}.small"
        self.folder.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", self.folder)
        host.binds[STATE_FOLDER], host.disk = self.folder, self

    def resize(self, megabytes):
        run("mount", "-o", f"remount,size={megabytes}m", self.folder)
