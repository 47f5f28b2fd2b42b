#!/usr/bin/env python3
"""A cluster over the years: regular backups, upgrades, keys that change, members that leave, burn, or are shut out."""
import json
import sys
import threading
import time

from common import BUILD, wait_until
from hosts.cluster import incompatible_package, next_package, run_tests
from hosts.shell import run
from lab import DONE, FAILED, INCOMPLETE, TOO_FEW


def seven_hosts_are_a_cluster(cluster):
    cluster.join(*cluster.hosts)
    cluster.init(cluster.hosts[0])
    cluster.store(cluster.hosts[0], cluster.tree(cluster.hosts[0], "work")).expect(DONE)
    cluster.open(cluster.hosts[6]).expect(DONE)


def a_timer_stores_what_its_profile_says(cluster):
    host = cluster.hosts[0]
    path = cluster.tree(host, "profile", seed=2, files=5, megabytes=0)
    phrase_file = cluster.operator.folder / "phrase"
    phrase_file.write_text(cluster.phrase + "\n")
    profile = {"ecbak_profiles": [{"name": "often", "path": [path], "tag": ["timer"], "when": "*:*:0/5", "spread": "0"}],
               "ecbak_phrase_file": str(phrase_file)}

    def play():
        return cluster.play("backup-profile.yml", "-e", json.dumps(profile), hosts=[host]).expect_done()

    def tagged():
        return cluster.ecbak(host, "snapshots", "--tag", "timer", "--json").expect(DONE).json["snapshots"]

    play()
    wait_until(lambda: len(tagged()) >= 2, 120, "the timer has stored twice", pause=0.5)
    assert not play().changed(), "a second run changes something"
    assert host.run("systemctl", "is-failed", "ecbak-store@often.service", check=False).stdout.strip() != "failed"
    cluster.recover_and_compare(cluster.hosts[6], host, path, tagged()[-1]["id"])
    host.run("systemctl", "disable", "--now", "ecbak-store@often.timer")


def an_upgrade_that_the_others_could_not_speak_with_stops_before_the_first_host(cluster):
    def installed():
        return {host.name: host.run("dpkg-query", "-W", "-f", "${Version}", "ecbak").stdout for host in cluster.members}

    cluster.settle()
    before = installed()
    first, *others = [host.name for host in cluster.members]
    report = cluster.play("upgrade.yml", "-e", f"ecbak_deb={incompatible_package()}").expect_broken(first)
    report.says(f"{incompatible_package().name} speaks protocol 3 only, but {', '.join(others)} speak 2 and would be lost",
                "Upgrade first to a version that speaks both; nothing was done here")
    assert not report.changed() and set(report.hosts) == {first}, report.hosts
    assert installed() == before
    cluster.wait_alive()


def an_upgrade_rolls_through_while_hosts_store(cluster):
    """One host stores all the time; each run ends well or says that it is incomplete, and what it stored is there."""
    cluster.settle()
    writer, reader = cluster.hosts[1], cluster.hosts[6]
    cluster.open(writer).expect(DONE)
    results, stop = [], threading.Event()

    def keep_storing():
        while not stop.is_set():
            path = cluster.tree(writer, f"during-{len(results)}", seed=100 + len(results), files=10, megabytes=8)
            result = cluster.store(writer, path)
            if result.code == FAILED and "no answer from ecbakd" in result.err:
                time.sleep(0.1)  # its own node is just being restarted: nothing was begun
            else:
                results.append((path, result))

    storing = threading.Thread(target=keep_storing)
    storing.start()
    try:
        cluster.operator.variables["ecbak_deb"] = next_package()
        cluster.play("upgrade.yml").expect_done()
    finally:
        stop.set()
        storing.join()
    version = run("dpkg-deb", "--field", next_package(), "Version").stdout.strip().rpartition("+deb")[0]
    for host in cluster.members:
        assert cluster.ecbak(host, "status", "--json").expect(DONE).json["software"] == version, host.name
    ended = [result.code for _, result in results]
    assert set(ended) <= {DONE, INCOMPLETE}, "\n".join([str(ended), *(r.err for _, r in results if r.code not in (DONE, INCOMPLETE))])
    for path, result in results:
        cluster.recover_and_compare(reader, writer, path, result.json["snapshot"])
    cluster.recover_and_compare(reader, cluster.hosts[0], "/srv/work", cluster.oldest(writer))


