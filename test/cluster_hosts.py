#!/usr/bin/env python3
"""The short form of the tests on real hosts, for every run of all tests: join, store, lose power, recover.

`make test-hosts` runs all of them. Where this machine or user cannot make hosts, that is said, and nothing of it tested.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import common
from common import BUILD
from hosts import cage, cgroups, leftovers
from hosts.cluster import run_tests
from hosts.playbook import Report
from hosts.shell import run
from lab import DONE

RECAP = """
PLAY RECAP *********************************************************************
h1                         : ok=16   changed=6    unreachable=0    failed=0    skipped=5    rescued=0    ignored=0
h2                         : ok=1    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
h3                         : ok=9    changed=1    unreachable=0    failed=1    skipped=4    rescued=1    ignored=0
"""


def a_playbooks_report_tells_the_broken_hosts():
    report = Report(2, RECAP, 1.0)
    assert report.broken() == {"h2", "h3"} and report.changed() == {"h1": 6, "h3": 1}, report.hosts
    report.expect_broken("h2", "h3").says("RECAP")


def what_a_run_leaves_behind_is_found():
    """Each kind that can be left is, and each is named."""
    class Planted(cage.Cage):
        def __init__(self, folder):
            super().__init__("planted")
            self.folder = folder

    with tempfile.TemporaryDirectory(prefix="ecbak-test-") as folder:
        planted, settings = Planted(f"{folder}/left"), leftovers.settings(["kernel.pid_max"])
        assert leftovers.found(planted, settings) == []
        pathlib.Path(planted.folder).mkdir()
        process = subprocess.Popen(["sleep", "1000"])
        try:
            for file in cgroups.make(planted.mark):
                file.write_text(str(process.pid))
            run("mount", "-t", "tmpfs", "planted", planted.folder)
            with open(f"{planted.folder}/disk", "wb") as file:
                file.truncate(1 << 20)
            device = run("losetup", "--find", "--show", f"{planted.folder}/disk").stdout.strip()
            run("ip", "link", "add", f"{planted.prefix}br", "type", "bridge")
            run("ip", "netns", "add", f"{planted.prefix}h1")
            found = "\n".join(leftovers.found(planted, {"kernel.pid_max": "another"}))
            for kind in ("process", "mount", "loop device", "link", "network namespace", "control group", "folder", "setting"):
                assert kind in found, f"no {kind} in {found}"
        finally:
            process.kill()
            process.wait()
            cgroups.remove(planted.mark)
            run("ip", "netns", "delete", f"{planted.prefix}h1", check=False)
            run("ip", "link", "delete", f"{planted.prefix}br", check=False)
            run("losetup", "--detach", device, check=False)
            run("umount", planted.folder, check=False)
        pathlib.Path(planted.folder).rmdir()
        assert leftovers.found(planted, settings) == []


def four_fresh_hosts_become_a_cluster(cluster):
    cluster.join(*cluster.hosts)


def two_hosts_without_power_are_made_up_for_on_a_blank_one(cluster):
    writer, blank = cluster.hosts[0], cluster.hosts[3]
    cluster.init(writer)
    path = cluster.tree(writer, "work")
    cluster.store(writer, path).expect(DONE)
    for host in cluster.hosts[1:3]:
        host.lose_power()
    cluster.open(blank).expect(DONE)
    cluster.recover_and_compare(blank, writer, path)


def they_come_back_and_nothing_has_to_be_sent_again(cluster):
    cluster.settle()
    again = cluster.store(cluster.hosts[0], "/srv/work").expect(DONE).json
    assert again["bytes_new"] < 100_000, again


def main():
    if cage.INSIDE not in os.environ:
        failed = common.run_tests(a_playbooks_report_tells_the_broken_hosts, words=[])
        why = "the sanitizers' build is not what the package is made of" if "san" in BUILD.name else cage.refused()
        if why:
            print(f"(needs real hosts, which were NOT TESTED: {why})")
            return 1 if failed else 0
        failed += common.run_tests(what_a_run_leaves_behind_is_found, words=[])
        if failed:
            return 1
    return run_tests(4, [four_fresh_hosts_become_a_cluster, two_hosts_without_power_are_made_up_for_on_a_blank_one,
                         they_come_back_and_nothing_has_to_be_sent_again])


if __name__ == "__main__":
    sys.exit(main())
