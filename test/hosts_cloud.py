#!/usr/bin/env python3
"""Machines in Google Cloud, by the playbook that makes them: the modules are the real ones, Google is hosts/google.py."""
import pathlib
import sys

import yaml  # part of ansible-core

from common import wait_until
from hosts.cluster import ALIVE_S, run_tests
from hosts.google import Cloud
from hosts.network import address

PROVISION = "provision-gcp.yml"
ZONES = ["europe-west1-b", "europe-west1-c"]
COUNT = 3
NAMES = [f"ecbak-{number:02}" for number in range(1, COUNT + 1)]


def provision(cluster, *options, count=COUNT):
    variables = {"gcp_project": "p", "gcp_count": count, "gcp_zones": ZONES, "gcp_user": "root", "gcp_credentials_file": str(cluster.cloud.credentials),
                 "gcp_ssh_public_key_file": f"{cluster.operator.ssh_key}.pub", "gcp_inventory": str(cluster.inventory),
                 "ecbak_capacity": "1G"}  # the hosts have no disk of the size that was asked for
    file = cluster.operator.folder / "gcp-variables.yml"
    file.write_text(yaml.safe_dump(variables))
    cluster.cloud.asked.clear()
    return cluster.operator.play(PROVISION, [], "-e", f"@{file}", *options)


def the_playbook_makes_machines_that_become_a_cluster(cluster):
    cluster.operator.move_in()
    cluster.cloud = Cloud(pathlib.Path(cluster.cage.folder) / "cloud", [address(host.number) for host in cluster.hosts])
    cluster.inventory = cluster.operator.folder / "gcp.yml"
    provision(cluster).expect_done()
    cluster.wanted = [body for method, _, body in cluster.cloud.asked if method == "POST"]
    wait_until(lambda: cluster.states(cluster.hosts[0]) == dict.fromkeys(NAMES, "alive"), ALIVE_S, lambda: cluster.states(cluster.hosts[0]))
    zones = {name: cluster.member(cluster.hosts[0], name)["zone"] for name in NAMES}
    assert zones == {name: ZONES[number % len(ZONES)] for number, name in enumerate(NAMES)}, zones


def google_was_asked_for_what_the_variables_say(cluster):
    kept = {link.removeprefix("projects/p/"): thing for link, thing in cluster.cloud.kept.items()}
    made = [f"zones/{ZONES[number % len(ZONES)]}/instances/{name}" for number, name in enumerate(NAMES)]
    assert sorted(kept) == sorted(["global/firewalls/ecbak-members", *made]), sorted(kept)
    rule = kept["global/firewalls/ecbak-members"]
    assert rule["sourceTags"] == rule["targetTags"] == ["ecbak"] and rule["allowed"] == [{"IPProtocol": "tcp", "ports": ["7411", "7412"]}], rule
    wanted = [body for body in cluster.wanted if "disks" in body]
    assert len(wanted) == COUNT
    for body in wanted:
        assert body["tags"]["items"] == ["ecbak"] and body["machineType"].endswith("/machineTypes/e2-small"), body
        assert body["disks"] == [{"autoDelete": True, "boot": True, "initializeParams": {
            "diskSizeGb": 60, "sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}], body
        key = body["metadata"]["items"][0]
        assert key["key"] == "ssh-keys" and key["value"].startswith("root:ssh-ed25519 "), key


def a_second_run_changes_nothing(cluster):
    report = provision(cluster).expect_done()
    assert not report.changed(), report.text[-3000:]
    assert {method for method, _, _ in cluster.cloud.asked} == {"GET"}, cluster.cloud.asked


def the_inventory_is_one_for_the_other_playbooks(cluster):
    report = cluster.operator.play("status.yml", cluster.inventory, "-e", f"ansible_ssh_private_key_file={cluster.operator.ssh_key}").expect_done()
    assert set(report.hosts) == set(NAMES), report.hosts


def fewer_machines_than_there_are_are_refused(cluster):
    provision(cluster, count=COUNT - 1).expect_broken("localhost").says("already")
    assert not cluster.cloud.asked


def they_end_with_their_rule_and_their_inventory(cluster):
    report = provision(cluster, "-e", "gcp_state=absent").expect_done()
    assert report.changed() and not cluster.cloud.kept and not cluster.inventory.exists(), cluster.cloud.kept
    assert not provision(cluster, "-e", "gcp_state=absent").expect_done().changed()


TESTS = [
    the_playbook_makes_machines_that_become_a_cluster,
    google_was_asked_for_what_the_variables_say,
    a_second_run_changes_nothing,
    the_inventory_is_one_for_the_other_playbooks,
    fewer_machines_than_there_are_are_refused,
    they_end_with_their_rule_and_their_inventory,
]


def main():
    return run_tests(COUNT, TESTS)


if __name__ == "__main__":
    sys.exit(main())
