#!/usr/bin/env python3
"""Nodes that speak different versions of the protocol: what their people are told, and an upgrade that leads from one to the next.

The daemons are those of `make test`: protocol 2 as it is, 2 to 3 (the release in between) and 3 (the one after).
"""
import json
import os
import pathlib
import subprocess
import sys

from common import BUILD, HERE, run_tests, wait_until
from harness import Cluster, run

ANSIBLE = HERE.parent / "ansible"
OLD, BETWEEN, NEW = BUILD / "ecbakd", BUILD / "protocol-2-3/ecbakd", BUILD / "protocol-3-3/ecbakd"


def speaking(cluster, *programs):
    for node, program in zip(cluster.nodes, programs):
        node.program = program


def of_log(node, words):
    return [line for line in node.log_text().splitlines() if words in line]


def troubles(node):
    """Of all that it noted of its members, what nobody wants to see."""
    return [event for event in node.events() if event in ("suspect", "dead")]


def a_daemon_says_what_it_speaks():
    for program, words in ((OLD, "protocol 2"), (BETWEEN, "protocol 2 to 3"), (NEW, "protocol 3")):
        shown = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        assert shown.startswith("ecbakd ") and shown.endswith(f", {words}\n"), shown


def an_old_node_among_newer_ones_knows_that_it_is_too_old_and_they_know_it():
    with Cluster(3) as cluster:
        first, second, old = cluster.nodes
        speaking(cluster, NEW, NEW, OLD)
        cluster.start()
        cluster.wait_states({"node-1": "alive", "node-2": "alive", "node-3": "incompatible"}, by=[first, second])
        cluster.wait_states({"node-1": "incompatible", "node-2": "incompatible", "node-3": "alive"}, by=[old])
        upgrade_it = "node-3 speaks protocol 2, this node 3: upgrade it"
        upgrade_me = "node-1 speaks protocol 3, this node 2: upgrade this node"
        assert first.status()["incompatible"] == [upgrade_it], first.status()
        assert upgrade_me in old.status()["incompatible"], old.status()
        assert upgrade_it in first.ecbak("members").stdout and upgrade_me in old.ecbak("members").stdout
        assert upgrade_it in first.ecbak("status").stdout
        assert (first.status()["protocol_min"], first.members()["node-3"]["protocol_max"]) == (3, 2)
        shape = {node.name: (node.status()["data"], node.status()["parity"]) for node in cluster.nodes}
        assert shape == {"node-1": (1, 1), "node-2": (1, 1), "node-3": (0, 0)}, f"nobody stores at the other side: {shape}"
        assert first.status()["members_known"] == 3 and first.status()["members_alive"] == 2
        wait_until(lambda: first.counters()["refused_incompatible"] + second.counters()["refused_incompatible"] > 2, 30, "it goes on trying")
        for node in (first, second):
            assert len(of_log(node, "node node-3 (")) == 1, of_log(node, "node node-3 (")
        for name in ("node-1", "node-2"):
            assert len(of_log(old, f"node {name} (")) == 1, of_log(old, f"node {name} (")
        assert not troubles(first) and not troubles(old)
        old.stop()
        old.program = BETWEEN  # a version that they speak too
        old.start()
        cluster.wait_states({f"node-{i}": "alive" for i in (1, 2, 3)})
        assert first.status()["incompatible"] == []


def wait_for(node, names, seconds, company=""):
    """What the playbooks' wait.py says on that node's machine."""
    env = dict(os.environ, ECBAK_SOCKET=node.socket, PATH=f"{BUILD}:{os.environ['PATH']}", NAMES=names, WAIT_S=str(seconds), ADDRESSES="",
               COMPANY=company)
    done = subprocess.run([sys.executable, ANSIBLE / "roles/ecbak/files/wait.py"], env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["unseen"]


def the_playbooks_name_the_version_and_no_packet_filter():
    with Cluster(3) as cluster:
        first, second, old = cluster.nodes
        speaking(cluster, NEW, NEW, OLD)
        cluster.start()
        cluster.wait_states({"node-1": "alive", "node-2": "alive", "node-3": "incompatible"}, by=[first, second])
        cluster.wait_states({"node-1": "incompatible", "node-2": "incompatible", "node-3": "alive"}, by=[old])
        what_to_do = "(upgrade.yml, or site.yml with another ecbak_deb)"
        assert wait_for(first, "node-1 node-2", 20) == []
        told = wait_for(first, "node-1 node-3", 1)
        assert told == [f"node-3: it speaks protocol 2, this node 3: upgrade it {what_to_do}"], told
        assert wait_for(old, "node-1 node-3", 1) == [f"node-1: it speaks protocol 3, this node 2: upgrade this node {what_to_do}"]
        alone = wait_for(old, "node-3", 1, company="192.0.2.1:7411")
        assert f"anybody: node-1 speaks protocol 3, this node 2: upgrade this node {what_to_do}" in alone, alone


def an_upgrade_leads_from_one_version_to_the_next_through_the_one_in_between():
    alive = {f"node-{i}": "alive" for i in (1, 2, 3, 4)}
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(alive)
        tree = cluster.dir / "tree"
        tree.mkdir()
        (tree / "file").write_bytes(os.urandom(700_000))
        ecbak(cluster.nodes[3], "init", "--quiet")
        ecbak(cluster.nodes[3], "store", tree)
        for program in (BETWEEN, NEW):
            for node in cluster.nodes:
                node.stop()
                node.program = program
                node.start()
                cluster.wait_states(alive)
        for node in cluster.nodes:
            assert not troubles(node) and (node.status()["protocol_min"], node.status()["protocol_max"]) == (3, 3)
        back = cluster.dir / "back"
        ecbak(cluster.nodes[3], "recover", "latest", "--to", back)
        assert pathlib.Path(f"{back}{tree}/file").read_bytes() == (tree / "file").read_bytes()


def who_speaks_with_both_sides_holds_them_together_and_nobody_is_taken_for_dead():
    with Cluster(4) as cluster:
        old, between, other, new = cluster.nodes
        speaking(cluster, OLD, BETWEEN, BETWEEN, NEW)
        cluster.start()
        all_alive = {f"node-{i}": "alive" for i in (1, 2, 3, 4)}
        cluster.wait_states(all_alive, by=[between, other])
        cluster.wait_states({**all_alive, "node-4": "incompatible"}, by=[old])
        cluster.wait_states({**all_alive, "node-1": "incompatible"}, by=[new])
        assert not any(troubles(node) for node in cluster.nodes), [node.events() for node in cluster.nodes]
        new.kill()  # and a death is still one, for those who spoke with it
        cluster.wait_states({**all_alive, "node-4": "dead"}, 30, by=[between, other])
        assert old.states()["node-4"] == "incompatible", "as long as it was heard of lately"
        assert "dead" not in old.events()


def ecbak(node, *arguments):
    """A command with a vault of this test's own."""
    return run("ecbak", *arguments, env=dict(os.environ, ECBAK_SOCKET=node.socket, ECBAK_HOME=str(node.cluster.dir / "home"),
                                             ECBAK_CACHE=str(node.cluster.dir / "cache")))


if __name__ == "__main__":
    sys.exit(run_tests(
        a_daemon_says_what_it_speaks,
        an_old_node_among_newer_ones_knows_that_it_is_too_old_and_they_know_it,
        the_playbooks_name_the_version_and_no_packet_filter,
        an_upgrade_leads_from_one_version_to_the_next_through_the_one_in_between,
        who_speaks_with_both_sides_holds_them_together_and_nobody_is_taken_for_dead,
    ))
