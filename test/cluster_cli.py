#!/usr/bin/env python3
"""The command as its users and their scripts meet it: help, exit codes, phrases, authority, lab, JSON."""
import datetime
import functools
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

from common import BUILD, HERE, SLOW, run_tests
from lab import compare, expect_told_status

PHRASE_WORDS = 25

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
MEMBER_KEYS = ["id", "name", "state", "address", "zone", "incarnation", "rtt_ms", "rtt_estimated",
               "capacity_bytes", "used_bytes",
               "software", "protocol_min", "protocol_max", "trouble", "since"]
EVENT_KEYS = ["number", "time", "event", "id", "name", "address", "detail"]
STORE_KEYS = ["version", "snapshot", "files", "bytes", "bytes_new", "bytes_sent", "objects", "data", "parity", "survives",
              "unproven", "grown", "seconds"]


class World:
    """A folder for one test, with its own $ECBAK_HOME, and its lab if it made one."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("ECBAK_")}
        self.env.update(ECBAK_HOME=str(self.folder / "home"), ECBAK_CACHE=str(self.folder / "cache"),
                        ECBAK_LAB=str(self.folder / "lab"),
                        ECBAK_SOCKET=f"ipc://{self.folder}/none.sock", PATH=f"{BUILD}:{os.environ['PATH']}")

    def run(self, *words, text=None, program="ecbak", cwd=None):
        done = subprocess.run([str(BUILD / program), *map(str, words)], env=self.env, input=text or "", cwd=cwd,
                              capture_output=True, text=True, errors="surrogateescape", timeout=120, check=False)
        if program == "ecbak":
            expect_told_status(words, done.returncode)
        return done

    def done(self, *words, **more):
        result = self.run(*words, **more)
        assert result.returncode == 0, f"{words}: status {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def fails(self, status, *words, **more):
        result = self.run(*words, **more)
        assert result.returncode == status, f"{words}: status {result.returncode}, not {status}\n{result.stderr}"
        return result.stderr

    def json(self, *words):
        return json.loads(self.done(*words, "--json").splitlines()[-1])

    def lab(self, count, *words):
        self.done("lab", "up", "-q", "-n", count, *words)
        for line in self.done("lab", "env").splitlines():
            match = re.match(r"export (ECBAK_SOCKET)='(.*)'$", line)
            if match:
                self.env[match.group(1)] = match.group(2)

    def close(self):
        if (self.folder / "lab" / "lab.json").exists():
            self.run("lab", "down", "-q")


def commands_of(world, *group):
    """The commands that a help text lists."""
    text = world.done(*group, "--help")
    listed = text.split("Commands\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


# ---- help and usage ------------------------------------------------------------------------------------

def every_command_has_help_with_an_example(world):
    names = [[name] for name in commands_of(world)]
    names += [[group, name] for group in ("lab", "authority") for name in commands_of(world, group)]
    assert len(names) >= 20, names
    for name in names:
        text = world.done(*name, "--help")
        assert "Usage: ecbak " + " ".join(name) in text and "Example" in text, f"{name}: {text}"
        assert all(len(line) <= 100 for line in text.splitlines()), f"{name}: a line is too long"
        assert world.done(*name[:-1], "help", name[-1]) == text, name


def wrong_command_lines_end_with_2_and_say_where_help_is(world):
    for words in ([], ["frobnicate"], ["store"], ["store", "--nothing", "x"], ["recover", "latest"],
                  ["recover", "--to", "x"], ["members", "extra"], ["members", "--wait-for", "six"],
                  ["members", "--wait-for", "2=alive", "--watch"],
                  ["members", "--timeout", "soon"], ["lab"], ["lab", "stop"], ["lab", "up", "-n", "x"],
                  ["authority", "init"], ["authority", "sign", "--days", "0", "x"], ["open", "some", "words"],
                  ["store", "--code", "4", "x"], ["store", "--code", "4+0", "x"],
                  ["store", "--code", "200+100", "x"], ["store", "--code", "2+60", "x"], ["store", "--compression", "99", "x"],
                  ["lab", "up", "--profile", "moon"], ["lab", "up", "--nodes=0"], ["lab", "up", "-c", "0"],
                  ["lab", "up", "-z0"], ["store", "--host", "", "x"], ["store", "--host=", "x"], ["store", ""],
                  ["store", "--tag", "", "x"], ["store", "--host", "h" * 300, "x"], ["store", "--tag", "t" * 300, "x"],
                  ["store", "--compression", "0", "x"], ["store", "--exclude", "", "x"], ["store", "--exclude", "!", "x"],
                  ["recover", "", "--to", "x"], ["recover", "latest", "", "--to", "x"], ["recover", "latest", "--to", ""],
                  ["recover", "abcd", "--to", "x", "--host", "h"], ["recover", "abcd", "--to", "x", "--tag=t"],
                  ["snapshots", "--host", ""], ["snapshots", "--vault", ""], ["status", "--socket", ""]):
        said = world.fails(2, *words)
        assert "help" in said or "Usage: ecbak" in said, f"{words}: {said}"


def the_man_page_knows_every_command_and_option(world):
    page = (HERE.parent / "cli" / "man" / "ecbak.1").read_text().replace("\\-", "-")
    for name in commands_of(world):
        assert f"ecbak {name}" in page, f"not in ecbak(1): {name}"
        if name in ("authority", "lab"):
            continue
        for option in re.findall(r"(--[a-z-]+)", world.done(name, "--help").split("Examples")[0]):
            assert option in page, f"not in ecbak(1): {name} {option}"


def what_is_installed_is_what_the_readme_counts_on(world):
    clean = {key: value for key, value in world.env.items() if not key.startswith("MAKE")}
    to = world.folder / "installed"
    done = subprocess.run(["make", "-s", "-C", str(HERE.parent), "install", f"DESTDIR={to}", f"BUILD={BUILD}"],
                          env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in ("usr/local/bin/ecbak", "usr/local/sbin/ecbakd", "usr/local/share/man/man1/ecbak.1",
                 "etc/ecbak/ecbakd.conf", "usr/local/share/man/man8/ecbakd.8",
                 "usr/local/share/man/man5/ecbakd.conf.5", "usr/local/lib/sysusers.d/ecbak.conf",
                 "usr/local/lib/tmpfiles.d/ecbak.conf"):
        assert (to / path).exists(), path
    unit = (to / "usr/local/lib/systemd/system/ecbakd.service").read_text()
    assert "ExecStart=/usr/local/sbin/ecbakd\n" in unit, unit


def a_near_miss_is_answered_with_what_was_meant(world):
    assert "did you mean 'ecbak store'" in world.fails(2, "stroe", "x")
    assert "did you mean 'ecbak lab status'" in world.fails(2, "lab", "statsu")
    assert "did you mean --exclude" in world.fails(2, "store", "--exlude", "x", "y")


def the_words_of_other_tools_lead_to_what_is_here(world):
    here = set(commands_of(world))
    table = (HERE.parent / "cli" / "commands" / "commands.c").read_text()
    words = re.findall(r'^    \{"([a-z-]+)", ', table.split("hints[] = {")[1], re.MULTILINE)
    assert len(words) > 50, words
    for word in words:
        if word in here:
            continue
        said = world.fails(2, word, "x").splitlines()[0]
        named = set(re.findall(r"'ecbak ([a-z-]+)", said))
        assert named <= here, f"{word}: {said}"
        assert "did you mean" not in said and (named or ":" in said or "need" in said or "ecbakd" in said), said
        assert len(said) < 160, said
    for word, meant in (("restore", "recover"), ("extract", "recover"), ("backup", "store"), ("list", "snapshots"),
                        ("monitor", "members"), ("force-leave", "authority")):
        said = world.fails(2, word, "x")
        assert f"'ecbak {meant}" in said and "'ecbak store" not in said.replace(f"'ecbak {meant}", ""), said
    for word in {"ls", "check", "prune", "forget", "mount", "diff"} - here:
        assert "not there yet" in world.fails(2, word), word
    assert "did you mean --to" in world.fails(2, "recover", "latest", "--target", "x")


def what_the_readme_says_is_not_there_is_not_there(world):
    section = (HERE.parent / "README.md").read_text().split("## What is not there yet")[1].split("\n## ")[0]
    missing = {word for line in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`([a-z]+)`", line)}
    assert not missing & set(commands_of(world)), missing & set(commands_of(world))
    for word in missing:
        assert "not there yet" in world.fails(2, word), word


def what_the_command_says_of_hostile_words_is_escaped(world):
    said = world.fails(2, "\033[2Jboom")
    assert "\033" not in said and "\\x1b" in said, said


def without_a_node_the_command_says_how_to_start_one(world):
    said = world.fails(1, "status")
    assert "ecbakd" in said and "ECBAK_SOCKET" in said, said


def colours_are_for_terminals_only(world):
    world.env["TERM"] = "xterm-256color"
    assert "\033" not in world.done("--help") + world.fails(1, "status")


# ---- vaults and phrases --------------------------------------------------------------------------------

def init_makes_one_vault_and_shows_its_phrase_once(world):
    phrase = world.done("init").strip()
    assert len(phrase.split()) == PHRASE_WORDS, phrase
    assert "--another" in world.fails(1, "init")
    answer = world.json("init", "--another")
    assert sorted(answer) == ["phrase", "vault", "version"] and len(answer["vault"]) == 64
    assert answer["phrase"] != phrase
    for path in (world.folder / "home").rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert phrase.encode() not in text and answer["phrase"].encode() not in text, path


def a_phrase_or_ticket_that_cannot_be_written_is_not_in_force(world):
    authority = world.folder / "authority"
    world.done("authority", "init", "-q", authority)
    admit = ["invite", "-d", authority, "-l", "127.0.0.1:0", "-a", "127.0.0.1"]
    for words in (["init"], ["init", "--json"], ["init", "-q"], admit, [*admit, "--json"]):
        for way in ("", "> /dev/full", ">&-", "1>&- 2>&- <&-"):
            reader, writer = os.pipe()
            os.close(reader)  # nobody is going to read it
            done = subprocess.run(["bash", "-c", f'exec "$@" {way}', "-", str(BUILD / "ecbak"), *map(str, words)],
                                  env=world.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                                  text=True, timeout=20, check=False)
            os.close(writer)
            assert "standard output" in done.stderr or "2>&-" in way, f"{words} {way}: {done.stderr}"
            # What goes on to say the error in JSON, where nobody reads it either, ends as the shell has it.
            dies = -signal.SIGPIPE if "--json" in words and way == "" else 1
            full = 6 if way == "> /dev/full" else dies  # a full disk has a status of its own
            assert done.returncode in (dies, full), f"{words} {way}: {done.returncode} {done.stderr}"
            assert not list((world.folder / "home").glob("*")), f"{words} {way}: there is a vault"
    for program, words in (("ecbak", ["help"]), ("ecbak", ["--version"]), ("ecbakd", ["--print-config"])):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([str(BUILD / program), *words], env=world.env, stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        assert done.returncode == 1 and "standard output: No space left" in done.stderr, f"{program} {words}: {done.stderr}"
    world.done("init")


def a_phrase_with_a_mistake_ends_with_5(world):
    phrase = world.done("init").strip()
    words = phrase.split()
    swapped = " ".join([words[1], words[0], *words[2:]]) if words[0] != words[1] else None
    said = world.fails(5, "open", "--unchecked", text="zzzz " + " ".join(words[1:]))
    assert "zzzz" in said and "word 1" in said, said
    if swapped:
        assert "checksum" in world.fails(5, "open", "--unchecked", text=swapped)
    world.fails(5, "open", "--unchecked", text=" ".join(words[:-1]))
    world.fails(5, "open", "--unchecked", text="")
    world.fails(5, "open", "--unchecked", text=phrase + " " + words[0])


def a_phrase_opens_its_vault_again(world):
    answer = world.json("init")
    shutil.rmtree(world.folder / "home")
    (world.folder / "home").mkdir(mode=0o700)
    file = world.folder / "phrase"
    file.write_text("  " + answer["phrase"].upper().replace(" ", "\n") + "\n")
    opened = world.json("open", "--unchecked", "--phrase-file", file)
    assert opened["vault"] == answer["vault"] and not opened["was_open"], opened
    assert world.json("open", "--unchecked", "--phrase-file", file)["was_open"]


def a_phrase_of_another_vault_is_told_from_a_wrong_one(world):
    world.lab(2)
    stranger = world.json("init")["phrase"]
    shutil.rmtree(world.folder / "home")
    said = world.fails(1, "open", text=stranger)
    assert "well-formed" in said and "none of the 2 nodes" in said, said
    assert not list((world.folder / "home").glob("*/vault.key")), "something was opened"


# ---- the authority -------------------------------------------------------------------------------------

def an_authority_admits_a_machine(world):
    authority = world.folder / "authority"
    made = world.json("authority", "init", authority)
    assert (authority / "authority.key").stat().st_mode & 0o777 == 0o600
    world.fails(1, "authority", "init", authority)
    config = world.folder / "ecbakd.conf"
    config.write_text(f'name = attic\nzone = home\ndata_dir = "{world.folder}/data"\n'
                      f'key_file = "{world.folder}/node.key"\n')
    request = world.done("--config", config, "--init", program="ecbakd")
    (world.folder / "request").write_text(request)
    certificate = world.done("authority", "sign", "--dir", authority, world.folder / "request")
    assert certificate.startswith("ecbak-certificate-1:"), certificate
    (world.folder / "cert").write_text(certificate)
    shown = world.json("authority", "show", world.folder / "cert")
    assert shown["curve"] in world.done("authority", "show", world.folder / "cert")
    assert (shown["name"], shown["zone"], shown["cluster"]) == ("attic", "home", made["cluster"]), shown
    renamed = world.json("authority", "sign", "-d", authority, "--name", "cellar", "--days", "10", request.strip())
    assert renamed[0]["name"] == "cellar" and renamed[0]["node"] == shown["node"]
    from_, until = (datetime.datetime.fromisoformat(renamed[0][name]) for name in ("not_before", "not_after"))
    assert (until - from_).days == 10
    assert renamed[0]["serial"] > shown["serial"]
    assert world.done("authority", "sign", "-d", authority, text=request).startswith("ecbak-certificate-1:")


def a_forged_request_is_refused(world):
    authority = world.folder / "authority"
    world.done("authority", "init", "-q", authority)
    for request in ("ecbak-request-1:AAAA", "ecbak-request-9:AAAA", "nonsense", ""):
        result = world.run("authority", "sign", "-d", authority, text=request)
        assert result.returncode in (1, 5) and not result.stdout, request


# ---- the lab -------------------------------------------------------------------------------------------

def who_waited_in_vain_sees_whom_there_was(world, vain, pid):
    """Also when the node (pid), which answered first, does not at the end."""
    seen, error = [json.loads(line) for line in world.run(*vain, "1s", "--json").stdout.splitlines()]
    assert {m["name"]: m["state"] for m in seen["members"]} == {"node-1": "alive", "node-2": "dead", "node-3": "alive"}, seen
    assert (error["error"], error["exit"]) == ("too_few", 4), error
    with subprocess.Popen([str(BUILD / "ecbak"), *vain, "5s"], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as waiting:
        assert "waiting for" in waiting.stderr.readline()  # said when it was answered for a while
        os.kill(pid, signal.SIGSTOP)
        try:
            table = waiting.communicate(timeout=60)[0]
        finally:
            os.kill(pid, signal.SIGCONT)
    assert waiting.returncode == 4 and re.search(r"node-2 +dead", table) and "3 members:" in table, (waiting.returncode, table)


def a_lab_comes_up_is_damaged_heals_and_goes_away(world):
    world.lab(3, "--zones", 2)
    status = world.json("lab", "status")
    assert [node["name"] for node in status["nodes"]] == ["node-1", "node-2", "node-3"]
    assert [node["zone"] for node in status["nodes"]] == ["zone-1", "zone-2", "zone-1"]
    for node in status["nodes"]:
        assert node["state"] == "running" and os.path.exists(node["config"]) and os.path.exists(node["log"])
        os.kill(node["pid"], 0)
    world.done("lab", "kill", "node-2")
    world.done("members", "--wait-for", "node-2=dead", "--timeout", "60s", "-q")
    vain = ("members", "--wait-for", "3=alive", "--timeout")
    assert "still waiting" in world.fails(4, *vain, "300ms")
    who_waited_in_vain_sees_whom_there_was(world, vain, status["nodes"][0]["pid"])
    stopped = world.json("lab", "status")["nodes"][1]
    assert stopped["state"] == "stopped" and stopped["pid"] is None, stopped
    world.done("lab", "start", "node-2")
    world.done("members", "--wait-for", "3=alive", "--timeout", "60s", "-q")
    world.lab(4)  # it grows
    assert len(world.json("lab", "status")["nodes"]) == 4
    world.done("lab", "down")
    assert not (world.folder / "lab").exists()
    for node in status["nodes"]:
        assert not os.path.exists(f"/proc/{node['pid']}/exe"), "a node survived its lab"


def a_process_number_given_to_another_is_not_killed(world):
    world.lab(1)
    node = world.json("lab", "status")["nodes"][0]
    pid_file = pathlib.Path(node["dir"]) / "pid"
    number, start, boot = pid_file.read_text().split()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        world.done("lab", "stop", "node-1")
        for words in (f"{bystander.pid} {start} {boot}\n", f"{bystander.pid}\n", f"{number} x {boot}\n", "", "-1 0 x"):
            pid_file.write_text(words)
            assert "already" in world.done("lab", "kill", "node-1"), words
            assert bystander.poll() is None, "a bystander was killed"
    finally:
        bystander.kill()
        bystander.wait()


def a_lab_in_a_folder_with_a_long_odd_name_works(world):
    odd = world.folder / ("it's a #lab " + "x" * 120)
    world.env["ECBAK_LAB"] = str(odd)
    world.lab(2)
    sockets = world.json("lab", "status")["nodes"][0]["socket"].removeprefix("ipc://")
    assert len(sockets) <= 107 and os.path.exists(sockets), sockets
    shell = subprocess.run(["sh", "-c", 'eval "$(ecbak lab env)"; printf %s "$ECBAK_LAB"'], env=world.env,
                           capture_output=True, text=True, check=True)
    assert shell.stdout == str(odd), shell.stdout
    world.done("lab", "down")
    assert not odd.exists() and not os.path.exists(os.path.dirname(sockets))


def a_lab_keeps_out_of_folders_with_other_things(world):
    (world.folder / "lab").mkdir()
    (world.folder / "lab" / "thesis.tex").write_text("dear")
    assert "not empty" in world.fails(1, "lab", "up")
    world.fails(1, "lab", "down")
    assert (world.folder / "lab" / "thesis.tex").read_text() == "dear"


# ---- what scripts read ---------------------------------------------------------------------------------

def members_json_is_as_documented(world):
    world.lab(2)
    answer = world.json("members")
    assert list(answer) == ["version", "cluster", "members"] and len(answer["cluster"]) == 64
    for member in answer["members"]:
        assert list(member) == MEMBER_KEYS, member
        assert member["state"] == "alive" and len(member["id"]) == 64
        assert re.fullmatch(TIME, member["since"]) and isinstance(member["capacity_bytes"], int)


def what_happened_is_listed_only_when_asked_for(world):
    world.lab(2)
    answer = world.json("members", "--events")
    assert list(answer) == ["version", "cluster", "members", "events"]
    assert [event["event"] for event in answer["events"]] == ["joined"], answer["events"]
    joined = answer["events"][0]
    assert list(joined) == EVENT_KEYS and joined["name"] == "node-2", joined
    world.done("lab", "kill", "node-2", "-q")
    world.done("members", "--wait-for", "node-2=dead", "--timeout", "60s", "-q")
    lines = world.done("members", "--events").splitlines()
    assert [re.sub(r"^\S+ \S+ ", "", line).split()[:2] for line in lines] == [
        ["node-2", "joined"], ["node-2", "suspect,"], ["node-2", "dead"]], lines
    numbers = [event["number"] for event in world.json("members", "--events")["events"]]
    assert numbers == list(range(joined["number"], joined["number"] + 3)), numbers


def a_script_can_follow_the_members(world):
    world.lab(2)
    command = [str(BUILD / "ecbak"), "members", "--watch", "--json"]
    with subprocess.Popen(command, env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        try:
            assert len(json.loads(watch.stdout.readline())["members"]) == 2
            world.done("lab", "kill", "node-2", "-q")
            events = [json.loads(watch.stdout.readline()) for _ in range(2)]
            assert [event["event"] for event in events] == ["suspect", "dead"], events
            world.done("lab", "kill", "node-1", "-q")  # the node that is asked
            assert "does not answer" in watch.stderr.readline()
            world.done("lab", "start", "node-1", "node-2", "-q")
            assert "members" in json.loads(watch.stdout.readline())
            joined = json.loads(watch.stdout.readline())
            assert (joined["event"], joined["name"]) == ("joined", "node-2"), joined
            assert joined["number"] > events[1]["number"]
        finally:
            watch.terminate()


def read_until(terminal, text, seconds=30):
    """What a terminal shows up to this text, with all that moves its cursor."""
    seen, end = "", time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < end, f"no {text!r} in ...{seen[-400:]!r}"
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


def on_a_terminal_the_members_are_kept_up_to_date_in_place(world):
    world.lab(3)
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (20, 60))
    with subprocess.Popen([str(BUILD / "ecbak"), "members", "--watch"], env=dict(world.env, TERM="xterm"),
                          stdin=inside, stdout=inside, stderr=inside, start_new_session=True) as watch:
        try:
            first = read_until(terminal, "joined")
            assert first.startswith("\x1b[?1049h\x1b[?25l"), first[:40]  # another screen, no cursor
            assert "ADDRESS" not in first and "STATE" in first  # 60 columns have no room for it
            world.done("lab", "kill", "node-3", "-q")
            later = read_until(terminal, "node-3 dead")
            assert "\x1b[2J" not in later and "\x1b[H" in later  # nothing is cleared: it would flicker
            termios.tcsetwinsize(inside, (7, 130))
            os.kill(watch.pid, signal.SIGWINCH)
            low = read_until(terminal, "... and 2 more").split("\x1b[H")[-1]
            assert "node-3" in low and "node-1" not in low, low  # one line: who is not alive has it
            os.kill(watch.pid, signal.SIGINT)
            assert read_until(terminal, "\x1b[?1049l").endswith("\x1b[?25h\x1b[?1049l")
            assert watch.wait(10) == -signal.SIGINT
        finally:
            watch.kill()
            os.close(terminal)
            os.close(inside)


def painted_by(world, columns, *words):
    """The lines that a command paints on a terminal of so many columns."""
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (10, columns))
    with subprocess.Popen([str(BUILD / "ecbak"), *map(str, words)], stdin=inside, stdout=inside, stderr=inside,
                          env=dict(world.env, TERM="xterm"), start_new_session=True) as command:
        os.close(inside)
        seen = ""
        try:
            while True:
                seen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # it has ended
            pass
        os.close(terminal)
        assert command.wait(60) == 0, seen
    return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", seen)]


def a_first_store_shows_how_far_it_is_and_at_which_file(world):
    world.lab(2)
    world.done("init", "-q")
    source = world.folder / "source"
    source.mkdir()
    for columns in (80, 40):
        for _ in range(8):  # until the store takes so long, on this machine, that there is something to show
            for i in range(12):
                with open(source / f"a-file-with-a-long-name-that-is-number-{i}", "ab") as file:
                    file.write(os.urandom(8 << 20))
            painted = painted_by(world, columns, "store", "--dry-run", "--read-all", source)
            if any(re.match(r"storing .*\b\d+ %", line) for line in painted):
                break
        assert any(re.match(r"storing .*\b\d+ %", line) for line in painted), painted
        assert any(line.endswith(tuple("0123456789")) and "is-number-" in line for line in painted), painted
        assert all(len(line) < columns for line in painted if not line.startswith("12 files")), painted


def one_member_is_too_few_to_store(world):
    world.lab(1)
    world.done("init", "-q")
    (world.folder / "file").write_text("text")
    said = world.fails(4, "store", world.folder / "file")
    assert "member" in said, said
    assert world.json("snapshots")["snapshots"] == []


def a_store_and_a_recovery_speak_json(world):
    world.lab(3)
    phrase = world.json("init")["phrase"]
    source = world.folder / "source"
    source.mkdir()
    (source / "plain").write_bytes(os.urandom(70000))
    (source / "odd\033[2J\nname").write_text("x")
    dry = world.run("store", "--dry-run", "--json", source, world.folder / "missing")
    answer = json.loads(dry.stdout.splitlines()[-1])
    assert dry.returncode == 3 and (answer["snapshot"], answer["survives"]) == (None, None), (dry, answer)
    answer = json.loads(world.done("store", "--json", "--tag", "test", source).splitlines()[-1])
    assert list(answer) == STORE_KEYS, answer
    assert (answer["files"], answer["data"], answer["parity"]) == (2, 1, 2) and answer["bytes"] == 70001, answer
    assert any(member["used_bytes"] > 70000 for member in world.json("members")["members"])
    listed = world.json("snapshots")["snapshots"]
    assert len(listed) == 1 and listed[0]["id"] == answer["snapshot"], listed
    assert listed[0]["short_id"] == answer["snapshot"][:8] and listed[0]["tags"] == ["test"]
    assert listed[0]["paths"] == [str(source)]
    shutil.rmtree(world.folder / "home")
    world.done("open", text=phrase)
    back = world.folder / "back"
    world.done("recover", "latest", "--to", back)
    compare(source, f"{back}{source}")
    world.done("recover", "latest", "--to", back)  # what is there is what it should be
    for name in os.listdir(source):
        (back / str(source)[1:] / name).write_text("mine")
    again = world.run("recover", listed[0]["short_id"], "--to", back)
    assert again.returncode == 3 and again.stdout == "", again
    assert "\033" not in again.stderr and "\\x1b[2J\\x0aname" in again.stderr, again.stderr
    world.fails(1, "recover", "ffffffff", "--to", back)
    world.fails(1, "recover", "latest", "/not/there", "--to", back)


def paths_are_taken_from_the_folder_one_is_in(world):
    world.lab(2)
    world.done("init", "-q")
    (world.folder / "work" / "inner").mkdir(parents=True)
    (world.folder / "work" / "inner" / "file").write_text("x")
    (world.folder / "other").write_text("y")
    world.done("store", "-q", "inner", cwd=world.folder / "work")
    world.done("store", "-q", "other", cwd=world.folder)
    first, second = (entry["id"] for entry in world.json("snapshots")["snapshots"])

    def listed(path, folder):
        out = world.done("snapshots", "--json", "--path", path, cwd=world.folder / folder)
        return [entry["id"] for entry in json.loads(out)["snapshots"]]
    for path, folder, expected in (("inner", "work", [first]), (".", "work", [first]), ("work", "", [first]),
                                   ("./other/", "", [second]), ("../other", "work", [second]),
                                   (world.folder / "work" / "inner", "", [first]), ("/", "", [first, second]),
                                   ("work/inner/none", "", []), ("wor", "", []), ("/not/there", "", [])):
        assert listed(path, folder) == expected, (path, folder)
    said = world.run("snapshots", "--path", "file", cwd=world.folder / "work" / "inner").stderr
    assert f"--path {world.folder}/work/inner\n" in said, said
    world.done("recover", "latest", "-q", "--path", ".", "--to", world.folder / "back", cwd=world.folder / "work")
    assert os.listdir(f"{world.folder}/back{world.folder}") == ["work"]
    world.fails(1, "recover", "latest", "--path", "work/none", "--to", world.folder / "back", cwd=world.folder)


def what_is_said_of_trouble_names_it_once_and_whole(world):
    said = world.fails(1, "store", world.folder / "none")  # there is no vault, which is said first
    world.done("init", "-q")
    said = world.fails(1, "store", world.folder / "none")
    assert said.count("No such file") == 1, said
    said = world.fails(1, "store", world.folder / "none", world.folder / "neither")
    assert said.count("No such file") == 2 and "none of the 2 paths" in said, said
    world.lab(2)
    deep = world.folder / "deep"
    deep.mkdir()
    names = ["d" * 200 for _ in range(6)]  # longer than 1 KiB
    folder = os.open(deep, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("pipe", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    world.done("store", "-q", deep)
    back = world.folder / "back"
    world.done("recover", "latest", "-q", "--to", back)
    found = [path for path in back.rglob("pipe")]
    assert len(found) == 1
    found[0].write_text("another")
    again = world.run("recover", "latest", "--to", back)
    assert again.returncode == 3 and "/pipe" in again.stderr and "is there" in again.stderr, (again.returncode, again.stderr)


def nothing_waits_in_silence(world):
    """A node that hangs, and one that goes away in a store."""
    world.lab(3)
    world.done("init", "-q")
    (world.folder / "file").write_bytes(os.urandom(1000))
    node = world.json("lab", "status")["nodes"][0]

    def says(command, text):
        began = time.monotonic()
        with subprocess.Popen([str(BUILD / "ecbak"), *map(str, command)], env=world.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as running:
            try:
                said = running.stderr.readline()
                assert text in said, said
                assert time.monotonic() - began < 10 * SLOW, said
            finally:
                running.kill()
    os.kill(node["pid"], signal.SIGSTOP)
    try:
        for command in (["status"], ["members"], ["snapshots"], ["store", "-q", world.folder / "file"],
                        ["members", "--wait-for", "9=alive"]):
            says(command, "waiting for ")
    finally:
        os.kill(node["pid"], signal.SIGCONT)
    says(["members", "--wait-for", "9=alive"], "waiting for 9 members to be alive")
    for endpoint in ("inproc://x", "/run/x.sock", "nonsense"):
        said = world.fails(2, "status", "--socket", endpoint)
        assert "ipc://PATH" in said, said


TESTS = [
    every_command_has_help_with_an_example,
    wrong_command_lines_end_with_2_and_say_where_help_is,
    the_man_page_knows_every_command_and_option,
    what_is_installed_is_what_the_readme_counts_on,
    a_near_miss_is_answered_with_what_was_meant,
    the_words_of_other_tools_lead_to_what_is_here,
    what_the_readme_says_is_not_there_is_not_there,
    what_the_command_says_of_hostile_words_is_escaped,
    without_a_node_the_command_says_how_to_start_one,
    colours_are_for_terminals_only,
    init_makes_one_vault_and_shows_its_phrase_once,
    a_phrase_or_ticket_that_cannot_be_written_is_not_in_force,
    a_phrase_with_a_mistake_ends_with_5,
    a_phrase_opens_its_vault_again,
    a_phrase_of_another_vault_is_told_from_a_wrong_one,
    an_authority_admits_a_machine,
    a_forged_request_is_refused,
    a_lab_comes_up_is_damaged_heals_and_goes_away,
    a_process_number_given_to_another_is_not_killed,
    a_lab_in_a_folder_with_a_long_odd_name_works,
    a_lab_keeps_out_of_folders_with_other_things,
    members_json_is_as_documented,
    what_happened_is_listed_only_when_asked_for,
    a_script_can_follow_the_members,
    on_a_terminal_the_members_are_kept_up_to_date_in_place,
    a_first_store_shows_how_far_it_is_and_at_which_file,
    one_member_is_too_few_to_store,
    a_store_and_a_recovery_speak_json,
    paths_are_taken_from_the_folder_one_is_in,
    what_is_said_of_trouble_names_it_once_and_whole,
    nothing_waits_in_silence,
]


def in_a_world(test):
    @functools.wraps(test)
    def run():
        with tempfile.TemporaryDirectory(prefix="ecbak-cli-") as folder:
            world = World(folder)
            try:
                test(world)
            finally:
                world.close()
    return run


if __name__ == "__main__":
    sys.exit(run_tests(*map(in_a_world, TESTS)))
