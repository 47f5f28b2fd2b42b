#!/usr/bin/env python3
"""Joining with a ticket: one machine a ticket, and clear words for every ticket that is none."""
import base64
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

from common import BUILD, HERE, SLOW, run_tests, wait_until
from harness import Cluster, free_ports, run

FAILED, USAGE, BAD_TICKET = 1, 2, 5


class Invitation:
    """A running `ecbak invite`."""

    def __init__(self, cluster, *arguments, node=None, files=None):
        env = dict(os.environ, ECBAK_SOCKET=node.socket if node else f"ipc://{cluster.dir}/nobody.sock")
        self.process = subprocess.Popen(
            [str(BUILD / "ecbak"), "invite", "--dir", str(cluster.authority), "--listen", "127.0.0.1:0", "--json",
             *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))))
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.ticket = json.loads(line)["ticket"]

    def end(self, seconds=40):
        """Its exit status, what it said last, and stderr."""
        out, err = self.process.communicate(timeout=seconds * SLOW)
        return self.process.returncode, json.loads(out.splitlines()[-1]) if out.strip() else None, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Machine:
    """One that joins: its own folder, its own ports."""

    def __init__(self, cluster, name):
        self.dir = cluster.dir / f"machine-{name}"
        self.name, self.config = name, self.dir / "etc" / "ecbakd.conf"
        self.dir.mkdir()
        self.ports = free_ports(2)
        self.process = None
        self.socket = f"ipc://{self.dir}/client.sock"

    def arguments(self, ticket, *more):
        settings = {"listen_address": "127.0.0.1", "member_port": self.ports[0], "bulk_port": self.ports[1],
                    "key_file": self.dir / "node.key", "client_endpoint": self.socket, "profile": "local"}
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return ["join", "--name", self.name, "--zone", "here", "--config", str(self.config), "--data-dir",
                str(self.dir / "data"), "--capacity", "1G", "--no-start", "--json", *options, *more, ticket]

    def join(self, ticket, *more):
        return run("ecbak", *self.arguments(ticket, *more), check=False)

    def members(self):
        shown = run("ecbak", "members", "--json", env=dict(os.environ, ECBAK_SOCKET=self.socket), check=False)
        return {m["name"]: m["state"] for m in json.loads(shown.stdout)["members"]} if shown.returncode == 0 else {}

    @contextlib.contextmanager
    def running(self):
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(BUILD / "ecbakd"), "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20 * SLOW)


def a_ticket_makes_a_machine_a_member_and_the_operator_is_told():
    with Cluster(2) as cluster:
        cluster.start()
        cluster.wait_states({"node-1": "alive", "node-2": "alive"})
        machine = Machine(cluster, "attic")
        with Invitation(cluster, node=cluster.nodes[0]) as invitation:
            joined = machine.join(invitation.ticket)
            assert joined.returncode == 0, joined
            said = json.loads(joined.stdout)
            assert (said["name"], said["zone"], said["address"]) == ("attic", "here", "127.0.0.1"), said
            assert said["zone_guessed"] is False, said
            status, guest, _ = invitation.end()
            assert status == 0 and guest["name"] == "attic" and guest["confirmed"], guest
        assert (machine.dir / "node.key").stat().st_mode & 0o777 == 0o600
        with machine.running():
            wait_until(lambda: machine.members() == {"node-1": "alive", "node-2": "alive", "attic": "alive"}, 20,
                       "the machine sees all")
            cluster.wait_states({"node-1": "alive", "node-2": "alive", "attic": "alive"})
        assert "used by attic" in (cluster.authority / "tickets").read_text()


def a_zone_that_is_a_guess_is_said_to_be_one():
    with Cluster(1) as cluster:
        for zone, shown in (("lan-1a2b3c4d", lambda out: json.loads(out)["zone_guessed"] is True), ("vm", lambda out: "is a guess" in out)):
            machine = Machine(cluster, zone)
            with Invitation(cluster) as invitation:
                words = [word for word in machine.arguments(invitation.ticket, "--zone", zone) if zone != "vm" or word != "--json"]
                joined = run("ecbak", *words)
                assert shown(joined.stdout), joined.stdout


def of_two_machines_with_one_ticket_exactly_one_joins():
    with Cluster(1) as cluster, Invitation(cluster) as invitation:
        machines = [Machine(cluster, "first"), Machine(cluster, "second")]
        running = [subprocess.Popen([str(BUILD / "ecbak"), *m.arguments(invitation.ticket)], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for m in machines]
        said = [process.communicate(timeout=60 * SLOW) for process in running]
        codes = sorted(process.returncode for process in running)
        assert codes == [0, BAD_TICKET], (codes, said)
        loser = next(i for i in (0, 1) if running[i].returncode)
        assert f"used by {machines[1 - loser].name} at" in said[loser][1], said
        assert not (machines[loser].dir / "etc" / "node.cert").exists()
        status, guest, warned = invitation.end()
        assert status == 0 and guest["name"] == machines[1 - loser].name, guest
        assert "alone" in warned, warned


def port_of(ticket):
    shown = base64.b64decode(ticket.split(":", 1)[1] + "===")
    return int(shown[shown.rindex(b"127.0.0.1:") + 10:-8])  # the address is followed by a checksum


def hold(port, count, source="127.0.0.1"):
    """So many connections that say nothing."""
    return [socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0)) for _ in range(count)]


