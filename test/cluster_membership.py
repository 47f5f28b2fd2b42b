#!/usr/bin/env python3
"""Real ecbakd processes on loopback: how they start, find each other, stop, die, and whom they refuse."""
import asyncio
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time

from common import HERE, SLOW, run_tests, wait_until
from harness import Cluster, names, run


def two_nodes_see_each_other_within_two_seconds():
    with Cluster(2) as cluster:
        cluster.start()
        took = cluster.wait_states(names(2))
        assert took < 2 * SLOW, f"took {took:.1f} s"


def six_nodes_find_each_other_and_a_killed_one_is_seen_dead_and_back():
    with Cluster(6) as cluster:
        cluster.start()
        cluster.wait_states(names(6))
        before = cluster.nodes[0].members()["node-6"]["incarnation"]
        cluster.nodes[5].kill()
        cluster.wait_states(names(6, node_6="dead"), 30)
        counted = [node.counters() for node in cluster.nodes[:5]]
        assert any(c["members_suspected"] for c in counted) and any(c["members_died"] for c in counted), counted
        cluster.nodes[5].start()
        cluster.wait_states(names(6), 30)
        assert cluster.nodes[0].members()["node-6"]["incarnation"] > before


def an_idle_node_is_small():
    with Cluster(6) as cluster:
        cluster.start()
        cluster.wait_states(names(6))
        sizes = [node.memory_kb() for node in cluster.nodes]
        assert SLOW > 1 or max(sizes) <= 16 * 1024, f"resident KiB: {sizes}"


def a_stopping_node_is_not_suspected_and_ends_within_seconds_with_zero():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        for how in (signal.SIGTERM, signal.SIGINT):
            status = cluster.nodes[2].end(how, 5)
            assert status == 0, f"exit {status}"
            wait_until(lambda: "node-3 (127.0.0.1:%d) away" % cluster.nodes[2].member_port
                       in cluster.nodes[0].log_text(), 5, "node-3 said that it is away")
            cluster.wait_states(names(3, node_3="away"))
            cluster.nodes[2].start()
        assert "suspect" not in cluster.nodes[0].log_text()


class SlowRoad:
    """Nodes reach each other only through here, each at an address 127.0.1.N of its own: every byte takes its time."""

    def __init__(self, nodes, delay_s):
        self.nodes, self.delay_s = nodes, delay_s
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    async def carry(self, reader, writer):
        while data := await reader.read(65536):
            self.loop.call_later(self.delay_s, writer.write, data)
        self.loop.call_later(self.delay_s, writer.close)

    def road_to(self, port):
        async def accept(reader, writer):
            try:
                on_reader, on_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(self.carry(reader, on_writer), self.carry(on_reader, writer))
            except (OSError, asyncio.CancelledError):
                writer.close()
        return accept

    def __enter__(self):
        self.thread.start()
        for i, node in enumerate(self.nodes):
            node.settings["advertise_address"] = f"127.0.1.{i + 1}"
            node.write_config([])
            server = asyncio.start_server(self.road_to(node.member_port), f"127.0.1.{i + 1}", node.member_port)
            asyncio.run_coroutine_threadsafe(server, self.loop).result(5)
            if i > 0:
                seed = self.nodes[0]
                with open(node.config, "a", encoding="utf-8") as config:
                    config.write(f"seed\n    address = 127.0.1.1:{seed.member_port}\n    key = {seed.curve}\n")
        return self

    def __exit__(self, *_):
        async def end():
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


def the_first_round_trip_measured_is_one_without_the_handshake():
    with Cluster(6) as cluster, SlowRoad(cluster.nodes, 0.03):
        cluster.start()
        measured = {}

        def all_measured():
            for node in cluster.nodes:
                for other in node.members().values():
                    if other["rtt_ms"] is not None and not other["rtt_estimated"]:
                        measured.setdefault((node.name, other["name"]), other["rtt_ms"])
            return len(measured) == 6 * 5
        wait_until(all_measured, 40, "all have measured all others")
        for rtt_ms in measured.values():  # 60 there and back; about 300 with TCP and CURVE before it
            assert 55 < rtt_ms < 200 * SLOW, measured


def a_node_that_stood_still_takes_nothing_old_for_fresh_and_nobody_for_dead():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        frozen = cluster.nodes[2]
        # Until connections stand both ways, so that messages queue while it stands still.
        wait_until(lambda: all(m["rtt_ms"] is not None and not m["rtt_estimated"]
                               for m in cluster.nodes[0].members().values() if m["name"] != "node-1"),
                   20, "node-1 has measured all")
        late = frozen.counters()["messages_late"]
        before = cluster.nodes[0].members()["node-3"]["incarnation"]
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            frozen_s = time.monotonic()
            cluster.wait_states(names(3, node_3="dead"), 30, by=cluster.nodes[:2])
            time.sleep(max(0, frozen_s + 8 - time.monotonic()))  # not for something: this long is the test
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        cluster.wait_states(names(3), 30)
        assert frozen.counters()["messages_late"] > late
        assert "dead" not in frozen.events(), frozen.events()
        assert cluster.nodes[0].members()["node-3"]["incarnation"] > before  # it refuted, nothing else revived it


