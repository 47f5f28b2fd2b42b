"""The root file system that every host starts from: a minimal Debian 12, made once and kept under build/hosts.

Its packages come from where this machine's own come from: the apt sources, the settings of the downloads (a proxy, for
one) and the keys are taken as they are. It has what ecbak's package depends on, because a host of the test reaches
nothing but the other hosts. The folder's name has a digest of all that went into it, so a changed recipe makes a new one.
"""
import hashlib
import os
import pathlib
import shutil
import tempfile

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


def apt_sources():
    """The files that say where this machine has its packages from."""
    apt = pathlib.Path("/etc/apt")
    found = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list")),
             *sorted((apt / "sources.list.d").glob("*.sources"))]
    return [path for path in found if path.exists() and path.read_text().strip()]


def apt_settings():
    """How this machine downloads: the settings below Acquire that have a value, and where its passwords are."""
    lines = run("apt-config", "dump", "Acquire").stdout.splitlines()
    kept = [line for line in lines if not line.endswith('"";') and "IndexTargets" not in line]
    return "\n".join([*kept, 'Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";', ""])


def base(folder, more_packages, say=print):
    """Returns (root folder of the image, file of the SSH key that opens its hosts); makes them unless they are there."""
    packages = PACKAGES + sorted(more_packages)
    recipe = [pathlib.Path(__file__).read_text(), " ".join(packages), *(path.read_text() for path in apt_sources())]
    digest = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    folder = pathlib.Path(folder)
    image = folder / f"image-{digest}"
    if not image.exists():
        say(f"(making the hosts' base image, {len(packages)} packages and what they need)")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("image-*"):
            shutil.rmtree(old)
        unfinished = pathlib.Path(tempfile.mkdtemp(prefix="making-", dir=folder))
        try:
            make(unfinished, packages)
            unfinished.rename(image)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return image / "root", image / "ssh_key"


def make(image, packages):
    root = image / "root"
    settings = image / "apt.conf"
    settings.write_text(apt_settings())
    run("mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", f"--include={','.join(packages)}",
        f"--aptopt={settings}", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        "bookworm", root, *apt_sources(), timeout=900)
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