def who_says_nothing_keeps_nobody_out():
    """With so few files that the connections could take them all, from the guest's own address and from others."""
    with Cluster(1) as cluster, Invitation(cluster, files=128) as invitation, contextlib.ExitStack() as held:
        port = port_of(invitation.ticket)
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"):
            for connection in hold(port, 50, source):
                held.enter_context(connection)
        began = time.monotonic()
        joined = Machine(cluster, "guest").join(invitation.ticket)
        assert joined.returncode == 0, joined
        assert time.monotonic() - began < 5 * SLOW, "it did not have to wait for the others to go"
        assert invitation.end()[1]["confirmed"]


def who_says_nothing_is_shown_out():
    with Cluster(1) as cluster, Invitation(cluster) as invitation:
        began = time.monotonic()
        (silent,) = hold(port_of(invitation.ticket), 1)
        with silent:
            silent.settimeout(20 * SLOW)
            while silent.recv(64):  # its greeting, then the end
                pass
        assert 9 < time.monotonic() - began < 15 * SLOW


def a_ticket_ends_with_its_time_and_with_its_process():
    with Cluster(1) as cluster:
        machine = Machine(cluster, "late")
        with Invitation(cluster, "--expires", "1s") as invitation:
            status, _, err = invitation.end()
            assert status == FAILED and "expired" in err, err
            late = machine.join(invitation.ticket)
            assert late.returncode == BAD_TICKET and "expired" in late.stderr, late
            assert not machine.config.exists(), "nothing was made"
        for _ in range(20):  # also in the moment in which its threads start
            with Invitation(cluster) as invitation:
                invitation.process.send_signal(signal.SIGINT)
                status, _, err = invitation.end()
                assert status == FAILED and "void" in err, (status, err)
        with Invitation(cluster) as invitation:
            invitation.process.send_signal(signal.SIGINT)
            invitation.end()
            gone = machine.join(invitation.ticket)
            assert gone.returncode == FAILED and "ask for a new one" in gone.stderr, gone
        # Half a join is taken up by the next ticket, with the keys that were made.
        key = (machine.dir / "node.key").read_bytes()
        with Invitation(cluster) as invitation:
            joined = machine.join(invitation.ticket)
            assert joined.returncode == 0, joined
            assert (machine.dir / "node.key").read_bytes() == key
            again = machine.join(invitation.ticket)
            assert again.returncode == FAILED and "member already" in again.stderr, again


def whose_name_is_taken_over_is_said():
    with Cluster(1) as cluster, Invitation(cluster, "--name", "node-1", "--replace") as invitation:
        machine = Machine(cluster, "node-1")
        assert machine.join(invitation.ticket).returncode == 0
        status, guest, warned = invitation.end()
        assert status == 0 and guest["name"] == "node-1", guest
        assert "keeps it: revoke it" in warned, warned


def what_is_no_ticket_is_said():
    with Cluster(1) as cluster, Invitation(cluster, "--name", "fixed") as invitation:
        machine = Machine(cluster, "other")
        for bad in (invitation.ticket[:-5], invitation.ticket[:60], "ecbak-ticket-1:", "hello"):
            refused = machine.join(bad)
            assert refused.returncode == BAD_TICKET and "ticket" in refused.stderr, refused
        refused = machine.join(invitation.ticket)
        assert refused.returncode == USAGE and "for the name fixed" in refused.stderr, refused
        assert not machine.config.exists()
        machine.config.parent.mkdir()
        machine.config.write_text("# mine\nname = mine\n")
        machine.name = "fixed"
        refused = machine.join(invitation.ticket)
        assert refused.returncode == FAILED and "--force" in refused.stderr, refused
        assert machine.config.read_text() == "# mine\nname = mine\n"
        joined = machine.join(invitation.ticket, "--force")
        assert joined.returncode == 0 and json.loads(joined.stdout)["name"] == "fixed", joined


def the_configuration_that_the_package_brings_is_nobodys():
    with Cluster(1) as cluster, Invitation(cluster) as invitation:
        machine = Machine(cluster, "fresh")
        machine.config.parent.mkdir()
        machine.config.write_text((HERE.parent / "ansible/packaging/ecbakd.conf").read_text())
        joined = machine.join(invitation.ticket)
        assert joined.returncode == 0 and json.loads(joined.stdout)["name"] == "fresh", joined


def a_name_that_is_taken_does_not_use_up_the_ticket():
    with Cluster(1) as cluster, Invitation(cluster) as invitation:
        machine = Machine(cluster, "node-1")
        refused = machine.join(invitation.ticket)
        assert refused.returncode == FAILED and "another machine is node-1" in refused.stderr, refused
        machine.name = "node-9"
        joined = machine.join(invitation.ticket)
        assert joined.returncode == 0 and json.loads(joined.stdout)["name"] == "node-9", joined


if __name__ == "__main__":
    sys.exit(run_tests(
        a_ticket_makes_a_machine_a_member_and_the_operator_is_told,
        a_zone_that_is_a_guess_is_said_to_be_one,
        of_two_machines_with_one_ticket_exactly_one_joins,
        who_says_nothing_keeps_nobody_out,
        who_says_nothing_is_shown_out,
        a_ticket_ends_with_its_time_and_with_its_process,
        whose_name_is_taken_over_is_said,
        what_is_no_ticket_is_said,
        the_configuration_that_the_package_brings_is_nobodys,
        a_name_that_is_taken_does_not_use_up_the_ticket,
    ))