def a_cluster_with_more_members_than_connections_converges_and_stays_calm():
    with Cluster(14) as cluster:
        for node in cluster.nodes:
            node.settings["connections_max"] = 8
            node.write_config([seed for seed in cluster.nodes[:2] if seed is not node])
        cluster.start()
        cluster.wait_states(names(14), 60)
        for node in cluster.nodes:  # others have called it back, on connections of their own, and hung up
            wait_until(lambda node=node: node.status()["reachable"], 60, f"{node.name} is known to be reachable")
        ports = {node.member_port for node in cluster.nodes}
        most, end = 0, time.monotonic() + 10
        while time.monotonic() < end:  # calm is that nothing happens for a while
            most = max(most, *(node.connections_to(ports) for node in cluster.nodes))
        assert 4 <= most <= 8, f"{most} connections of one node"
        for node in cluster.nodes:
            assert "dead" not in node.events(), (node.name, node.events())
            assert set(node.states().values()) == {"alive"}


def a_node_that_left_is_gone_for_good():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        cluster.nodes[2].ecbak("leave", "--yes", check=False)
        status = cluster.nodes[2].process.wait(15 * SLOW)
        assert status == 0, f"exit {status}"
        cluster.nodes[2].process = None
        cluster.wait_states(names(3, node_3="left"))
        cluster.nodes[2].start(wait=False)
        status = cluster.nodes[2].process.wait(15 * SLOW)
        cluster.nodes[2].process = None
        unit = (HERE.parent / "ansible/packaging/systemd/ecbakd.service").read_text()
        kept_down = re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)[1].split()
        assert status == 3 and "3" in kept_down, f"exit {status}: systemd would start it again and again"


def a_node_finds_the_cluster_again_without_its_seeds():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        cluster.nodes[2].kill()
        cluster.nodes[2].write_config([])
        cluster.nodes[2].start()
        cluster.wait_states(names(3), 30)


def strangers_are_refused_and_counted():
    with Cluster(2) as cluster, Cluster(1) as other:
        cluster.start()
        cluster.wait_states(names(2))
        stranger = other.nodes[0]
        stranger.write_config([cluster.nodes[0]])
        stranger.start()
        wait_until(lambda: "another cluster" in stranger.log_text(), 20, "the stranger is told why")
        assert set(cluster.nodes[0].states()) == {"node-1", "node-2"}
        assert stranger.states() == {"node-1": "alive"}
        counted = {k: v for k, v in cluster.nodes[0].counters().items() if "foreign" in k}
        assert sum(counted.values()) > 0, cluster.nodes[0].counters()


def what_is_missing_is_said_with_what_to_run():
    with Cluster(2) as cluster:
        first, second = cluster.nodes

        def refusal():
            first.start(wait=False)
            status = first.process.wait(10 * SLOW)
            first.process = None
            assert status == 1, f"exit {status}"
            return first.log_text().splitlines()[-1]

        certificate = first.certificate.read_text()
        first.certificate.unlink()
        assert "ecbak authority sign" in refusal()
        first.certificate.write_text(second.certificate.read_text())
        assert "another node (node-2)" in refusal()
        first.certificate.write_text(certificate.replace(certificate[60], "A" if certificate[60] != "A" else "B"))
        assert "node.cert" in refusal()
        first.certificate.write_text(certificate)
        key = first.dir / "node.key"
        key.rename(first.dir / "away")
        assert "ecbakd --init" in refusal()
        (first.dir / "away").rename(key)
        key.chmod(0o640)
        assert "node.key" in refusal()
        key.chmod(0o600)
        (first.dir / "data").rename(first.dir / "elsewhere")
        assert "data" in refusal()
        (second.dir / "data").rename(first.dir / "data")
        assert "data" in refusal()
        (first.dir / "data").rename(second.dir / "data")
        (first.dir / "elsewhere").rename(first.dir / "data")
        first.start()


def init_replaces_nothing_and_the_request_can_be_printed_again():
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        key = (node.dir / "node.key").read_bytes()
        again = run("ecbakd", "--config", node.config, "--init", check=False)
        assert again.returncode == 1 and "already" in again.stderr, again.stderr
        (node.dir / "data").rename(node.dir / "elsewhere")
        again = run("ecbakd", "--config", node.config, "--init", check=False)
        assert again.returncode == 1 and not (node.dir / "data").exists(), again.stderr
        assert (node.dir / "node.key").read_bytes() == key
        assert (node.dir / "node.key").stat().st_mode & 0o777 == 0o600
        printed = run("ecbakd", "--config", node.config, "--print-request").stdout.strip()
        assert printed == node.request