def nodes_with_new_keys_are_who_they_were(cluster):
    """By the playbook for all; and by hand for one, as the manual page has it, by root for a service that is another user's."""
    cluster.settle()
    other = cluster.hosts[0]
    def identities():
        """Name to (id, key of its connections), by the certificates that the nodes have."""
        shown = {host.name: json.loads(host.run("ecbak", "authority", "show", "--json", "/etc/ecbak/node.cert").stdout)
                 for host in cluster.members}
        return {name: (cluster.member(other, name)["id"], certificate["curve"]) for name, certificate in shown.items()}

    before = identities()
    cluster.play("rotate-keys.yml").expect_done()
    cluster.wait_alive()
    by_hand = cluster.hosts[2]
    request = by_hand.run("ecbakd", "--rotate").stdout.strip().splitlines()[-1]
    certificate = run(BUILD / "ecbak", "authority", "sign", "--dir", cluster.operator.folder / "authority", request).stdout
    by_hand.run("cp", "/dev/stdin", "/etc/ecbak/node.cert", stdin=certificate)
    by_hand.run("systemctl", "restart", "ecbakd")
    cluster.wait_alive()
    after = identities()
    for name, (node, curve) in before.items():
        assert after[name][0] == node and after[name][1] != curve, (name, before, after)
    cluster.recover_and_compare(cluster.hosts[6], other, "/srv/work", cluster.oldest(other))


def a_host_leaves_for_good_and_the_others_make_up_for_it(cluster):
    """Not while another is missing; and then what it held is made again by the stores that are regular, at once."""
    cluster.settle()
    owner, other, gone = cluster.hosts[0], cluster.hosts[4], cluster.hosts[5]
    profile = {"ecbak_profiles": [{"name": "work", "path": ["/srv/work"], "tag": ["regular"], "when": "yearly"}]}
    cluster.play("backup-profile.yml", "-e", json.dumps(profile), hosts=[owner]).expect_done()
    other.lose_power()
    cluster.wait_seen("dead", other, by=[gone])
    report = cluster.play("leave.yml", "-e", f"host={gone.name}", hosts=cluster.members)
    report.expect_broken(gone.name)
    report.says(f"{gone.name} stays: it does not see alive {other.name}")
    cluster.settle()
    assert cluster.ecbak(owner, "snapshots", "--tag", "regular", "--json").expect(DONE).json["snapshots"] == []
    cluster.play("leave.yml", "-e", f"host={gone.name}").expect_done()
    cluster.members.remove(gone)
    for host in cluster.members:
        wait_until(lambda host=host: cluster.states(host).get(gone.name, "left") == "left", 60, f"{host.name} sees it left", pause=0.2)
    gone.shut_down()
    stored = cluster.ecbak(owner, "snapshots", "--tag", "regular", "--json").expect(DONE).json["snapshots"]
    assert len(stored) == 1, stored
    cluster.recover_and_compare(cluster.hosts[6], owner, "/srv/work", stored[0]["id"])


def a_new_host_takes_a_burnt_ones_place_and_the_old_one_stays_out(cluster):
    cluster.settle()
    old = cluster.hosts[4]
    cluster.members.remove(old)
    old.lose_power()
    cluster.wait_seen("dead", old, by=cluster.members)
    new = cluster.add(1)[0]
    new.name, old.name = old.name, "old-" + old.name  # the inventory's name goes to the new machine
    cluster.operator.play("replace.yml", [*cluster.members, new], "-e", f"host={new.name}").expect_done()
    cluster.members.append(new)
    cluster.wait_alive()
    cluster.store(cluster.hosts[0], "/srv/work").expect(DONE)
    old.boot()
    old.wait_up()
    wait_until(lambda: "revoked" in old.run("journalctl", "-b", "-u", "ecbakd", "--no-pager").stdout, 60, "the old machine hears that it is out")
    assert cluster.member(cluster.hosts[0], new.name)["address"].startswith(new.address)
    old.shut_down()


def a_revoked_host_is_shut_out(cluster):
    cluster.settle()
    out = cluster.hosts[3]
    cluster.members.remove(out)
    cluster.operator.play("revoke.yml", [*cluster.members, out], "-e", f"name={out.name}", "-e", "reason=sold").expect_done()
    cluster.wait_seen("revoked", out, by=cluster.members)
    cluster.ecbak(out, "store", "/etc/hostname").expect(FAILED, TOO_FEW)
    out.run("systemctl", "restart", "ecbakd", check=False)
    cluster.store(cluster.hosts[0], "/srv/work").expect(DONE, INCOMPLETE)  # what lies on six rows has five hosts now
    cluster.wait_seen("revoked", out, by=cluster.members)
    cluster.recover_and_compare(cluster.hosts[6], cluster.hosts[0], "/srv/work")


TESTS = [
    seven_hosts_are_a_cluster,
    a_timer_stores_what_its_profile_says,
    an_upgrade_that_the_others_could_not_speak_with_stops_before_the_first_host,
    an_upgrade_rolls_through_while_hosts_store,
    nodes_with_new_keys_are_who_they_were,
    a_host_leaves_for_good_and_the_others_make_up_for_it,
    a_new_host_takes_a_burnt_ones_place_and_the_old_one_stays_out,
    a_revoked_host_is_shut_out,
]


def main():
    return run_tests(7, TESTS)


if __name__ == "__main__":
    sys.exit(main())
