#!/usr/bin/env python3
"""Disks that lose power: what was acknowledged before is there afterwards, on all machines at once if it must be."""
import sys

from common import wait_until
from hosts.cluster import run_tests
from hosts.disk import Disk
from lab import DONE, INCOMPLETE


def all_lose_power(cluster, hosts):
    """Cables first, so that nobody hears what a disk without power makes a node say; then disks, then machines."""
    for host in hosts:
        cluster.net.unplug(host.number)
    for host in hosts:
        host.disk.lose_power()
    for host in hosts:
        host.lose_power()
        host.disk.power_back()


def five_hosts_with_disks_are_a_cluster(cluster):
    cluster.add(5, prepare=lambda host: Disk(cluster.cage, host, 512))
    cluster.operator.variables["ecbak_capacity"] = "400M"
    cluster.join(*cluster.hosts)
    cluster.init(cluster.hosts[0])


def what_is_not_synced_is_lost(cluster):
    """The test of the test: a power cut here takes what a real one would."""
    host = cluster.hosts[4]

    def lost():  # anybody on the machine may call sync meanwhile, so it may take more than one try
        host.run("sh", "-c", "cd /var/lib/ecbak && echo a > kept && sync && echo b > lost")
        all_lose_power(cluster, [host])
        cluster.boot(host)
        names = host.run("ls", "/var/lib/ecbak").stdout.split()
        assert "kept" in names, names
        host.run("rm", "-f", "/var/lib/ecbak/lost")
        return "lost" not in names
    wait_until(lost, 60, "a power cut takes what was not synced")


def what_was_acknowledged_survives_a_power_cut_of_all_disks(cluster):
    cluster.settle()
    writer = cluster.hosts[0]
    path = cluster.tree(writer, "work")
    stored = cluster.store(writer, path).expect(DONE).json
    all_lose_power(cluster, cluster.members)
    cluster.settle()
    cluster.open(cluster.hosts[2]).expect(DONE)
    cluster.recover_and_compare(cluster.hosts[2], writer, path, stored["snapshot"])
    again = cluster.store(writer, path).expect(DONE).json
    assert again["bytes_new"] < 100_000, f"it was there, yet {again['bytes_new']} bytes were sent again"


def a_power_cut_in_the_middle_of_a_store_harms_nothing_that_was_there(cluster):
    cluster.settle()
    writer, lost = cluster.hosts[0], cluster.hosts[1:2]
    path = cluster.tree(writer, "more", seed=2, megabytes=40)
    before = cluster.oldest(writer)
    running = writer.start("ecbak", "store", path, "--json")
    try:
        wait_until(lambda: cluster.ecbak(lost[0], "status", "--json").json["used_bytes"] > 5_000_000 or running.poll() is not None,
                   60, "the store is under way", pause=0.02)
        assert running.poll() is None, "the store was over too soon"
        all_lose_power(cluster, lost)
        out, err = running.communicate(timeout=240)
    finally:
        running.kill()
    assert running.returncode in (DONE, INCOMPLETE), (running.returncode, out, err)
    cluster.settle()
    cluster.recover_and_compare(cluster.hosts[2], writer, "/srv/work", before)
    stored = cluster.store(writer, path).expect(DONE).json
    cluster.recover_and_compare(cluster.hosts[2], writer, path, stored["snapshot"])


def a_power_cut_of_the_storing_host_takes_only_what_was_under_way(cluster):
    """At three moments: what was there is whole, the next store completes, and what it stored comes back elsewhere."""
    cluster.settle()
    writer, watched, reader = cluster.hosts[0], cluster.hosts[1], cluster.hosts[2]
    first = cluster.tree(writer, "before", seed=3)
    before = cluster.store(writer, first).expect(DONE).json["snapshot"]
    cluster.open(reader).expect(DONE)

    def used():
        return cluster.ecbak(watched, "status", "--json").json["used_bytes"]

    for megabytes in (1, 4, 8):  # of some 16 that the watched host gets
        path = cluster.tree(writer, f"cut-{megabytes}", seed=10 + megabytes, megabytes=40)
        known, start = cluster.snapshots(writer), used()
        running = writer.start("ecbak", "store", path, "--json")
        try:
            wait_until(lambda: used() > start + megabytes * 1_000_000 or running.poll() is not None, 60, "the store is under way", pause=0.02)
            assert running.poll() is None, "the store was over too soon"
            all_lose_power(cluster, [writer])
            running.communicate(timeout=30)
        finally:
            running.kill()
        cluster.settle()
        assert cluster.snapshots(writer) == known
        cluster.recover_and_compare(reader, writer, first, before)
        stored = cluster.store(writer, path).expect(DONE, INCOMPLETE).json
        cluster.recover_and_compare(reader, writer, path, stored["snapshot"])


TESTS = [
    five_hosts_with_disks_are_a_cluster,
    what_is_not_synced_is_lost,
    what_was_acknowledged_survives_a_power_cut_of_all_disks,
    a_power_cut_in_the_middle_of_a_store_harms_nothing_that_was_there,
    a_power_cut_of_the_storing_host_takes_only_what_was_under_way,
]


def main():
    return run_tests(0, TESTS)


if __name__ == "__main__":
    sys.exit(main())
