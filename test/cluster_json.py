#!/usr/bin/env python3
"""What --json prints is what the table in ecbak(1) says, field by field and kind by kind."""
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from cluster_cli import World, in_a_world
from common import BUILD, HERE, run_tests

PAGE = HERE.parent / "cli" / "man" / "ecbak.1"


def documented():
    """{object: {field: kind}}, of the table in the man page."""
    text = PAGE.read_text().replace("\\-", "-").split(".TS\n")[1].split(".TE\n")[0]
    text = re.sub(r"T\{\n(.*?)\nT\}", lambda block: block[1].replace("\n", " "), text, flags=re.DOTALL)
    rows = re.findall(r"^([a-z ]+)\|([A-Za-z_]+)\|([a-z/, ]+)\|", text, re.MULTILINE)
    told = {}
    for name, field, kind in rows[1:]:
        assert field not in told.setdefault(name, {}), f"{name}.{field} twice"
        told[name][field] = kind
    return told


class Schema:
    """Compares what is printed; `seen` has the objects that were met."""

    def __init__(self):
        self.told, self.seen = documented(), set()

    def value(self, kind, value, where):
        kind = kind.removesuffix(", or none")
        if kind.endswith(" or null"):
            kind = kind.removesuffix(" or null")
            if value is None:
                return
        if kind.startswith("list of "):
            assert isinstance(value, list), where
            for item in value:
                self.value(kind.removeprefix("list of "), item, where)
        elif kind in self.told:
            self.fields(kind, value, where)
        elif kind == "text":
            assert isinstance(value, str) or list(value) == ["base64"], f"{where}: {value!r}"
        elif kind == "time":
            datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", value))
            assert value.endswith("Z"), f"{where}: {value!r}"
        elif kind == "number":
            assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{where}: {value!r}"
        elif kind == "yes/no":
            assert isinstance(value, bool), f"{where}: {value!r}"
        else:
            assert kind == "object" and isinstance(value, dict), f"{where}: the page says {kind!r}"

    def fields(self, name, found, where):
        told = self.told[name]
        wanted = {field for field, kind in told.items() if not kind.endswith(", or none")}
        assert wanted <= set(found) <= set(told), f"{where} ({name}): printed {sorted(found)}, documented {sorted(told)}"
        self.seen.add(name)
        for field, value in found.items():
            self.value(told[field], value, f"{where}.{field}")

    def line(self, name, line):
        """One line of output: an object, or a list of objects, of that name."""
        for found in (json.loads(line) if line.startswith("[") else [json.loads(line)]):
            assert list(found)[0] == "version" and found.pop("version") == 1, line
            self.fields(name, found, name)
        return json.loads(line)


def what_is_printed_is_what_the_man_page_says(world):
    schema = Schema()

    def ask(name, *words, status=0, **more):
        done = world.run(*words, "--json", **more)
        assert done.returncode == status, f"{words}: {done.returncode} {done.stderr}"
        lines = done.stdout.splitlines()
        assert lines, words
        for line in lines[:-1]:
            schema.line("problem" if "problem" in json.loads(line) else name, line)
        return schema.line(name if status in (0, 3) else "error", lines[-1])

    ask("lab", "lab", "up", "-n", 3)
    world.lab(3)
    ask("lab", "lab", "status")
    ask("lab env", "lab", "env")
    phrase = ask("init", "init")["phrase"]
    source = world.folder / "source"
    source.mkdir()
    (source / "a").write_text("a")
    (source / "gone").symlink_to("nowhere")
    odd = os.path.join(os.fsencode(source), b"odd\xff\\xff")
    with open(odd, "wb") as file:
        file.write(b"odd")
    ask("store", "store", "--dry-run", source)
    stored = ask("store", "store", "--tag", "t", source, world.folder / "none", status=3)
    assert ask("snapshots", "snapshots")["snapshots"][0]["id"] == stored["snapshot"]
    for node in json.loads(world.done("lab", "status", "--json"))["nodes"][1:]:
        for path in pathlib.Path(node["dir"], "data", "fragments").glob("*/*"):
            path.write_bytes(bytes(each ^ 1 for each in path.read_bytes()))
    assert ask("store", "store", source)["unproven"]
    ask("members", "members")
    ask("members", "members", "--events")
    ask("status", "status")
    ask("recover", "recover", "latest", "--to", world.folder / "back")
    with open(os.fsencode(world.folder / "back") + odd, "ab") as file:
        file.write(b" and another")
    again = world.run("recover", "latest", "--to", world.folder / "back", "--json")
    problems = [schema.line("problem", line)["problem"] for line in again.stdout.splitlines()[:-1]]
    assert {"base64": subprocess.run(["base64", "-w0"], input=odd, capture_output=True, check=True).stdout.decode()} in problems
    shutil.rmtree(world.folder / "home")
    ask("open", "open", "--unchecked", text=phrase)
    assert "records" in ask("open", "open", text=phrase)
    authority = world.folder / "lab" / "authority"
    node = json.loads(world.done("lab", "status", "--json"))["nodes"][1]
    certificate = pathlib.Path(node["dir"]) / "node.cert"
    ask("certificate", "authority", "show", certificate)
    ask("authority init", "authority", "init", world.folder / "other")
    request = world.done("--config", node["config"], "--print-request", program="ecbakd").strip()
    ask("certificate", "authority", "sign", "-d", authority, request)
    revoked = ask("revoke", "authority", "revoke", "-d", authority, certificate)
    ask("revoke", "revoke", revoked[0]["revocation"])
    ask("leave", "leave", "--yes")
    ask("version", "version")
    for status, *words in ((2, "store"), (2, "frobnicate"), (2, "store", "--nothing"), (1, "recover", "ffffffff", "--to", "x"),
                           (1, "status", "--socket", f"ipc://{world.folder}/none"), (1, "lab", "up", "--dir", source)):
        error = ask("error", *words, status=status)
        assert error["exit"] == status and error["message"], error
    ask("lab", "lab", "kill", "node-2")
    ask("lab down", "lab", "down")
    schema.seen |= tickets(world, schema)
    assert schema.seen == set(schema.told) - {"any"}, f"never printed: {set(schema.told) - schema.seen}"


def tickets(world, schema):
    """invite and join, of a cluster that has no node yet; findings are shown by a vault's record that is none."""
    authority, here = world.folder / "operator", world.folder / "joining"
    world.done("authority", "init", "-q", authority)
    with subprocess.Popen([str(BUILD / "ecbak"), "invite", "-d", str(authority), "-l", "127.0.0.1:0", "-a", "127.0.0.1",
                           "--json"], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as invite:
        ticket = schema.line("invite", invite.stdout.readline())["ticket"]
        here.mkdir()
        joined = world.done("join", "--config", here / "ecbakd.conf", "--data-dir", here / "data", "--name", "one", "--zone",
                            "z", "--advertise", "127.0.0.1:7411", "--no-start",
                            "--json", ticket)
        schema.line("join", joined)
        schema.line("admitted", invite.stdout.readline())
        invite.send_signal(signal.SIGTERM)
    return {"finding"}  # shown of damaged vaults only: unit_cli_lost.c


if __name__ == "__main__":
    sys.exit(run_tests(in_a_world(what_is_printed_is_what_the_man_page_says)))
