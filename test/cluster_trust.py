#!/usr/bin/env python3
"""Who may be in the cluster: real processes, an operator's authority, and members that must not come back."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys

from common import BUILD, run_tests, wait_until
from harness import Cluster, names, run


def revoke(cluster, *arguments):
    return run("ecbak", "authority", "revoke", "--dir", cluster.authority, *arguments).stdout.strip()


def vault(node, *arguments, check=True):
    """An ecbak command with a home of this test's own."""
    env = dict(os.environ, ECBAK_SOCKET=node.socket, ECBAK_HOME=str(node.cluster.dir / "home"),
               ECBAK_CACHE=str(node.cluster.dir / "cache"))
    return run("ecbak", *arguments, check=check, env=env)


def fragments(node):
    return sum(1 for path in (node.dir / "data" / "fragments").rglob("*") if path.is_file())


def tree_in(cluster):
    tree = cluster.dir / "tree"
    tree.mkdir()
    for i in range(3):
        (tree / f"file-{i}").write_bytes(os.urandom(700_000))
    return tree


def same(tree, other):
    return all(pathlib.Path(f"{other}{path}").read_bytes() == path.read_bytes() for path in tree.iterdir())


def a_revoked_node_is_shut_out_by_all_and_stays_so_after_restarts():
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(names(4))
        others, victim = cluster.nodes[:3], cluster.nodes[3]
        line = revoke(cluster, "--reason", "sold", "node-4")
        assert line.startswith("ecbak-revocation-1:"), line
        assert revoke(cluster, str(victim.certificate)) == line, "one revocation a node"
        others[0].ecbak("revoke", line)
        took = cluster.wait_states(names(3, node_4="revoked"), 10, others)
        assert took < 10, took
        wait_until(lambda: "was revoked: sold" in victim.log_text(), 15, "the node is told why")
        victim.stop()
        victim.start()
        wait_until(lambda: others[1].counters()["refused_revoked"] > 0, 15, "it knocks")
        cluster.wait_states(names(3, node_4="revoked"), 10, others)
        for node in others:
            node.stop()
            node.start()
        cluster.wait_states(names(3, node_4="revoked"), 20, others)
        # Not in as a seed either: a fresh start that only knows the revoked node is not let in through it.
        assert others[0].ecbak("members", "--wait-for", "node-4=revoked", "--timeout", "5s").returncode == 0


def a_node_that_was_away_learns_it_when_it_is_back():
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(names(4))
        away, victim = cluster.nodes[2], cluster.nodes[3]
        away.kill()
        cluster.nodes[1].ecbak("revoke", revoke(cluster, "node-4"))
        wait_until(lambda: cluster.nodes[0].states()["node-4"] == "revoked", 10, "node-1 knows")
        away.write_config([victim])  # it comes back through the one that is out
        away.start()
        wait_until(lambda: away.states().get("node-4") == "revoked", 20, "node-3 knows")
        cluster.wait_states(names(3, node_4="revoked"), 20, cluster.nodes[:3])


def two_revocations_on_two_sides_unite():
    with Cluster(5) as cluster:
        cluster.start()
        cluster.wait_states(names(5))
        for node in cluster.nodes[2:3]:
            node.end(signal.SIGKILL)
        cluster.nodes[0].ecbak("revoke", revoke(cluster, "node-4"))
        cluster.nodes[1].ecbak("revoke", revoke(cluster, "node-5"))
        cluster.nodes[2].start()
        cluster.wait_states(names(3, node_4="revoked", node_5="revoked"), 20, cluster.nodes[:3])


def the_authority_admits_it_under_no_other_name_and_keeps_names_apart():
    with Cluster(2) as cluster:
        first, second = cluster.nodes
        revoke(cluster, str(second.certificate))

        def sign(request, *options):
            return run("ecbak", "authority", "sign", "--dir", cluster.authority, *options, request, check=False)

        refused = sign(second.request, "--name", "somebody-else")
        assert refused.returncode == 1 and "revoked" in refused.stderr, refused
        taken = sign(second.request, "--name", "node-1")
        assert taken.returncode == 1, taken
        # Another machine of a name that is taken: only when it is said.
        other = cluster.dir / "other.conf"
        other.write_text(first.config.read_text().replace(str(first.dir), str(cluster.dir / "other")))
        (cluster.dir / "other").mkdir()
        request = run("ecbakd", "--config", other, "--init").stdout.strip()
        refused = sign(request)
        assert refused.returncode == 1 and "--replace" in refused.stderr, refused
        replaced = sign(request, "--replace")
        assert replaced.returncode == 0 and "keeps it" in replaced.stderr, replaced
        # The name of a revoked node is free.
        assert sign(request, "--name", "node-2").returncode == 0
        issued = (cluster.authority / "issued").read_text().splitlines()
        assert len(issued) == 4 and all(line.startswith("ecbak-certificate-1:") for line in issued), issued
        unknown = run("ecbak", "authority", "revoke", "--dir", cluster.authority, "nobody", check=False)
        assert unknown.returncode == 1 and "nobody" in unknown.stderr, unknown
        several = run("ecbak", "authority", "revoke", "--dir", cluster.authority, "node-1", check=False)
        assert several.returncode == 2 and "by its id" in several.stderr, several


