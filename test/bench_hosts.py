#!/usr/bin/env python3
"""How long thirty blank hosts take to become a cluster by the playbook, on this one machine."""
import sys
import time

from hosts import cage
from hosts.cluster import Cluster, base_image, figure

HOSTS = 30
# Each systemd has some dozens of inotify instances, and the kernel counts all of root's on the machine together.
SETTINGS = {"fs.inotify.max_user_instances": "4096"}


def inside():
    cluster = Cluster(HOSTS)
    cluster.net.introduce()
    cluster.operator.variables["ecbak_capacity"] = "256M"
    start = time.monotonic()
    report = cluster.join(*cluster.hosts)
    figure(f"{HOSTS} fresh hosts, the playbook", report.seconds, 300)
    figure(f"{HOSTS} fresh hosts, until all see all alive", time.monotonic() - start, 300)
    return 0


if __name__ == "__main__":
    sys.exit(cage.main(inside, prepare=base_image, settings=SETTINGS))
