#!/usr/bin/env python3
"""Strangers and members that take whatever they can get: a node's memory, its connections and its descriptors stay bounded, and it goes on serving.

What they do is hostile.c's; what it costs is read from /proc.
"""
import contextlib
import os
import pathlib
import resource
import socket
import struct
import subprocess
import sys
import time

from common import BUILD, run_tests, wait_until
from harness import Cluster, names, run
from processes import cpu_s

MB = 1000
SLACK_KB = 64 * MB


@contextlib.contextmanager
def hostile(what, node, port, *arguments):
    """While it does that."""
    words = [BUILD / "test/hostile", what, f"tcp://127.0.0.1:{port}", node.curve, *arguments]
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def most_memory_kb(node, seconds):
    """The most that it has within that time."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        most = max(most, node.memory_kb())
        time.sleep(0.01)
    return most


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def assert_little(node, rest, seconds):
    """Of its memory, within that time, beyond what it has at rest."""
    most = most_memory_kb(node, seconds)
    assert most < rest + SLACK_KB, f"{most / MB:.0f} MB, {rest / MB:.0f} MB at rest"


def a_message_of_many_frames_from_a_stranger_costs_little():
    with Cluster(1) as cluster:
        cluster.start()
        node = cluster.nodes[0]
        for port in (node.bulk_port, node.member_port):
            rest = node.memory_kb()
            with hostile("frames", node, port, 800, 1 << 20) as stranger:
                assert stranger.stdout.readline() == "done\n"
                assert_little(node, rest, 2.5)


def a_message_of_many_frames_from_a_member_costs_little():
    with Cluster(2) as cluster:
        node, other = cluster.nodes
        node.start()
        for port in (node.bulk_port, node.member_port):
            rest = node.memory_kb()
            with hostile("frames", node, port, 800, 1 << 20, other.dir / "node.key", other.certificate) as member:
                assert member.stdout.readline() == "done\n"
                assert_little(node, rest, 2.5)


def handshakes_of_many_megabytes_cost_little():
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
    frame = b"\x06" + struct.pack(">Q", 20 << 20)
    with Cluster(1) as cluster:
        cluster.start()
        node = cluster.nodes[0]
        rest = node.memory_kb()
        with contextlib.ExitStack() as stack:
            sockets = []
            for _ in range(40):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", node.bulk_port)))
                one.sendall(greeting + frame)
                one.setblocking(False)
                sockets.append(one)
            end, most, piece = time.monotonic() + 4, 0, bytes(1 << 20)
            while time.monotonic() < end:
                for one in sockets:
                    with contextlib.suppress(OSError):
                        one.send(piece)
                most = max(most, node.memory_kb())
        assert most < rest + SLACK_KB, f"{most / MB:.0f} MB, {rest / MB:.0f} MB at rest"


def who_shows_no_certificate_is_sent_away_and_one_that_comes_then_is_served():
    with Cluster(2) as cluster:
        node, other = cluster.nodes
        node.start()
        rest = descriptors(node)
        with hostile("silent", node, node.bulk_port, 200), hostile("silent", node, node.member_port, 200):
            wait_until(lambda: descriptors(node) > rest + 50, 10, "they are connected")
            wait_until(lambda: descriptors(node) < rest + 20, 10, "they are sent away")
            other.start()
            cluster.wait_states(names(2))
        counted = node.counters()
        assert counted["ended_silent"] + counted["ended_crowded"] > 200, counted


def few_descriptors_take_no_storage_out_of_service_and_spin_nothing():
    with Cluster(2) as cluster:
        node, other = cluster.nodes
        cluster.start()
        cluster.wait_states(names(2))
        before, most = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (descriptors(node) + 2, most))
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                for port in (node.bulk_port, node.member_port):
                    one = stack.enter_context(socket.socket())
                    one.setblocking(False)
                    one.connect_ex(("127.0.0.1", port))
            time.sleep(1)
            used = -cpu_s([node.process.pid])
            time.sleep(3)
            used += cpu_s([node.process.pid])
            assert used < 1.5, f"{used:.1f} s of processor in 3 s"
            stack.enter_context(hostile("dialled", node, node.bulk_port, 20, other.dir / "node.key", other.certificate))
            time.sleep(11)  # so that the sentinel's turn to be read comes
            assert node.process.poll() is None, node.log_text()[-2000:]
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (before, most))
        wait_until(lambda: node.ecbak("status", check=False).returncode == 0, 20, "it answers")
        log = node.log_text()
        assert "out of service" not in log and "not ours" not in log, log[-2000:]
        assert node.status()["state"] == "serving", node.status()
        cluster.wait_states(names(2))


def stored(cluster):
    """The name of a large fragment at the first node."""
    tree = cluster.dir / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(40 << 20))
    env = dict(os.environ, ECBAK_SOCKET=cluster.nodes[1].socket, ECBAK_HOME=str(cluster.dir / "home"), ECBAK_CACHE=str(cluster.dir / "cache"))
    run("ecbak", "init", "--quiet", env=env)
    run("ecbak", "store", tree, env=env)
    largest = max(pathlib.Path(cluster.nodes[0].settings["data_dir"]).glob("fragments/*/*.*"), key=lambda path: path.stat().st_size)
    assert largest.stat().st_size > 6 << 20, largest.stat()
    return largest.name


def answers_that_a_member_asks_for_and_does_not_read_cost_little():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        node, _, other = cluster.nodes
        fragment = stored(cluster)
        other.stop()
        rest = node.memory_kb()
        with hostile("fetch", node, node.bulk_port, 240, fragment, other.dir / "node.key", other.certificate) as member:
            assert member.stdout.readline() == "done\n"
            assert_little(node, rest, 6)


def what_a_member_asks_too_often_holds_up_its_own_requests_and_no_store():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        node, storing, other = cluster.nodes
        other.stop()
        cluster.wait_states({**names(3), "node-3": "away"}, by=[node, storing])
        env = dict(os.environ, ECBAK_SOCKET=storing.socket, ECBAK_HOME=str(cluster.dir / "home"), ECBAK_CACHE=str(cluster.dir / "cache"))
        run("ecbak", "init", "--quiet", env=env)

        def store(name):
            (cluster.dir / name).write_bytes(os.urandom(1 << 20))
            start = time.monotonic()
            done = run("ecbak", "store", "--code", "1+1", "--json", cluster.dir / name, env=env, check=False)
            assert done.returncode in (0, 3), (done.stdout, done.stderr)
            return time.monotonic() - start

        alone = store("one")
        with hostile("locate", node, node.bulk_port, 12000, other.dir / "node.key", other.certificate) as member:
            assert member.stdout.readline() == "done\n"
            beside = store("another")
        # Ten times as long where everybody stands in one queue.
        assert beside < 4 * alone + 0.5, f"{beside:.1f} s, and {alone:.1f} s before"


if __name__ == "__main__":
    sys.exit(run_tests(
        a_message_of_many_frames_from_a_stranger_costs_little,
        a_message_of_many_frames_from_a_member_costs_little,
        handshakes_of_many_megabytes_cost_little,
        who_shows_no_certificate_is_sent_away_and_one_that_comes_then_is_served,
        few_descriptors_take_no_storage_out_of_service_and_spin_nothing,
        answers_that_a_member_asks_for_and_does_not_read_cost_little,
        what_a_member_asks_too_often_holds_up_its_own_requests_and_no_store,
    ))
