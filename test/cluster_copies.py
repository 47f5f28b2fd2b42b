#!/usr/bin/env python3
"""A machine that is copied with all that is on it, its key too; and one that only moved."""
import copy
import json
import shutil
import sys
import time

from common import SLOW, run_tests, wait_until
from harness import Cluster, free_ports, names


def moved_to(node, folder, ports):
    """The same node with its files in this folder and on these ports; it does not run."""
    other = copy.copy(node)
    other.dir, other.process = folder, None
    other.member_port, other.bulk_port = ports
    other.config, other.log, other.certificate = folder / "ecbakd.conf", folder / "log", folder / "node.cert"
    other.socket = f"ipc://{folder}/client.sock"
    other.settings = dict(node.settings, data_dir=folder / "data", key_file=folder / "node.key",
                          certificate_file=other.certificate, member_port=other.member_port,
                          bulk_port=other.bulk_port, client_endpoint=other.socket)
    other.write_config([seed for seed in node.cluster.nodes[:2] if seed.number != node.number])
    return other


def copied(node):
    """What a copy of its disk would be, made while it runs."""
    folder = node.cluster.dir / f"{node.name}-copy"
    shutil.copytree(node.dir, folder, ignore=shutil.ignore_patterns("*.sock", "log"))
    return moved_to(node, folder, free_ports(2))


def address_of(node):
    return f"127.0.0.1:{node.member_port}"


def status_of(node):
    return json.loads(node.ecbak("status", "--json", check=False).stdout)  # not 0 where nothing is stored


def suspected(nodes):
    return [status_of(node)["counters"]["members_suspected"] for node in nodes]


def of_two_machines_with_one_key_the_first_stays_the_member_and_everybody_is_told():
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(names(4))
        first, second = cluster.nodes[3], copied(cluster.nodes[3])
        both = f"{address_of(first)} and {address_of(second)}"
        everybody = [*cluster.nodes, second]
        cluster.nodes.append(second)  # so that it is ended
        second.start()
        for node in everybody:
            wait_until(lambda node=node: f"its key: {both}" in node.members()["node-4"]["trouble"], 20,
                       f"{node.log} says that node-4 was copied")
        before = suspected(everybody)
        until_s = time.monotonic() + 10  # not for something: the two would go on
        while time.monotonic() < until_s:
            for node in everybody[:3]:
                members = node.members()
                assert members["node-4"]["address"] == address_of(first), members["node-4"]
                assert {name: member["state"] for name, member in members.items()} == names(4), members
            time.sleep(0.2)
        assert suspected(everybody) == before, (before, suspected(everybody))
        for node in everybody:
            troubles = status_of(node)["troubles"]
            assert len(troubles) == 1 and f"the key of node-4: {both}; stop one" in troubles[0], troubles
            assert "ecbakd --init" in troubles[0], troubles
            assert status_of(node)["members_known"] == 4, status_of(node)
            assert node.log_text().count("two machines have the key of node-4") == 1, node.log_text()
            assert node.events().count("copied") == 1, node.events()
            assert both in node.ecbak("members").stdout
        assert "nothing is stored here" in status_of(second)["state"] and status_of(first)["state"] == "serving"
        first.kill()
        for node in cluster.nodes[:3]:
            wait_until(lambda node=node: (node.members()["node-4"]["address"], node.states()) ==
                       (address_of(second), names(4)), 30, f"{node.name} knows the copy as node-4")
        wait_until(lambda: status_of(second)["state"] == "serving", 10, "the copy serves")


def a_machine_that_failed_and_started_elsewhere_is_found_there_at_once():
    with Cluster(4) as cluster:
        cluster.start()
        cluster.wait_states(names(4))
        cluster.nodes[3].kill()
        cluster.nodes[3] = there = moved_to(cluster.nodes[3], cluster.nodes[3].dir, free_ports(2))
        there.start()
        started_s = time.monotonic()
        for node in cluster.nodes:
            wait_until(lambda node=node: (node.members()["node-4"]["address"], node.states()) ==
                       (address_of(there), names(4)), 20, f"{node.name} knows where node-4 is")
        assert time.monotonic() - started_s < 5 * SLOW, time.monotonic() - started_s
        for node in cluster.nodes:
            assert node.members()["node-4"]["trouble"] == "" and "copied" not in node.events(), node.events()


if __name__ == "__main__":
    sys.exit(run_tests(
        of_two_machines_with_one_key_the_first_stays_the_member_and_everybody_is_told,
        a_machine_that_failed_and_started_elsewhere_is_found_there_at_once,
    ))
