"""A lab in which some members break the rules: build/liar/ecbakd in their place (test/liar/liar.h says what it can do)."""
import json
import os
import pathlib
import subprocess

from common import BUILD, wait_until
from lab import Lab

LIAR = BUILD / "liar/ecbakd"


class LiarLab(Lab):
    def __enter__(self):
        self.liars = {}
        return super().__enter__()

    def __exit__(self, *args):
        for name in list(self.liars):
            self.end_liar(name)
        super().__exit__(*args)

    def turn(self, name, *attacks, **environment):
        """Ends that honest node and lets a hostile one go on with its keys, its certificate and its data."""
        self.kill(name)
        folder = self.folder(name)
        with open(folder / "liar.log", "ab") as log:
            self.liars[name] = subprocess.Popen(  # ended by end_liar
                [LIAR, "--config", folder / "ecbakd.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "ECBAK_LIAR": ",".join(attacks), **environment})

    def end_liar(self, name):
        process = self.liars.pop(name)
        process.kill()
        process.wait()

    def wait_liar(self, name, words, times, seconds=60):
        """Until it has said so often that it did it."""
        log = self.folder(name) / "liar.log"
        wait_until(lambda: log.read_text(errors="replace").count(f"liar: {words}") >= times, seconds,
                   lambda: f"{name} says '{words}' {times} times: {log.read_text(errors='replace')[-1000:]}")

    def sees(self, node, other):
        """The state that a node sees another in."""
        return next((member["state"] for member in self.members(node) if member["name"] == other), None)

    def bulk_port(self, name):
        described = json.loads((pathlib.Path(self.dir) / "lab.json").read_text(encoding="utf-8"))
        return next(node["bulk_port"] for node in described["nodes"] if node["name"] == name)
