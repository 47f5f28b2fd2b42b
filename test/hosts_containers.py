#!/usr/bin/env python3
"""Peers in containers on one host, by the playbook that makes them: a cluster, as on machines.

The host reaches one thing beyond the other hosts: a repository of packages on the operator's machine. From there it has
what runs containers, and the root of the peers; and the peers, which only the host's address leads out, what ecbak needs.
"""
import json
import pathlib
import shutil
import sys

import yaml  # part of ansible-core

from common import wait_until
from hosts import debian, repository
from hosts.cluster import HOSTS, JOIN, base_image, needed_packages, package, run_tests
from hosts.network import OPERATOR, address
from hosts.playbook import ANSIBLE
from hosts.shell import run
from lab import DONE, Result

PROVISION = "provision-containers.yml"
PEERS = 3
DISK = "/srv/disk"
FOLDER = f"{DISK}/peers"
TOOLS = ["systemd-container", "mmdebstrap", "iproute2", "nftables", "openssh-client"]  # that the playbook installs


def packages():
    in_peers = yaml.safe_load((ANSIBLE / PROVISION).read_text())[0]["vars"]["peers_packages"].split(",")
    return repository.files(HOSTS, debian.wanted(), sorted({*TOOLS, *in_peers, *needed_packages()}))


def prepare():
    base_image()
    packages()


def peer(cluster, number, *command):
    """Runs a command in that peer, through its host, as the inventory leads there."""
    return run("ssh", "-J", f"root@{cluster.hosts[0].address}", f"root@10.78.0.{number}", *command, check=False)


def give(cluster):
    """A host with a disk and a repository, and what the operator needs to reach peers through it."""
    home = cluster.operator.move_in()
    shutil.copy(cluster.operator.ssh_key, home / "id_ed25519")
    (home / "config").write_text("StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n")

    def prepare_host(host):
        host.binds[DISK] = pathlib.Path(cluster.cage.folder) / "disk"  # an overlay does not take another as its upper layer
        host.binds[DISK].mkdir()
        shutil.rmtree(host.path("/etc/apt/sources.list.d"))
        host.path("/etc/apt/sources.list").write_text(cluster.repository + "\n")
    cluster.repository = repository.serve(packages(), address(OPERATOR))
    cluster.add(1, prepare=prepare_host)


def provision(cluster, *options, peers=PEERS):
    host = cluster.hosts[0]
    variables = {"host": host.name, "peers": peers, "peers_dir": FOLDER, "peers_mirrors": [cluster.repository],
                 "peers_inventory": f"{cluster.operator.folder}/peers.yml", "ssh_public_key_file": f"{cluster.operator.ssh_key}.pub"}
    return cluster.play(PROVISION, "-e", json.dumps(variables), *options, hosts=[host])


def wait_answers(cluster):
    for number in range(1, PEERS + 1):
        wait_until(lambda number=number: peer(cluster, number, "hostname").stdout == f"peer-{number}\n", 60, f"peer {number} answers", pause=0.5)


def the_playbook_makes_peers_that_answer(cluster):
    give(cluster)
    provision(cluster).expect_done()
    wait_answers(cluster)


def they_become_a_cluster(cluster):
    """Also the one that has no Python: the playbook brings it."""
    bare = peer(cluster, PEERS, "apt-get autoremove --purge --yes python3 python3-minimal && ! command -v python3")
    assert bare.returncode == 0, bare.stderr
    cluster.operator.play(JOIN, cluster.operator.folder / "peers.yml", "-e", f"ecbak_deb={package()}",
                          "-e", f"ecbak_authority_dir={cluster.operator.folder}/authority").expect_done()
    shown = Result(peer(cluster, 1, "ecbak", "members", "--json")).expect(DONE).json["members"]
    assert {m["name"]: m["state"] for m in shown} == {f"peer-{n}": "alive" for n in range(1, PEERS + 1)}, shown
    assert {m["zone"] for m in shown} == {cluster.hosts[0].name}, shown  # what fails together


def a_second_run_changes_nothing(cluster):
    report = provision(cluster).expect_done()
    assert not report.changed(), report.text[-3000:]


def they_come_back_side_by_side_when_their_host_starts_again(cluster):
    host = cluster.hosts[0]
    host.reboot()
    wait_until(lambda: host.boots == 2, 60, "the host starts again")
    host.wait_up()
    wait_answers(cluster)
    Result(peer(cluster, 1, "ecbak", "members", "--wait-for", f"{PEERS}=alive", "--timeout", "60s")).expect(DONE)


def fewer_of_them_are_refused(cluster):
    provision(cluster, peers=PEERS - 1).expect_broken(cluster.hosts[0].name).says(f"There are {PEERS} peers")


def they_end_with_all_that_they_kept(cluster):
    host = cluster.hosts[0]
    provision(cluster, "-e", "state=absent").expect_done()
    assert peer(cluster, 1, "true").returncode != 0
    left = host.run("sh", "-c", f"ls {DISK}; ip -o link show type bridge; ip netns list; nft list ruleset; ls -R /etc/systemd/system | grep peer || true").stdout
    assert left == "", left
    report = provision(cluster, "-e", "state=absent").expect_done()
    assert not report.changed(), report.text[-3000:]


TESTS = [
    the_playbook_makes_peers_that_answer,
    they_become_a_cluster,
    a_second_run_changes_nothing,
    they_come_back_side_by_side_when_their_host_starts_again,
    fewer_of_them_are_refused,
    they_end_with_all_that_they_kept,
]


def main():
    return run_tests(0, TESTS, prepare)


if __name__ == "__main__":
    sys.exit(main())