def the_authoritys_lists_bear_a_crash_and_no_meddling():
    with Cluster(1) as cluster:
        issued = cluster.authority / "issued"
        whole = issued.read_text()
        issued.write_text(whole + whole[:100])  # cut in the middle of a line
        cluster.nodes[0].sign()
        assert issued.read_text().startswith(whole) and issued.read_text().count("\n") == 2
        issued.write_text(issued.read_text() + "something else\n")
        refused = run("ecbak", "authority", "sign", "--dir", cluster.authority, cluster.nodes[0].request, check=False)
        assert refused.returncode == 5 and "issued: line 3" in refused.stderr, refused


def one_certificate_alone_is_revoked_and_the_node_goes_on_with_a_newer_one():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        node = cluster.nodes[2]
        old = cluster.dir / "old.cert"
        old.write_text(node.certificate.read_text())
        line = revoke(cluster, "--only", str(old))
        cluster.nodes[0].ecbak("revoke", line)
        cluster.wait_states(names(2, node_3="revoked"), 10, cluster.nodes[:2])
        node.stop()
        node.sign()
        node.start()
        cluster.wait_states(names(3), 20)


def forged_and_foreign_revocations_change_nothing():
    with Cluster(2) as cluster, Cluster(1) as other:
        cluster.start()
        cluster.wait_states(names(2))
        foreign = revoke(other, "node-1")
        refused = cluster.nodes[0].ecbak("revoke", foreign, check=False)
        assert refused.returncode == 1 and "another cluster" in refused.stderr, refused
        good = revoke(cluster, "node-2")
        at = len("ecbak-revocation-1:") + 60
        bad = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:]
        refused = cluster.nodes[0].ecbak("revoke", bad, check=False)
        assert refused.returncode in (1, 5), refused
        assert cluster.nodes[0].states() == names(2)


def nothing_is_written_into_another_nodes_data_directory():
    with Cluster(2) as cluster:
        cluster.start()
        cluster.wait_states(names(2))
        node, data = cluster.nodes[0], cluster.nodes[0].dir / "data"
        away = data.rename(node.dir / "away")
        shutil.copytree(cluster.nodes[1].dir / "data", data)  # another node's disk is mounted there
        line = revoke(cluster, "node-2")
        told = node.ecbak("revoke", line, check=False)
        assert told.returncode == 1 and "not on disk" in told.stderr, told
        node.ecbak("members", "--wait-for", "node-2=revoked", "--timeout", "10s")
        assert not (data / "revocations").exists() and not (away / "revocations").exists()
        shutil.rmtree(data)
        away.rename(data)
        wait_until((data / "revocations").exists, 20, "it is written when the right directory is back")
        # At its end a node writes the date down: not there either.
        data.rename(away)
        shutil.copytree(cluster.nodes[1].dir / "data", data)
        date = (data / "clock.state").read_bytes()
        node.stop()
        assert (data / "clock.state").read_bytes() == date


def a_data_directory_that_is_said_anew_is_not_begun_with_nothing():
    with Cluster(1) as cluster:
        node, new = cluster.nodes[0], cluster.dir / "elsewhere"
        old, node.settings["data_dir"] = node.settings["data_dir"], new
        node.write_config([])
        for action, word in (([], "data_dir was changed"), (["--init"], "nothing was changed"), ([], "data_dir was changed")):
            refused = run("ecbakd", "--config", node.config, *action, check=False)
            assert refused.returncode == 1 and word in refused.stderr, refused
            assert not new.exists(), action
        old.rename(new)
        node.start()


