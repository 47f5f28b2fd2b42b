"""The root file system that every host starts from: a minimal Debian (see debian.py), made once and kept under build/hosts.

It has what ecbak's package depends on, because a host of the test reaches nothing but the other hosts.
"""
import os
import pathlib

from . import debian
from .shell import run

PACKAGES = ["systemd", "systemd-sysv", "dbus", "openssh-server", "python3", "iproute2", "procps",
            "nftables", "ufw", "firewalld", "gir1.2-nm-1.0", "faketime"]
# Units that wait for what a host in a test does not have, or that would start work of their own.
MASKED = ["apt-daily.timer", "apt-daily.service", "apt-daily-upgrade.timer", "apt-daily-upgrade.service",
          "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty.target",
          "console-getty.service", "systemd-logind.service", "systemd-networkd.service", "systemd-resolved.service",
          "systemd-timesyncd.service"]
# Services that are installed for the test that turns them on.
DISABLED = ["nftables.service", "ufw.service", "firewalld.service"]
# Kernel control groups of the first version are mounted read-only in a host; without this no unit's limits hold.
HOST_INIT = """#!/bin/sh
for c in memory pids cpu cpuacct blkio; do
    [ -d /sys/fs/cgroup/$c ] && mount -o remount,bind,rw,nosuid,nodev,noexec /sys/fs/cgroup/$c
done
exec /lib/systemd/systemd "$@"
"""
SSHD = "UseDNS no\nPermitRootLogin prohibit-password\nMaxStartups 100\n"


def base(folder, release, more_packages, say=print):
    """Returns (root folder of the image, file of the SSH key that opens its hosts); makes them unless they are there."""
    packages = PACKAGES + sorted(more_packages)
    image = debian.once(folder, "image", release, [pathlib.Path(__file__).read_text(), *packages],
                        lambda unfinished: make(unfinished, release, packages), say)
    return image / "root", image / "ssh_key"


def make(image, release, packages):
    root = image / "root"
    debian.make(release, root, packages, "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hosts of a test", "-f", image / "ssh_key")
    adapt(root, (image / "ssh_key.pub").read_text())


def adapt(root, public_key):
    """Makes the fresh system one that many hosts may start from, and that lets the test in."""
    (root / "etc/machine-id").write_text("")  # each host draws its own at its first boot
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    (root / "etc/ssh/sshd_config.d/test.conf").write_text(SSHD)
    keys = root / "root/.ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_text(public_key)
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    run("systemctl", f"--root={root}", "--quiet", "disable", *DISABLED)
    init = root / "usr/local/sbin/host-init"
    init.write_text(HOST_INIT)
    os.chmod(init, 0o755)
    for leftover in (root / "var/cache/apt/archives").glob("*.deb"):
        leftover.unlink()
