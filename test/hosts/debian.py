#!/usr/bin/env python3
"""A Debian of a release: roots to start hosts from, and to build, install and test in.

Packages come from where this machine's own come from: its apt sources, its settings for downloads (a proxy, for one) and its keys
are taken as they are; for another release than this machine's, with that release's name in the place of its own. Where that leaves
none, Debian's own sources are taken.

usage: debian.py ROOTS BUILD RELEASE PACKAGES -- COMMAND...     (as root)

runs the command in a fresh root of that release with those packages (words in one argument). The working folder and the folder BUILD
are the machine's own there; all else that is written is forgotten when the command ends, and what it started ends too. What the root
starts from is made once and kept in the folder ROOTS. Kernel, /sys, /dev and network are the machine's, and no systemd runs.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from hosts.shell import run

RELEASES = {"bookworm": "12", "trixie": "13"}  # those that are held
CLEAN = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}
# In namespaces of its own, so that no mount and no process is left behind. The root is a mount, as any root is: programs rely on that.
ENTER = """set -e
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
for file in /etc/resolv.conf /etc/hosts; do
    [ ! -e $file ] || cat $file >.$file
done
inside=$3
for own in "$3" "$4"; do
    mkdir -p ".$own"
    mount --bind "$own" ".$own"
done
shift 4
exec chroot . sh -c 'cd "$1" && shift && exec "$@"' sh "$inside" "$@"
"""


def own():
    """This machine's release."""
    found = re.search(r"(?m)^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())
    return found[1] if found else ""


def wanted():
    """The release of the hosts of a test: ECBAK_RELEASE, else this machine's, else the first that is held."""
    return os.environ.get("ECBAK_RELEASE") or (own() if own() in RELEASES else next(iter(RELEASES)))


# ---- where packages come from --------------------------------------------------------------------------------------------
def own_sources():
    """The files that say where this machine has its packages from."""
    apt = pathlib.Path("/etc/apt")
    found = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list")), *sorted((apt / "sources.list.d").glob("*.sources"))]
    return [path for path in found if path.exists() and path.read_text().strip()]


def translated(text, kind, mine, release):
    """The entries of a file of sources that name the release `mine`, with the other's name; other entries are for this machine only."""
    between = "\n\n" if kind == ".sources" else "\n"
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith("#")]
    named = re.compile(rf"(?<=\s){re.escape(mine)}(?=[-/\s]|$)")
    return between.join(named.sub(release, entry) for entry in "\n".join(lines).split(between) if named.search(entry))


def sources(release):
    """File name -> text, of what says where a root of that release has its packages from."""
    if release == own():
        return {path.name: path.read_text() for path in own_sources()}
    found = {path.name: translated(path.read_text(), path.suffix, own(), release) for path in own_sources()}
    return {name: text for name, text in found.items() if text}


def settings():
    """How this machine downloads: the settings below Acquire that have a value, and where its passwords are."""
    lines = run("apt-config", "dump", "Acquire").stdout.splitlines()
    kept = [line for line in lines if not line.endswith('"";') and "IndexTargets" not in line]
    return "\n".join([*kept, 'Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";', ""])


# ---- making ----------------------------------------------------------------------------------------------------------------
def make(release, target, packages, *options):
    """A minimal Debian with those packages: a folder, or an archive when the target's name ends in .tar."""
    with tempfile.TemporaryDirectory(prefix="ecbak-debian-") as folder:
        def written(name, text):
            (pathlib.Path(folder) / name).write_text(text + "\n")
            return f"{folder}/{name}"
        include = [f"--include={','.join(packages)}"] if packages else []
        run("mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", *include, f"--aptopt={written('apt.conf', settings())}", *options,
            release, target, *(written(name, text) for name, text in sources(release).items()), timeout=1800)


def once(folder, kind, release, recipe, into, say=print):
    """The folder of that kind and recipe, a list of texts: made by into(FOLDER) unless it is there, in the place of the last one."""
    digest = hashlib.sha256("\0".join([*recipe, release, pathlib.Path(__file__).read_text(), *sources(release).values()]).encode()).hexdigest()
    folder = pathlib.Path(folder)
    found = folder / f"{kind}-{release}-{digest[:16]}"
    if not found.exists():
        say(f"(making {found.name}: downloads what is needed)")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{kind}-{release}-*"):
            shutil.rmtree(old)
        unfinished = pathlib.Path(tempfile.mkdtemp(prefix="making-", dir=folder))
        try:
            into(unfinished)
            unfinished.rename(found)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return found


def root(folder, release, packages):
    """The root that others start from; kept one for each list of packages."""
    kind = "root-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:4]
    return once(folder, kind, release, packages, lambda made: make(release, made / "root", packages)) / "root"


def enter(roots, build, release, packages, command):
    """The exit status of the command, run as said above."""
    lower = root(roots, release, packages)
    os.makedirs(build, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="layer-", dir=roots) as layer:
        for name in ("upper", "work", "root"):
            os.mkdir(f"{layer}/{name}")
        os.chmod(f"{layer}/upper", 0o755)  # the mode of the root
        return subprocess.call(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation",
                                "private", "sh", "-c", ENTER, "sh", lower, layer, os.getcwd(), build, *command], env=CLEAN)


def main():
    if len(sys.argv) < 7 or sys.argv[5] != "--" or sys.argv[3] not in RELEASES:
        print(f"{__doc__}\nreleases: {' '.join(RELEASES)}", file=sys.stderr)
        return 2
    roots, build, release, packages = *map(os.path.abspath, sys.argv[1:3]), sys.argv[3], sys.argv[4].split()
    if os.geteuid() != 0:
        print(f"a root of Debian {RELEASES[release]} needs root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and the layer goes
    return enter(roots, build, release, packages, sys.argv[6:])


if __name__ == "__main__":
    sys.exit(main())
