#!/usr/bin/env python3
"""Inventories and hosts that are wrong: each wrong host stops with a sentence that says what to do, the others become a cluster."""
import shutil
import sys

from common import wait_until
from hosts.cluster import JOIN, incompatible_package, run_tests
from hosts.disk import SmallDisk
from lab import DONE

# A host whose clock is an hour ahead for all that Ansible runs on it: nobody can set the clock of only one host here.
LATE_PYTHON = """#!/bin/sh
exec faketime -f +1h /usr/bin/python3 "$@"
"""


def each_wrong_host_stops_with_a_sentence_and_the_others_join(cluster):
    first, second, clock, twin, other_twin, off, wrong = cluster.hosts
    full = cluster.add(1, prepare=lambda host: SmallDisk(cluster.cage, host, 8))[0]
    clock.path("/usr/local/bin/late-python").write_text(LATE_PYTHON)
    clock.run("chmod", "755", "/usr/local/bin/late-python")
    off.shut_down()
    cluster.operator.host_variables = {
        clock.name: {"ansible_python_interpreter": "/usr/local/bin/late-python"},
        twin.name: {"ecbak_name": "twin"},
        other_twin.name: {"ecbak_name": "twin"},
        wrong.name: {"ecbak_capacity": "plenty"},
        full.name: {},
    }
    report = cluster.play(JOIN, hosts=cluster.hosts)
    report.expect_broken(*(host.name for host in (clock, twin, other_twin, off, wrong, full)))
    report.says("ahead of", "Set it", "given to", "ecbak_name of its own", "ecbak_capacity 'plenty'", "Lower ecbak_capacity")
    cluster.members = [first, second]
    cluster.wait_alive()
    cluster.init(first)
    cluster.store(first, cluster.tree(first, "work", files=5, megabytes=0)).expect(DONE)


def when_it_is_put_right_the_next_run_takes_them_too(cluster):
    off, full = cluster.hosts[5], cluster.hosts[7]
    cluster.boot(off)
    full.disk.resize(2048)
    cluster.operator.host_variables = {}
    cluster.members = []
    cluster.join(*cluster.hosts)


def a_host_with_the_data_of_another_node_stops_with_a_sentence_and_the_others_are_fine(cluster):
    """A blank host with a folder that came from elsewhere; and a member in whose folder another's disk lies."""
    first, swapped = cluster.members[0], cluster.members[2]
    blank = cluster.add(1)[0]
    data = "/var/lib/ecbak/data"
    for host in (blank, swapped):
        host.run("systemctl", "stop", "ecbakd", check=False)
        host.run("sh", "-c", f"[ ! -e {data} ] || mv {data} {data}-own; mkdir -p {data}")
        shutil.copy(first.path(data) / "sentinel", host.path(data))
        if host is swapped:
            host.run("chown", "-R", "ecbak:ecbak", data)
    report = cluster.play(JOIN, hosts=[*cluster.members, blank]).expect_broken(blank.name, swapped.name)
    report.says("the data is another node's, or the key is lost", "ecbakd did not start. It says:", "data directory is that of",
                "Put the data directory of this node back in its place")
    cluster.wait_alive([host for host in cluster.members if host is not swapped])
    swapped.run("sh", "-c", f"rm -r {data} && mv {data}-own {data}")
    blank.run("rm", "-r", data)
    cluster.join(blank)


def a_host_that_was_off_while_the_others_were_upgraded_stops_with_a_sentence_and_is_brought_back(cluster):
    """Their new version speaks nothing that its old one does."""
    *others, old = cluster.members
    old.shut_down()
    cluster.members = others
    cluster.operator.variables["ecbak_deb"] = incompatible_package()
    cluster.play(JOIN).expect_done()
    cluster.wait_alive()
    cluster.boot(old)
    cluster.wait_seen("incompatible", old, by=others)
    wait_until(lambda: "upgrade this node" in cluster.ecbak(old, "status").out, 60, "the old node knows that it is too old")
    assert f"{old.name} speaks protocol 2, this node 3: upgrade it" in cluster.ecbak(others[0], "members").out

    cluster.operator.host_variables = {old.name: {"ecbak_deb": "''"}}
    report = cluster.play(JOIN, hosts=[*others, old]).expect_broken(old.name)
    report.says("This host has ecbak", "which speaks protocol 2 only, but", "speak 3; they are no members to each other",
                "set ecbak_deb to a package of their version for it")
    assert not report.changed(), report.changed()
    cluster.wait_alive()

    cluster.operator.host_variables = {}
    cluster.join(old)


TESTS = [
    each_wrong_host_stops_with_a_sentence_and_the_others_join,
    when_it_is_put_right_the_next_run_takes_them_too,
    a_host_with_the_data_of_another_node_stops_with_a_sentence_and_the_others_are_fine,
    a_host_that_was_off_while_the_others_were_upgraded_stops_with_a_sentence_and_is_brought_back,
]


def main():
    return run_tests(7, TESTS)


if __name__ == "__main__":
    sys.exit(main())
