#!/usr/bin/env python3
"""Hosts of each release of Debian that is held, in one cluster: each gets the package that its release can install."""
import json
import sys

from hosts import debian
from hosts.cluster import JOIN, base_image, package, run_tests
from lab import DONE


def prepare():
    for release in debian.RELEASES:
        base_image(release)


def join(cluster, hosts, releases):
    """The playbook, with the packages of these releases before it as `make deb` leaves them."""
    built = [str(package(release=release)) for release in releases]
    cluster.operator.variables.pop("ecbak_deb", None)
    return cluster.play(JOIN, "-e", json.dumps({"ecbak_debs_built": built}), hosts=hosts)


def a_host_is_refused_a_package_of_a_newer_release(cluster):
    cluster.twelves = cluster.add(2, release="bookworm")
    cluster.thirteens = cluster.add(2, release="trixie")
    report = join(cluster, cluster.twelves, ["trixie"]).expect_broken(*(host.name for host in cluster.twelves))
    report.says("was built on Debian 13, whose libraries are newer", "make deb RELEASE=bookworm")
    assert not report.changed(), report.hosts


def hosts_of_both_releases_become_one_cluster(cluster):
    cluster.members = [*cluster.twelves, *cluster.thirteens]
    join(cluster, cluster.members, debian.RELEASES).expect_done()
    cluster.wait_alive()
    installed = {host.name: host.run("dpkg-query", "-W", "-f", "${Version}", "ecbak").stdout.rpartition("+")[2] for host in cluster.members}
    assert list(installed.values()) == ["deb12", "deb12", "deb13", "deb13"], installed
    report = join(cluster, cluster.members, debian.RELEASES).expect_done()
    assert not report.changed(), report.text[-3000:]


def what_one_release_stores_the_other_recovers(cluster):
    writer, reader = cluster.twelves[0], cluster.thirteens[0]
    cluster.init(writer)
    cluster.store(writer, cluster.tree(writer, "work")).expect(DONE)
    cluster.open(reader).expect(DONE)
    cluster.recover_and_compare(reader, writer, "/srv/work")


TESTS = [a_host_is_refused_a_package_of_a_newer_release, hosts_of_both_releases_become_one_cluster,
         what_one_release_stores_the_other_recovers]


if __name__ == "__main__":
    sys.exit(run_tests(0, TESTS, prepare))
