#!/usr/bin/env python3
"""Membership of ecbak beside serf, 30 hosts of each: `make bench-members`, as root.

Each host is a network namespace (test/hosts/network.py) with a real ecbakd (profile lan, keys and a certificate of its own,
every byte encrypted) and a `serf agent -profile=lan` (Debian's, unencrypted). One run has three parts:

  1, 2  one kind alone: how long from the start of the agents until each sees all alive; then, undisturbed, what they
        cost at idle: memory, processor time, wake-ups, bytes on the wire. Alone, because the other's packets would be
        counted, and its threads would evict caches.
  3     both at once: a host is cut off (its packets are dropped in the bridge, so nobody is told), and both clusters
        lose it at the same instant. Both at once, because then each loss is a pair: same moment, same host, same load
        on the machine. Healed, and the next loss waits until all see all alive again in both clusters, and for
        --pause more: what the host that was cut off suspected meanwhile lasts up to 35 s in serf, and a suspicion that
        is there before the cut would be taken for quick detection.

When an agent knows something is read from its log (test/watch.py). False deaths: any agent that takes any host for
dead that was not cut off; not counted is what the host that was cut off thinks of the others until the next loss.

Prints each loss, and a table; exits 1 when a target is missed.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys

import processes
from harness import Cluster
from hosts import cage
from hosts.network import Network
from watch import ECBAK_EVENT, SERF_EVENT, Watch

KINDS = ("ecbak", "serf")


class Ecbak:
    kind, up = "ecbak", "serving as"

    def __init__(self, hosts):
        self.cluster = Cluster(len(hosts), "lan", hosts)

    def start_one(self, host, output):
        node = self.cluster.nodes[host.number - 1]
        node.start(wait=False, output=output)
        return node.process

    def check(self, count):
        """What the logs say is what the command says."""
        seen = self.cluster.nodes[-1].states()
        assert list(seen.values()) == ["alive"] * count, seen


class Serf:
    kind, up = "serf", "EventMemberJoin"

    def __init__(self, hosts):
        self.hosts = hosts

    def start_one(self, host, output):
        seeds = [f"-join={seed.address}" for seed in self.hosts[:2] if seed.number < host.number]
        return subprocess.Popen([*host.enter, "serf", "agent", "-profile=lan", f"-node={host.name}",
                                 f"-bind={host.address}:7946", "-rpc-addr=127.0.0.1:7373", *seeds],
                                stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def check(self, count):
        shown = subprocess.run([*self.hosts[-1].enter, "serf", "members", "-format=json"], check=True,
                               stdout=subprocess.PIPE).stdout
        seen = [member["status"] for member in json.loads(shown)["members"]]
        assert seen == ["alive"] * count, seen


class Agents:
    """One agent of a kind on each host."""

    def __init__(self, of, hosts, network, watch):
        self.of, self.hosts, self.network, self.watch = of, hosts, network, watch
        self.running = []

    def start(self):
        """Returns how long it took until each saw all, counted from when the first, which runs, is joined."""
        hosts = self.hosts
        self.start_one(hosts[0])
        first = (self.of.kind, 1)
        self.watch.until(lambda: any(self.of.up in line for line in self.watch.lines.get(first, [])), 20,
                         f"the first {self.of.kind} runs")
        for host in hosts[1:]:
            self.start_one(host)
            if host.number == 2:
                began = self.watch.now()
        self.watch.until(lambda: self.watch.alive_everywhere(self.of.kind, len(hosts)), 120,
                         f"all {self.of.kind} see all")
        took = self.watch.now() - began
        self.of.check(len(hosts))
        return took

    def start_one(self, host):
        output = self.watch.pipe(self.of.kind, host.number)
        try:
            self.running.append(self.of.start_one(host, output))
        finally:
            os.close(output)

    def stop(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
        self.running = []
        self.watch.during(0.2)  # what they still said
        self.watch.forget(self.of.kind)

    def pids(self):
        gone = [process.args for process in self.running if process.poll() is not None]
        assert not gone, f"ended by itself: {gone}"
        return [process.pid for process in self.running]

    def cost_at_idle(self, settle_s, quiet_s):
        self.watch.during(settle_s)
        pids, hosts = self.pids(), len(self.hosts)
        cpu_s, wakeups, traffic = processes.cpu_s(pids), processes.wakeups(pids), self.network.traffic()
        began = self.watch.now()
        self.watch.during(quiet_s)
        after = self.network.traffic()
        seconds = self.watch.now() - began
        sent, received = ([(after[host][way] - traffic[host][way]) / seconds for host in traffic] for way in (0, 1))
        cost = {"cpu": 100 * (processes.cpu_s(pids) - cpu_s) / seconds / hosts,
                "wakeups": (processes.wakeups(pids) - wakeups) / seconds / hosts,
                "sent": statistics.mean(sent), "received": statistics.mean(received)}
        resident, proportional = zip(*processes.resident_kb(pids))
        cost.update(rss=statistics.median(resident) / 1024, rss_max=max(resident) / 1024,
                    pss=statistics.median(proportional) / 1024)
        return cost


class Losses:
    """Cuts hosts off, one after the other, and notes when who knew."""

    def __init__(self, hosts, network, watch, pause_s):
        self.hosts, self.network, self.watch, self.pause_s = hosts, network, watch, pause_s
        self.windows = []  # (host, cut off, all alive again, calm again)
        self.first = {kind: [] for kind in KINDS}
        self.all = {kind: [] for kind in KINDS}

    def lose(self, host):
        others = len(self.hosts) - 1
        began = self.watch.now()
        self.network.cut_off(host.number)

        def known(kind):
            return self.watch.deaths_of(kind, host.number, began)
        self.watch.until(lambda: all(len(known(kind)) == others for kind in KINDS), 120,
                         f"all know that {host.name} is gone")
        for kind in KINDS:
            self.first[kind].append(min(known(kind).values()))
            self.all[kind].append(max(known(kind).values()))
        self.network.heal()
        back = self.watch.until(
            lambda: all(self.watch.alive_everywhere(kind, others + 1) for kind in KINDS), 300,
            f"{host.name} is back")
        row = [f"{kind} {self.first[kind][-1]:5.2f} s first, {self.all[kind][-1]:5.2f} s all" for kind in KINDS]
        print(f"{host.name:4} lost: {'; '.join(row)}; ratio {self.all['ecbak'][-1] / self.all['serf'][-1]:.2f}; "
              f"all alive again {back:.1f} s after", flush=True)
        healed = self.watch.now()
        self.watch.during(self.pause_s)
        self.windows.append((host.number, began, healed, self.watch.now()))

    def when(self, seconds):
        before = [(lost, healed) for lost, began, healed, _ in self.windows if began <= seconds]
        return f"{seconds - before[-1][1]:.0f} s after h{before[-1][0]} was back" if before else "before any loss"

    def false_deaths(self, kind):
        def expected(seconds, observer, host):
            return any(began <= seconds <= (healed if host == lost else calm) and lost in (observer, host)
                       for lost, began, healed, calm in self.windows)
        return [death for death in self.watch.deaths if death[1] == kind and not expected(death[0], *death[2:])]


def table(rows):
    """rows: (figure, {kind: value}, format, target ratio or None); returns how many targets were missed."""
    missed = 0
    print("\n| figure | ecbak | serf | ratio | target | |\n|---|--:|--:|--:|--:|---|")
    for figure, value, form, target in rows:
        ratio = value["ecbak"] / value["serf"] if value["serf"] else float("inf") if value["ecbak"] else 0
        good = target is None or ratio <= target
        missed += not good
        print(f"| {figure} | {value['ecbak']:{form}} | {value['serf']:{form}} | {ratio:.2f} "
              f"| {'' if target is None else f'at most {target:.2f}'} "
              f"| {'' if target is None else 'ok' if good else 'MISSED'} |")
    return missed


def measure(args):
    false_deaths = dict.fromkeys(KINDS, 0)
    network = Network(cage.Cage.current())
    hosts = network.stations(args.hosts)
    watch = Watch({"ecbak": ECBAK_EVENT, "serf": SERF_EVENT})
    agents = {of.kind: Agents(of(hosts), hosts, network, watch) for of in (Ecbak, Serf)}
    losses = Losses(hosts, network, watch, args.pause)

    def collect(kind):
        found = losses.false_deaths(kind)
        for seconds, _, observer, host in found[:10]:
            print(f"false: {kind} on h{observer} took h{host} for dead, {losses.when(seconds)}", flush=True)
        false_deaths[kind] += len(found)

    converged, idle = {}, {}
    for kind in KINDS:
        converged[kind] = agents[kind].start()
        print(f"{kind}: {args.hosts} agents, all see all after {converged[kind]:.2f} s; "
              f"idle for {args.settle + args.quiet:.0f} s", flush=True)
        idle[kind] = agents[kind].cost_at_idle(args.settle, args.quiet)
        if kind == "ecbak":
            collect(kind)
            agents[kind].stop()
    agents["ecbak"].start()
    watch.during(args.settle)
    draw = random.Random(args.seed)
    for host in draw.sample(hosts, min(args.losses, args.hosts)):
        losses.lose(host)
    for kind in KINDS:
        agents[kind].pids()  # all still there
        collect(kind)
        agents[kind].stop()
    return converged, idle, losses, false_deaths


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--losses", type=int, default=7)
    parser.add_argument("--settle", type=float, default=60, help="seconds between a start and the measurements")
    parser.add_argument("--quiet", type=float, default=60, help="seconds of idleness that are measured")
    parser.add_argument("--pause", type=float, default=40, help="seconds between two losses")
    parser.add_argument("--seed", type=int, default=1, help="which hosts are lost")
    parser.add_argument("--quick", action="store_true", help="a look at it in a minute or two: 8 hosts, 2 losses")
    if parser.parse_args().quick:  # only what is not said
        parser.set_defaults(hosts=8, losses=2, settle=5, quiet=10, pause=10)
    return parser.parse_args()


def compare(args):
    converged, idle, losses, false_deaths = measure(args)

    def both(pick):
        return {kind: pick(kind) for kind in KINDS}
    n = len(losses.windows)
    missed = table([
        ("all see all after the start, s", converged, ".2f", None),
        (f"lost machine: first to know, s (median of {n})", both(lambda k: statistics.median(losses.first[k])), ".2f", None),
        ("lost machine: known to all, s (median)", both(lambda k: statistics.median(losses.all[k])), ".2f", 0.5),
        ("lost machine: known to all, s (worst)", both(lambda k: max(losses.all[k])), ".2f", None),
        ("false deaths", false_deaths, "d", None),
        ("resident, MB (median)", both(lambda k: idle[k]["rss"]), ".1f", 1.0),
        ("resident, MB (largest)", both(lambda k: idle[k]["rss_max"]), ".1f", 1.0),
        ("resident, shared pages split, MB (median)", both(lambda k: idle[k]["pss"]), ".1f", None),
        ("processor at idle, % of one core", both(lambda k: idle[k]["cpu"]), ".3f", 1.0),
        ("wake-ups per second at idle", both(lambda k: idle[k]["wakeups"]), ".1f", None),
        ("sent per host at idle, B/s", both(lambda k: idle[k]["sent"]), ".0f", None),
        ("received per host at idle, B/s", both(lambda k: idle[k]["received"]), ".0f", None),
    ])
    if false_deaths["ecbak"]:
        print(f"MISSED: {false_deaths['ecbak']} false deaths, none allowed")
    return 1 if missed or false_deaths["ecbak"] else 0


def main():
    args = arguments()
    return cage.main(lambda: compare(args), needs=[*cage.NETWORK, "serf"])


if __name__ == "__main__":
    sys.exit(main())
