#!/usr/bin/env python3
"""Peers in containers on one host, by the playbook that makes them: a cluster, as on machines.

The host of the peers reaches no packages, so it is given the program that runs containers and the root that they start
from, which the playbook leaves alone when they are there.
"""
import pathlib
import shutil
import sys

from hosts.cluster import JOIN, package, run_tests
from hosts.shell import run, wait_until
from lab import DONE, Result

PROVISION = "provision-containers.yml"
PEERS = 3
DISK = "/srv/disk"
FOLDER = f"{DISK}/peers"
GIVEN = ["systemd-nspawn", "mmdebstrap"]  # the latter is looked for, not run


def peer(cluster, number, *command):
    """Runs a command in that peer, through its host, as the inventory leads there."""
    return run("ssh", "-J", f"root@{cluster.hosts[0].address}", f"root@10.78.0.{number}", *command, check=False)


def give(cluster):
    """Lets the host run containers, and the operator reach them with the key that is usual."""
    home = pathlib.Path("/root/.ssh")
    home.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", home)  # in this cage only
    shutil.copy(cluster.operator.ssh_key, home / "id_ed25519")
    (home / "config").write_text("StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n")

    def prepare(host):
        host.binds.update({program: program for program in map(shutil.which, GIVEN)})
        disk = pathlib.Path(cluster.cage.folder) / "disk"  # an overlay does not take another as its upper layer
        (disk / "peers").mkdir(parents=True)
        run("cp", "--archive", cluster.image, disk / "peers/base")  # the playbook ends peers with their root
        host.binds[DISK] = disk
    cluster.add(1, prepare=prepare)


def provision(cluster, *options):
    host = cluster.hosts[0]
    return cluster.play(PROVISION, "-e", f"host={host.name}", "-e", f"peers={PEERS}", "-e", f"peers_dir={FOLDER}", "-e", f"ssh_public_key_file={cluster.operator.ssh_key}.pub",
                        "-e", f"peers_inventory={cluster.operator.folder}/peers.yml", *options, hosts=[host])


def the_playbook_makes_peers_that_answer(cluster):
    give(cluster)
    provision(cluster).expect_done()
    for number in range(1, PEERS + 1):
        wait_until(lambda number=number: peer(cluster, number, "hostname").stdout == f"peer-{number}\n", 60, f"peer {number} answers", pause=0.5)


def they_become_a_cluster(cluster):
    cluster.operator.play(JOIN, cluster.operator.folder / "peers.yml", "-e", f"ecbak_deb={package()}",
                          "-e", f"ecbak_authority_dir={cluster.operator.folder}/authority").expect_done()
    shown = Result(peer(cluster, 1, "ecbak", "members", "--json")).expect(DONE).json["members"]
    assert {m["name"]: m["state"] for m in shown} == {f"peer-{n}": "alive" for n in range(1, PEERS + 1)}, shown


def a_second_run_changes_nothing(cluster):
    report = provision(cluster).expect_done()
    assert not report.changed(), report.text[-3000:]


def they_end_with_all_that_they_kept(cluster):
    host = cluster.hosts[0]
    provision(cluster, "-e", "state=absent").expect_done()
    assert peer(cluster, 1, "true").returncode != 0
    left = host.run("sh", "-c", f"ls {DISK}; ip -o link show type bridge; ip netns list; ls /etc/systemd/system | grep peer || true").stdout
    assert left == "", left


TESTS = [
    the_playbook_makes_peers_that_answer,
    they_become_a_cluster,
    a_second_run_changes_nothing,
    they_end_with_all_that_they_kept,
]


def main():
    return run_tests(0, TESTS)


if __name__ == "__main__":
    sys.exit(main())