def a_port_in_use_and_a_second_daemon_are_named():
    with Cluster(1) as cluster, socket.socket() as taken:
        node = cluster.nodes[0]
        node.start()
        second = run("ecbakd", "--config", node.config, check=False)
        assert second.returncode == 1 and second.stderr, second
        node.stop()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", node.member_port))
        taken.listen()
        busy = run("ecbakd", "--config", node.config, check=False)
        assert busy.returncode == 1 and str(node.member_port) in busy.stderr, busy.stderr


def the_folder_of_the_socket_is_made():
    """/run is empty after each start of a machine."""
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.socket = node.settings["client_endpoint"] = f"ipc://{node.dir}/run/client.sock"
        node.write_config([])
        node.start()
        assert list(node.members()) == [node.name]


def systemd_is_told():
    with Cluster(1) as cluster, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        path = str(cluster.dir / "notify")
        told.bind(path)
        told.settimeout(10 * SLOW)
        cluster.nodes[0].start(env=dict(os.environ, NOTIFY_SOCKET=path))
        first = {told.recv(200), told.recv(200)}
        assert first == {b"READY=1", b"STATUS=1 of 1 members alive, 0.0 of 1.0 GiB used"}, first
        assert cluster.nodes[0].stop() == 0
        assert told.recv(200) == b"STOPPING=1"


class Frozen:
    """One thread of a process stopped, as if it hung, by attaching to it as a debugger does."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            if (task / "comm").read_text().strip() == name:
                self.tid = int(task.name)
                return
        raise AssertionError(f"no thread {name}")

    def ptrace(self, request):
        return self.libc.ptrace(request, self.tid, None, None)

    def __enter__(self):
        if self.ptrace(self.SEIZE) != 0:
            raise PermissionError(os.strerror(ctypes.get_errno()))
        assert self.ptrace(self.INTERRUPT) == 0
        os.waitpid(self.tid, 0x40000000)  # __WALL: until it stands

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


def the_watchdog_is_fed_only_while_both_threads_turn():
    with Cluster(1) as cluster, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        path = str(cluster.dir / "notify")
        told.bind(path)
        told.settimeout(10 * SLOW)

        def fed():
            while told.recv(200) != b"WATCHDOG=1":
                pass

        # Looked at each 100 ms; an idle thread turns once a second.
        cluster.nodes[0].start(env=dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000"))
        for thread in ("ecbak-members", "ecbak-transport"):
            fed()
            try:
                with Frozen(cluster.nodes[0].process.pid, thread):
                    told.settimeout(1)
                    with contextlib.suppress(TimeoutError):
                        fed()  # one more, of turns before: it is looked at a tenth of a second later
                    told.settimeout(2.5)
                    try:
                        fed()
                        raise AssertionError(f"fed while {thread} hangs")
                    except TimeoutError:
                        pass
            except PermissionError as error:
                print(f"(needs the right to stop a thread: {error})")
                return
            told.settimeout(10 * SLOW)
            fed()


def the_command_line_and_the_man_page_know_every_key():
    sample = run("ecbakd", "--print-config").stdout
    page = (HERE.parent / "node/man/ecbakd.conf.5").read_text()
    keys = re.findall(r"^(\w+) = ", sample, re.M)
    assert len(keys) >= 15, keys
    missing = [key for key in keys if f"\n.B {key}\n" not in page]
    assert not missing, f"not in ecbakd.conf(5): {missing}"
    assert run("ecbakd", "--version").stdout.startswith("ecbakd ")
    assert "--init" in run("ecbakd", "--help").stdout
    for wrong in (["--nonsense"], ["operand"], ["--init", "--check-config"]):
        assert run("ecbakd", *wrong, check=False).returncode == 2, wrong


if __name__ == "__main__":
    sys.exit(run_tests(
        two_nodes_see_each_other_within_two_seconds,
        six_nodes_find_each_other_and_a_killed_one_is_seen_dead_and_back,
        an_idle_node_is_small,
        a_stopping_node_is_not_suspected_and_ends_within_seconds_with_zero,
        the_first_round_trip_measured_is_one_without_the_handshake,
        a_node_that_stood_still_takes_nothing_old_for_fresh_and_nobody_for_dead,
        a_cluster_with_more_members_than_connections_converges_and_stays_calm,
        a_node_that_left_is_gone_for_good,
        a_node_finds_the_cluster_again_without_its_seeds,
        strangers_are_refused_and_counted,
        what_is_missing_is_said_with_what_to_run,
        init_replaces_nothing_and_the_request_can_be_printed_again,
        a_port_in_use_and_a_second_daemon_are_named,
        the_folder_of_the_socket_is_made,
        systemd_is_told,
        the_watchdog_is_fed_only_while_both_threads_turn,
        the_command_line_and_the_man_page_know_every_key,
    ))
