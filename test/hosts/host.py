"""One host: boot, run commands, reboot, lose power, freeze.

Its root is the base image below a layer of its own, which stays when the power goes; only end() forgets it. Commands
enter the host's namespaces directly, which is fast and works with the cable out; Ansible comes over SSH like anyone.
"""
import os
import pathlib
import signal
import socket
import subprocess
import threading

from common import wait_until
from . import cgroups, network
from .shell import run

REBOOT = 133  # systemd-nspawn's exit status when its host wants to start again


class Host:
    def __init__(self, cage, net, image_root, number):
        self.cage, self.net, self.number = cage, net, number
        self.name, self.address = f"h{number}", network.address(number)
        self.folder = pathlib.Path(cage.folder) / self.name
        self.root = self.folder / "root"
        self.console = self.folder / "console"
        self.group = f"{cage.mark}/{self.name}"
        self.binds = {}  # folder inside -> folder here
        self.disk = None  # see disk.py
        self.nspawn, self.watch, self.boots = None, None, 0
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        run("mount", "-t", "overlay", "-o", f"lowerdir={image_root},upperdir={self.folder}/upper,workdir={self.folder}/work",
            "overlay", self.root)
        (self.root / "etc/hostname").write_text(self.name + "\n")
        net.add(number)

    # -- power ---------------------------------------------------------------------------------------------
    def boot(self):
        """Starts it and returns at once; wait_up() waits."""
        assert self.nspawn is None, f"{self.name} runs"
        self.net.plug(self.number)
        moves = "".join(f"echo $$ > {file}\n" for file in cgroups.make(self.group))
        binds = [f"--bind={here}:{inside}" for inside, here in self.binds.items()]
        command = ["sh", "-c", f'{moves}exec "$@"', "sh", "systemd-nspawn", "--quiet", f"--directory={self.root}",
                   f"--machine={self.name}", f"--network-namespace-path=/run/netns/{self.net.namespace(self.number)}",
                   "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                   "--console=pipe", "--kill-signal=SIGRTMIN+3", "--capability=CAP_NET_ADMIN", *binds, "/usr/local/sbin/host-init"]
        self.watch = threading.Thread(target=self.keep_running, args=(command,), daemon=True)
        self.watch.start()
        wait_until(lambda: self.nspawn, 5, f"{self.name} starts")

    def keep_running(self, command):
        """What a machine's firmware does: start again after a reboot, stay off after anything else."""
        status = REBOOT
        while status == REBOOT:
            # The namespace outlives the host; a kernel's packet filter would not.
            run("nsenter", f"--net=/run/netns/{self.net.namespace(self.number)}", "nft", "flush", "ruleset")
            with open(self.console, "ab") as console:
                self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                               env=dict(os.environ, SYSTEMD_NSPAWN_API_VFS_WRITABLE="network"))
            self.boots += 1
            status = self.nspawn.wait()
        self.nspawn = None

    def init_process(self):
        """The id here of the host's PID 1, or None."""
        pending = [self.nspawn.pid] if self.nspawn else []
        while pending:
            pid = pending.pop()
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                inside = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
                if len(inside) == 2 and inside[1] == "1":
                    return int(inside[0])
                pending += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except (OSError, StopIteration):
                pass
        return None

    def up(self):
        """Whether somebody answers at its SSH port."""
        try:
            with socket.create_connection((self.address, 22), 0.5) as door:
                return door.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_up(self, seconds=60):
        wait_until(self.up, seconds, lambda: f"{self.name} answers; its console:\n{self.console.read_text()[-1500:]}")

    def off(self):
        wait_until(lambda: not self.watch.is_alive(), 30, f"{self.name} is off")

    def lose_power(self):
        """From one moment to the next it is gone: no goodbye to anybody, nothing written that was not written."""
        self.net.unplug(self.number)
        os.kill(wait_until(self.init_process, 5, f"PID 1 of {self.name}"), signal.SIGKILL)
        self.off()

    def shut_down(self):
        self.run("systemctl", "--no-block", "poweroff")
        self.off()

    def reboot(self):
        """Asks it to; returns at once. It is up again when boots has grown and up()."""
        self.run("systemctl", "--no-block", "reboot")

    def freeze(self):
        cgroups.set_frozen(self.group, True)

    def thaw(self):
        cgroups.set_frozen(self.group, False)

    def slow_down(self, percent):
        """To that share of one processor; None ends it."""
        cgroups.limit_processor(self.group, percent)

    # -- inside --------------------------------------------------------------------------------------------
    def run(self, *command, check=True, timeout=300, stdin=None, env=None):
        """Runs a command in the host, as root."""
        return run(*self.entering(env), *command, check=check, timeout=timeout, stdin=stdin)

    def start(self, *command, env=None):
        """Like run(), without waiting: returns the Popen, whose output is to be read."""
        return subprocess.Popen([*self.entering(env), *map(str, command)], stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def entering(self, env=None):
        pid = self.init_process()
        assert pid, f"{self.name} is off"
        words = [f"{key}={value}" for key, value in {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                                      "LANG": "C.UTF-8", **(env or {})}.items()]
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--uts", "--ipc", "--wd=/", "--root",
                "env", "-i", *words]

    def path(self, inside):
        """A path of the host's root as seen from here; only what no disk is mounted over."""
        return self.root / str(inside).lstrip("/")
