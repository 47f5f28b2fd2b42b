"""Packages over HTTP for hosts that reach nothing else: what a playbook installs or makes a root from is really installed.

The packages are what mmdebstrap downloads for a minimal Debian with those names in it, kept under build/hosts like the
hosts' image. files() is called where there is a network; serve() inside the cage:

    where = repository.serve(folder, "10.77.0.254")     # a line of sources.list
"""
import functools
import hashlib
import http.server
import pathlib
import shutil
import threading

from . import debian
from .shell import run

RELEASE = "Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: {architecture}\nSHA256:\n {digest} {size} Packages\n"
OVERRIDE = "apt required admin\n"  # as Debian's archive has it; the package itself says less


def files(folder, release, packages, say=print):
    """The folder that has those packages and all that they need, and a list of them; made unless it is there."""
    return debian.once(folder, "packages", release, [pathlib.Path(__file__).read_text(), *packages],
                       lambda unfinished: download(unfinished, release, packages), say)


def download(folder, release, packages):
    debian.make(release, "/dev/null", packages, "--skip=essential/unlink", f"--customize-hook=sync-out /var/cache/apt/archives {folder}")
    shutil.rmtree(folder / "partial", ignore_errors=True)
    (folder / "override").write_text(OVERRIDE)
    listed = run("dpkg-scanpackages", "--multiversion", ".", "override", cwd=folder).stdout
    (folder / "Packages").write_text(listed)
    (folder / "Release").write_text(RELEASE.format(suite=release, architecture=run("dpkg", "--print-architecture").stdout.strip(),
                                                   digest=hashlib.sha256(listed.encode()).hexdigest(), size=len(listed.encode())))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder, address):
    """Serves it at that address of this machine until the program ends."""
    server = http.server.ThreadingHTTPServer((address, 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"deb [trusted=yes] http://{address}:{server.server_port} ./"
