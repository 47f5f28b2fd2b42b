#!/usr/bin/env python3
"""From blank machines to a cluster with one playbook, and what a cluster is for: machines burn, everything comes back."""
import sys
import time

from common import wait_until
from hosts.cluster import JOIN, figure, run_tests
from lab import DONE


def six_fresh_hosts_become_a_cluster(cluster):
    start = time.monotonic()
    cluster.join(*cluster.hosts[:6])
    figure("six fresh hosts, from the start of the playbook until all see all alive", time.monotonic() - start, 60)


def a_second_run_changes_nothing(cluster):
    report = cluster.play(JOIN).expect_done()
    assert not report.changed(), f"{report.changed()}\n{report.text[-6000:]}"
    figure("second run of the playbook", report.seconds, 20)


def a_host_that_is_added_later_joins_and_the_others_stay_as_they_are(cluster):
    before = {host.name: host.run("systemctl", "show", "-P", "MainPID", "ecbakd").stdout for host in cluster.members}
    cluster.join(cluster.hosts[6])
    after = {host.name: host.run("systemctl", "show", "-P", "MainPID", "ecbakd").stdout for host in cluster.members[:6]}
    assert before == after, "a node was restarted for nothing"


def a_blank_host_recovers_with_the_phrase(cluster):
    cluster.settle()
    writer, blank = cluster.hosts[0], cluster.hosts[6]
    cluster.init(writer)
    cluster.store(writer, cluster.tree(writer, "work")).expect(DONE)
    cluster.open(blank).expect(DONE)
    cluster.recover_and_compare(blank, writer, "/srv/work")


def two_hosts_without_power_are_made_up_for(cluster):
    cluster.settle()
    lost = cluster.hosts[1], cluster.hosts[2]
    reader = cluster.hosts[5]
    for host in lost:
        host.lose_power()
    cluster.open(reader).expect(DONE)
    cluster.recover_and_compare(reader, cluster.hosts[0], "/srv/work")
    cluster.wait_seen("dead", *lost, by=cluster.running())


def all_hosts_reboot_at_once_and_find_each_other(cluster):
    cluster.settle()
    boots = {host.name: host.boots for host in cluster.members}
    for host in cluster.members:
        host.reboot()
    for host in cluster.members:
        wait_until(lambda host=host: host.boots > boots[host.name] and host.up(), 60, f"{host.name} is back")
    cluster.wait_alive()
    cluster.open(cluster.hosts[4]).expect(DONE)
    cluster.recover_and_compare(cluster.hosts[4], cluster.hosts[0], "/srv/work")


TESTS = [
    six_fresh_hosts_become_a_cluster,
    a_second_run_changes_nothing,
    a_host_that_is_added_later_joins_and_the_others_stay_as_they_are,
    a_blank_host_recovers_with_the_phrase,
    two_hosts_without_power_are_made_up_for,
    all_hosts_reboot_at_once_and_find_each_other,
]


def main():
    return run_tests(7, TESTS)


if __name__ == "__main__":
    sys.exit(main())