def what_a_revoked_node_holds_is_still_fetched_and_nothing_new_goes_to_it():
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(names(4))
        first, second, third, victim = cluster.nodes
        tree = tree_in(cluster)
        vault(first, "init", "--json")
        stored = json.loads(vault(first, "store", tree, "--json").stdout.splitlines()[-1])
        assert (stored["data"], stored["parity"]) == (2, 2), stored
        run("ecbak", "authority", "revoke", "--dir", cluster.authority, "--publish", "node-4",
            env=dict(os.environ, ECBAK_SOCKET=first.socket))
        cluster.wait_states(names(3, node_4="revoked"), 10, [first, second, third])
        held = fragments(victim)
        assert held > 0
        (tree / "new").write_bytes(os.urandom(300_000))
        vault(first, "store", tree, check=False)
        assert fragments(victim) == held, "nothing is stored on a revoked node"
        # Two of four fragments are needed, and one of the two that are left is the revoked node's.
        second.kill()
        third.kill()
        first.stop()
        first.start()  # knows it from the revocation alone now
        to = cluster.dir / "to"
        (tree / "new").unlink()
        vault(first, "recover", stored["snapshot"], "--to", to)
        assert same(tree, to)
        second.start()
        third.start()
        wait_until(lambda: first.states() == names(3, node_4="revoked"), 30, "the others are back")
        (tree / "newer").write_bytes(os.urandom(300_000))
        vault(first, "store", tree, check=False)
        assert fragments(victim) == held, "nothing is stored on a revoked node"
        # And it may store and ask nothing itself.
        refused = vault(victim, "store", tree, check=False)
        assert refused.returncode != 0, refused


def status(node):
    return json.loads(node.ecbak("status", "--json").stdout)


def a_node_learns_whether_the_others_can_reach_it():
    with Cluster(4) as cluster:
        hidden = cluster.nodes[3]
        hidden.settings.update(listen_address="127.0.0.2", advertise_address="127.0.0.1")  # it does not listen there
        hidden.write_config(cluster.nodes[:2])
        cluster.start()
        wait_until(lambda: status(cluster.nodes[0])["reachable"] is not None, 30, "node-1 was dialled")
        seen = status(cluster.nodes[0])
        assert seen["reachable"] is True and seen["reach"] == "yes", seen
        wait_until(lambda: status(hidden)["reachable"] is False, 30, "node-4 knows that it is hidden")
        seen = status(hidden)
        assert str(hidden.bulk_port) in seen["reach"] and "127.0.0.1" in seen["reach"], seen
        assert "others cannot reach this node" in hidden.log_text()
        shown = hidden.ecbak("status").stdout
        assert "not from" in shown, shown
        hidden.stop()
        hidden.settings["listen_address"] = "127.0.0.1"
        hidden.write_config(cluster.nodes[:2])
        hidden.start()
        wait_until(lambda: status(hidden)["reachable"] is True, 30, "node-4 is reached")
        hidden.stop()
        hidden.settings["advertise_address"] = "127.0.0.3"  # whose ports nobody is sent to look at
        hidden.write_config(cluster.nodes[:2])
        hidden.start()
        wait_until(lambda: "at 127.0.0.3:" in status(hidden)["reach"], 30, "node-4 is not dialled elsewhere")
        seen = status(hidden)
        assert seen["reachable"] is None and "ask from 127.0.0.1" in seen["reach"], seen
        assert "ask from 127.0.0.1" in hidden.ecbak("status").stdout


def the_zone_is_what_is_configured_or_found_out():
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        said = run("ecbakd", "--config", node.config, "--print-zone")
        assert said.stdout == "here\n" and said.stderr.startswith("here: "), said
        said = run("ecbakd", "--config", cluster.dir / "none.conf", "--print-zone")
        found = said.stdout.strip()
        assert said.stderr.startswith(f"{found}: ") and len(said.stderr.splitlines()) == 1, said.stderr
        node.settings["zone"] = "auto"
        node.write_config([])
        node.request = run("ecbakd", "--config", node.config, "--print-request").stdout.strip()
        node.sign()
        shown = run("ecbak", "authority", "show", "--json", node.certificate).stdout
        assert found and json.loads(shown)["zone"] == found, (found, shown)


def keys_are_rotated_without_anybody_noticing():
    with Cluster(3) as cluster:
        cluster.start()
        cluster.wait_states(names(3))
        node = cluster.nodes[2]
        before = cluster.nodes[0].members()["node-3"]
        old, old_curve, key = node.certificate.read_text(), node.curve, (node.dir / "node.key").read_bytes()
        waiting = node.dir / "node.key.next"

        def rotate():
            return run("ecbakd", "--config", node.config, "--rotate").stdout.strip()

        request = rotate()
        assert request != node.request and rotate() == request
        assert run("ecbakd", "--config", node.config, "--print-request").stdout.strip() == request
        assert waiting.stat().st_mode & 0o777 == 0o600
        # Not signed yet: the old key works on, also over a restart.
        node.stop()
        node.start()
        cluster.wait_states(names(3))
        assert (node.dir / "node.key").read_bytes() == key and waiting.exists()
        node.stop()
        node.request = request
        node.sign()
        assert node.curve != old_curve
        # A crash in the middle of the change leaves both files; the next start completes it.
        node.start()
        cluster.wait_states(names(3))
        assert not waiting.exists() and (node.dir / "node.key").read_bytes() != key
        after = cluster.nodes[0].members()["node-3"]
        assert after["id"] == before["id"] and after["incarnation"] > before["incarnation"]
        for other in cluster.nodes:
            assert "is used by another node" not in other.log_text(), other.log_text()
            assert "speaks elsewhere" not in other.log_text()
        # The others still fetch from it and it from them, on connections with the new key.
        tree = tree_in(cluster)
        vault(node, "init", "--json")
        stored = json.loads(vault(node, "store", tree, "--json").stdout.splitlines()[-1])
        assert stored["survives"] >= 1, stored
        # With the old certificate it does not start any more: that key is gone.
        node.stop()
        new = node.certificate.read_text()
        node.certificate.write_text(old)
        node.start(wait=False)
        assert node.process.wait(10) == 1
        node.process = None
        node.certificate.write_text(new)
        node.start()
        cluster.wait_states(names(3))


