#!/usr/bin/env python3
"""Networks that break, machines that stop for a while, disks that are full: nothing stored is lost, and it heals by itself."""
import sys
import time

from hosts.cluster import run_tests
from hosts.disk import STATE_FOLDER, SmallDisk
from lab import DONE, INCOMPLETE, TOO_FEW

WATCHED_S = 15  # longer than the members need to declare somebody dead


def six_hosts_are_a_cluster(cluster):
    cluster.add(1, prepare=lambda host: SmallDisk(cluster.cage, host, 96))
    cluster.operator.host_variables[cluster.hosts[5].name] = {"ecbak_capacity": "64M"}
    cluster.join(*cluster.hosts)
    cluster.init(cluster.hosts[0])
    cluster.store(cluster.hosts[0], cluster.tree(cluster.hosts[0], "work")).expect(DONE)
    cluster.open(cluster.hosts[5]).expect(DONE)


def split_and_heal(cluster, small, large):
    """Both sides of a partition go on and store; afterwards there is one cluster with what both stored."""
    cluster.settle()
    cluster.net.partition([host.number for host in small], [host.number for host in large])
    for here, there in ((small, large), (large, small)):
        cluster.wait_seen("dead", *there, by=here)
    writers = small[0], large[-1]
    before = len(cluster.snapshots(writers[0]))
    published = 0
    for number, writer in enumerate(writers):
        path = cluster.tree(writer, f"split-{len(small)}", seed=10 * len(small) + number)
        published += cluster.store(writer, path).expect(DONE, INCOMPLETE, TOO_FEW).code != TOO_FEW
    cluster.net.heal()
    cluster.wait_alive()
    assert len(cluster.snapshots(writers[0])) >= before + published
    for writer, reader in (writers, writers[::-1]):
        path = f"/srv/split-{len(small)}"
        stored = cluster.store(writer, path).expect(DONE).json
        cluster.recover_and_compare(reader, writer, path, stored["snapshot"])


def a_partition_into_halves_heals(cluster):
    split_and_heal(cluster, cluster.hosts[:3], cluster.hosts[3:6])


def a_partition_into_two_and_four_heals(cluster):
    split_and_heal(cluster, cluster.hosts[:2], cluster.hosts[2:6])


def watch_nobody_die(cluster, seconds):
    """That something does not happen can only be watched for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for host in cluster.members:
            wrong = {name: state for name, state in cluster.states(host).items() if state not in ("alive", "suspect")}
            assert not wrong, f"{host.name} sees {wrong}"
        time.sleep(0.2)


def a_line_that_is_dead_one_way_makes_nobody_dead(cluster):
    cluster.settle()
    one, other, reader = cluster.hosts[0], cluster.hosts[1], cluster.hosts[5]
    cluster.net.cut_one_way(one.number, other.number)
    watch_nobody_die(cluster, WATCHED_S)
    path = cluster.tree(one, "one-way", seed=30)
    stored = cluster.store(one, path).expect(DONE, INCOMPLETE).json
    cluster.recover_and_compare(reader, one, path, stored["snapshot"])


def with_three_frames_of_ten_lost_a_store_ends_and_comes_back(cluster):
    cluster.settle()
    writer, reader = cluster.hosts[0], cluster.hosts[5]
    cluster.net.loss(30)
    path = cluster.tree(writer, "loss", seed=40, files=10, megabytes=2)
    cluster.store(writer, path).expect(DONE, INCOMPLETE, TOO_FEW)  # as the luck of the frames is; it says which
    cluster.settle()
    stored = cluster.store(writer, path).expect(DONE).json
    cluster.recover_and_compare(reader, writer, path, stored["snapshot"])


def a_tenth_of_a_second_of_delay_changes_nothing_but_the_time(cluster):
    cluster.settle()
    writer, reader = cluster.hosts[0], cluster.hosts[5]
    cluster.net.lengthen(delay_ms=50, jitter_ms=20)  # two cables between two hosts
    watch_nobody_die(cluster, WATCHED_S)
    path = cluster.tree(writer, "delay", seed=50)
    stored = cluster.store(writer, path).expect(DONE).json
    cluster.recover_and_compare(reader, writer, path, stored["snapshot"])


def a_frozen_host_is_dead_and_alive_again_when_it_thaws(cluster):
    cluster.settle()
    frozen = cluster.hosts[3]
    others = [host for host in cluster.members if host is not frozen]
    frozen.freeze()
    try:
        cluster.wait_seen("dead", frozen, by=others)
        path = cluster.tree(cluster.hosts[0], "frozen", seed=60)
        cluster.store(cluster.hosts[0], path).expect(DONE, INCOMPLETE)
    finally:
        frozen.thaw()
    cluster.wait_alive()
    stored = cluster.store(cluster.hosts[0], path).expect(DONE).json
    cluster.recover_and_compare(cluster.hosts[5], cluster.hosts[0], path, stored["snapshot"])


def a_slow_host_is_still_a_member(cluster):
    cluster.settle()
    slow = cluster.hosts[2]
    slow.slow_down(10)
    try:
        watch_nobody_die(cluster, WATCHED_S)
        path = cluster.tree(cluster.hosts[0], "slow", seed=70)
        cluster.store(cluster.hosts[0], path).expect(DONE, INCOMPLETE)
    finally:
        slow.slow_down(None)


def a_full_disk_takes_nothing_more_and_loses_nothing(cluster):
    cluster.settle()
    full, writer = cluster.hosts[5], cluster.hosts[0]
    full.run("dd", "if=/dev/zero", f"of={STATE_FOLDER}/junk", "bs=1M", check=False)
    path = cluster.tree(writer, "full", seed=80)
    cluster.store(writer, path).expect(DONE, INCOMPLETE)  # five rows, and five hosts that are not full
    watch_nobody_die(cluster, 3)
    assert int(full.run("df", "--output=avail", STATE_FOLDER).stdout.split()[-1]) < 1024, "it was not full"
    cluster.recover_and_compare(full, writer, "/srv/work", cluster.oldest(writer))
    full.run("rm", f"{STATE_FOLDER}/junk")
    stored = cluster.store(writer, path).expect(DONE).json
    cluster.recover_and_compare(full, writer, path, stored["snapshot"])


TESTS = [
    six_hosts_are_a_cluster,
    a_partition_into_halves_heals,
    a_partition_into_two_and_four_heals,
    a_line_that_is_dead_one_way_makes_nobody_dead,
    with_three_frames_of_ten_lost_a_store_ends_and_comes_back,
    a_tenth_of_a_second_of_delay_changes_nothing_but_the_time,
    a_frozen_host_is_dead_and_alive_again_when_it_thaws,
    a_slow_host_is_still_a_member,
    a_full_disk_takes_nothing_more_and_loses_nothing,
]


def main():
    return run_tests(5, TESTS)


if __name__ == "__main__":
    sys.exit(main())