def a_certificate_that_ends_soon_is_told():
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.sign("--days", "12")
        node.start()
        wait_until(lambda: re.search("certificate ends in 1[12] days", node.log_text()), 10, "the log says it")
        assert "renew it" in node.ecbak("status").stdout
        node.stop()
        node.sign()
        node.start()
        assert "good until" in node.ecbak("status").stdout
        assert status(node)["certificate_until"] > "2020"


NOBODY = 65534


def as_nobody(act):
    """What act() returns, as text, done by a process of another user."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, act())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def say_who_one_is_not(path):
    """Asks a node that it leaves, by ZMTP without ZeroMQ, which would not let anybody say that he is root."""
    def properties(**named):
        return b"".join(bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value
                        for name, value in ((name.replace("_", "-"), value) for name, value in named.items()))

    def frame(flags, body):
        return bytes([flags, len(body)]) + body

    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(path)
        peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        peer.sendall(frame(4, b"\x05READY" + properties(Socket_Type=b"DEALER", Peer_Address=b"localhost:0:0:1")))
        peer.sendall(frame(0, b"\x08\x01\x4a\x00"))
        heard = b""
        while b"needs root" not in heard:
            more = peer.recv(4096)
            if not more:
                break
            heard += more
        return heard


def to_leave_or_to_revoke_takes_root_or_the_nodes_own_user():
    if os.geteuid() != 0:
        print("SKIPPED: it takes root to be somebody else")
        return
    with Cluster(2) as cluster:
        cluster.start()
        cluster.wait_states(names(2))
        node = cluster.nodes[0]
        for folder in (cluster.dir, node.dir):
            folder.chmod(0o755)
        path = node.socket.removeprefix("ipc://")
        os.chmod(path, 0o666)  # as if everybody were in the group
        line = revoke(cluster, "node-2")

        def nobody(*words):
            return subprocess.run([BUILD / "ecbak", *words], user=NOBODY, group=NOBODY, extra_groups=[], text=True, capture_output=True,
                                  env=dict(os.environ, ECBAK_SOCKET=node.socket, HOME="/nowhere"), check=False)

        assert nobody("members").returncode == nobody("status").returncode == 0
        for words in (("leave", "--yes"), ("revoke", line)):
            refused = nobody(*words)
            assert refused.returncode == 1 and f"needs root: sudo ecbak {words[0]}" in refused.stderr, refused
        heard = as_nobody(lambda: say_who_one_is_not(path))
        assert b"needs root: sudo ecbak leave" in heard, heard
        assert node.states() == names(2)
        node.ecbak("revoke", line)
        cluster.wait_states(names(1, node_2="revoked"), 10, [node])
        node.ecbak("leave", "--yes")


if __name__ == "__main__":
    sys.exit(run_tests(
        a_revoked_node_is_shut_out_by_all_and_stays_so_after_restarts,
        a_node_that_was_away_learns_it_when_it_is_back,
        two_revocations_on_two_sides_unite,
        the_authority_admits_it_under_no_other_name_and_keeps_names_apart,
        the_authoritys_lists_bear_a_crash_and_no_meddling,
        one_certificate_alone_is_revoked_and_the_node_goes_on_with_a_newer_one,
        forged_and_foreign_revocations_change_nothing,
        nothing_is_written_into_another_nodes_data_directory,
        a_data_directory_that_is_said_anew_is_not_begun_with_nothing,
        what_a_revoked_node_holds_is_still_fetched_and_nothing_new_goes_to_it,
        a_node_learns_whether_the_others_can_reach_it,
        the_zone_is_what_is_configured_or_found_out,
        keys_are_rotated_without_anybody_noticing,
        a_certificate_that_ends_soon_is_told,
        to_leave_or_to_revoke_takes_root_or_the_nodes_own_user,
    ))
