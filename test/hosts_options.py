#!/usr/bin/env python3
"""What an operator may want beside the straight road: packet filters, limits, other disks, profiles that end, tickets."""
import json
import pathlib
import re
import shutil
import socket
import sys

from common import wait_until
from hosts.cluster import JOIN, package, run_tests
from lab import DONE, FAILED

MEMBER_PORT, BULK_PORT, SSH_PORT = 7411, 7412, 22
NFTABLES = """flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo accept
        tcp dport 22 accept
    }
}
"""


def filters(cluster):
    """The hosts behind a packet filter, each with another manager of it."""
    return cluster.hosts[2:5]


def let_in(host, port):
    """Whether the host's packet filter lets a connection through: it is made, or the host itself refuses it."""
    try:
        socket.create_connection((host.address, port), 1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def turn_filters_on(cluster):
    nftables, ufw, firewalld = filters(cluster)
    nftables.path("/etc/nftables.conf").write_text(NFTABLES)
    nftables.run("systemctl", "enable", "--now", "nftables")
    ufw.run("ufw", "allow", "22/tcp")
    ufw.run("ufw", "--force", "enable")
    ufw.run("systemctl", "enable", "--now", "ufw")
    firewalld.run("systemctl", "enable", "--now", "firewalld")
    for host in filters(cluster):
        assert let_in(host, SSH_PORT) and not let_in(host, MEMBER_PORT) and not let_in(host, BULK_PORT), f"no filter on {host.name}"


def reachable(cluster, host):
    return cluster.ecbak(host, "status", "--json").expect(DONE).json["reachable"]


def hosts_behind_packet_filters_become_a_cluster(cluster):
    turn_filters_on(cluster)
    home, elsewhere = cluster.hosts[1], cluster.hosts[5]
    cluster.operator.host_variables = {
        home.name: {"ecbak_data_dir": "/home/backup/ecbak"},
        elsewhere.name: {"ecbak_data_dir": "/srv/disk/ecbak", "ecbak_memory_max": "700M", "ecbak_cpu_quota": "50%"},
    }
    cluster.join(*cluster.hosts[:6])
    for host in filters(cluster):
        assert let_in(host, MEMBER_PORT) and let_in(host, BULK_PORT), f"{host.name} is closed"
    for host in cluster.members:
        wait_until(lambda host=host: reachable(cluster, host), 60, f"{host.name} is reached by others", pause=0.5)
    cluster.init(cluster.hosts[0])
    cluster.store(cluster.hosts[0], cluster.tree(cluster.hosts[0], "work")).expect(DONE)


def a_second_run_changes_nothing(cluster):
    report = cluster.play(JOIN).expect_done()
    assert not report.changed(), f"{report.changed()}\n{report.text[-6000:]}"


def the_ports_are_open_after_a_reboot_too(cluster):
    cluster.settle()
    for host in filters(cluster):
        host.shut_down()
    cluster.settle()
    for host in filters(cluster):
        wait_until(lambda host=host: let_in(host, MEMBER_PORT) and let_in(host, BULK_PORT), 20, f"{host.name} is open")
        assert not let_in(host, 7000), f"{host.name} has no packet filter"


def limits_hold_and_what_is_kept_lies_where_it_was_said(cluster):
    cluster.settle()
    home, elsewhere = cluster.hosts[1], cluster.hosts[5]

    def of_the_service(what):
        return elsewhere.run("systemctl", "show", "--value", f"--property={what}", "ecbakd").stdout.strip()
    assert of_the_service("MemoryMax") == str(700 << 20) and of_the_service("CPUQuotaPerSecUSec") == "500ms"
    for host, folder in ((home, "/home/backup/ecbak"), (elsewhere, "/srv/disk/ecbak")):
        assert host.run("stat", "--format=%U", folder).stdout.strip() == "ecbak"
        assert int(host.run("du", "--summarize", "--block-size=1", folder).stdout.split()[0]) > 1_000_000, "nothing is kept there"
        assert not host.path("/var/lib/ecbak/data").exists()


def a_disk_that_is_missing_is_said_and_taken_again(cluster):
    cluster.settle()
    host = cluster.hosts[5]
    host.run("systemctl", "stop", "ecbakd")
    host.run("mv", "/srv/disk", "/srv/pulled-out")
    host.run("mkdir", "/srv/disk")
    host.run("systemctl", "start", "--no-block", "ecbakd")
    wait_until(lambda: "/srv/disk/ecbak" in host.run("journalctl", "-q", "-o", "cat", "-n", "5", "_COMM=ecbakd").stdout, 25,
               lambda: "the node says so: " + host.run("journalctl", "-q", "-n", "12", "-u", "ecbakd").stdout)
    assert not host.path("/srv/disk/ecbak").exists(), "it went on without its disk"
    host.run("systemctl", "stop", "ecbakd", check=False)
    host.run("sh", "-c", "rmdir /srv/disk && mv /srv/pulled-out /srv/disk")
    host.run("systemctl", "reset-failed", "ecbakd", check=False)
    host.run("systemctl", "start", "ecbakd")
    cluster.wait_alive()


def limits_that_are_taken_back_are_those_of_the_package(cluster):
    cluster.settle()
    host = cluster.hosts[5]
    for name in ("ecbak_memory_max", "ecbak_cpu_quota"):
        del cluster.operator.host_variables[host.name][name]
    cluster.play(JOIN).expect_done()
    shown = host.run("systemctl", "show", "--property=MemoryMax,CPUQuotaPerSecUSec", "ecbakd").stdout
    assert f"MemoryMax={2 << 30}" in shown and "CPUQuotaPerSecUSec=infinity" in shown, shown
    cluster.wait_alive()


def a_profile_that_ends_leaves_nothing(cluster):
    cluster.settle()
    host = cluster.hosts[0]
    stays = {"name": "stays", "path": ["/srv/work"]}
    ends = {"name": "ends", "path": ["/srv/work"], "when": "Sun 04:00"}

    def play(*profiles):
        return cluster.play("backup-profile.yml", "-e", json.dumps({"ecbak_profiles": profiles}), hosts=[host]).expect_done()

    def timers():
        """The enabled ones, and when they elapse."""
        shown = host.run("systemctl", "list-timers", "--all", "--no-legend", "ecbak-store@*").stdout
        return {profile["name"] for profile in (stays, ends) if f"@{profile['name']}.timer" in shown}

    play(stays, ends)
    assert timers() == {"stays", "ends"}
    assert "Sun" in host.run("systemctl", "show", "--value", "--property=TimersCalendar", "ecbak-store@ends.timer").stdout
    ended = {"name": "ends", "state": "absent"}
    play(stays, ended)
    assert timers() == {"stays"}
    left = host.run("find", "/etc/ecbak/store.d", "/etc/systemd/system", "-name", "*ends*").stdout
    assert left == "", left
    assert not play(stays, ended).changed(), "a second run changes something"
    host.run("systemctl", "start", "ecbak-store@stays.service")


def a_store_that_is_due_waits_for_a_node_whose_start_fails_at_first(cluster):
    """The next attempt comes after RestartSec=; systemd's own order has let the store go before."""
    cluster.settle()
    host, unit = cluster.hosts[0], "ecbak-store@due.service"

    def play(profile):
        return cluster.play("backup-profile.yml", "-e", json.dumps({"ecbak_profiles": [profile]}), hosts=[host]).expect_done()

    def has_stored():
        shown = host.run("systemctl", "show", "--property=ActiveState,Result", unit).stdout
        return "ActiveState=inactive" in shown and "Result=success" in shown

    def journal():
        return host.run("journalctl", "-q", "-o", "cat", "-u", unit).stdout
    play({"name": "due", "path": ["/srv/work"]})
    host.run("systemctl", "stop", "ecbakd")
    host.run("mv", "/etc/ecbak/authority.pub", "/etc/ecbak/authority.away")
    host.run("systemctl", "start", "--no-block", unit)
    wait_until(lambda: "waiting for it" in journal(), 60, lambda: "the store waits: " + journal())
    host.run("mv", "/etc/ecbak/authority.away", "/etc/ecbak/authority.pub")
    wait_until(has_stored, 60, lambda: "it has stored: " + journal(), pause=0.5)
    play({"name": "due", "state": "absent"})
    cluster.wait_alive()


def a_host_that_left_with_all_it_kept_comes_back_as_a_new_machine(cluster):
    cluster.settle()
    host = cluster.hosts[1]
    others = [other for other in cluster.members if other is not host]
    cluster.play("leave.yml", "-e", f"host={host.name}", "-e", "ecbak_leave_purge=true").expect_done()
    for other in others:
        wait_until(lambda other=other: cluster.states(other).get(host.name, "left") == "left", 60, f"{other.name} sees it left", pause=0.2)
    for path in ("/home/backup/ecbak", "/var/lib/ecbak/node.key", "/etc/ecbak/node.cert", "/etc/systemd/system/ecbakd.service.d/ansible.conf"):
        assert not host.path(path).exists(), path
    cluster.play(JOIN).expect_broken(host.name).says("replace.yml -e host=")
    cluster.play("replace.yml", "-e", f"host={host.name}").expect_done()
    cluster.wait_alive()
    cluster.store(cluster.hosts[0], "/srv/work").expect(DONE)


def a_ticket_makes_a_bare_host_a_member_once(cluster):
    cluster.settle()
    inviter, guest, late = cluster.hosts[0], cluster.hosts[6], cluster.hosts[7]
    shutil.copytree(cluster.operator.folder / "authority", inviter.path("/root/authority"), dirs_exist_ok=True)
    for host in (guest, late):
        shutil.copy(package(), host.path("/root/ecbak.deb"))
        host.run("dpkg", "--install", "/root/ecbak.deb")
    inviting = inviter.start("ecbak", "invite", "--dir", "/root/authority", "--json")
    try:
        ticket = json.loads(inviting.stdout.readline())["ticket"]
        joined = cluster.ecbak(guest, "join", "--capacity", "1G", "--json", ticket).expect(DONE).json
        assert joined["started"] and joined["reachable"] and joined["members_alive"] > 1, joined
        out, err = inviting.communicate(timeout=60)
        assert inviting.returncode == 0 and json.loads(out.splitlines()[-1])["name"] == guest.name, (out, err)
    finally:
        inviting.kill()
    assert guest.run("systemctl", "is-enabled", "ecbakd").stdout.strip() == "enabled"
    cluster.wait_alive([*cluster.members, guest])
    refused = cluster.ecbak(late, "join", "--capacity", "1G", ticket).expect(FAILED)
    assert "ask for a new one" in refused.err, refused.err
    boots = guest.boots
    guest.reboot()
    wait_until(lambda: guest.boots > boots and guest.up(), 60, f"{guest.name} is back")
    cluster.wait_alive([*cluster.members, guest])


def the_playbook_takes_a_host_over_that_came_with_a_ticket(cluster):
    cluster.settle()
    guest = cluster.hosts[6]
    before = cluster.member(cluster.hosts[0], guest.name)["id"]
    cluster.join(guest)
    assert cluster.member(cluster.hosts[0], guest.name)["id"] == before
    report = cluster.play(JOIN).expect_done()
    assert not report.changed(), f"{report.changed()}\n{report.text[-6000:]}"


def a_host_that_was_refused_is_taken_with_another_folder(cluster):
    cluster.settle()
    host = cluster.add(1)[0]
    variables = cluster.operator.host_variables.setdefault(host.name, {})
    variables.update(ecbak_name=cluster.hosts[0].name, ecbak_data_dir="/srv/first/ecbak")
    cluster.play(JOIN, hosts=[host]).expect_broken(host.name).says("replace.yml -e host=")
    assert not host.path("/srv/first/ecbak").exists() and not host.path("/var/lib/ecbak/node.key").exists()
    # A run that was cut off between the keys and the certificate leaves them.
    host.path("/root/conf").write_text('name = x\ndata_dir = "/srv/first/ecbak"\n')
    host.run("ecbakd", "--config", "/root/conf", "--init")
    variables.update(ecbak_name=host.name, ecbak_data_dir="/srv/second/ecbak")
    cluster.play(JOIN, hosts=[host]).expect_broken(host.name).says("remove /var/lib/ecbak/node.key")
    assert not host.path("/srv/second").exists()
    host.run("rm", "/var/lib/ecbak/node.key")
    cluster.join(host)
    assert host.run("stat", "--format=%U", "/srv/second/ecbak/sentinel").stdout.strip() == "ecbak"


def a_member_whose_folder_is_said_anew_keeps_what_others_stored(cluster):
    cluster.settle()
    host, old, new = cluster.hosts[5], "/srv/disk/ecbak", "/srv/larger/disk/ecbak"

    def fragments(folder):
        return host.run("find", f"{folder}/fragments", "-type", "f", "-printf", "%f\\n").stdout.split()

    variables = cluster.operator.host_variables[host.name]
    variables["ecbak_data_dir"] = new
    report = cluster.play(JOIN).expect_broken(host.name)
    assert not host.path("/srv/larger").exists(), "it began with nothing"
    cluster.wait_alive()
    commands = re.search(r"on the host: (.*) -- and run this again", " ".join(report.text.split()))[1]
    kept = fragments(old)
    assert kept and old in commands and new in commands, (kept, commands)
    host.run("sh", "-c", commands)
    cluster.play(JOIN).expect_done()
    cluster.wait_alive()
    assert set(kept) <= set(fragments(new)) and not host.path(old).exists()
    cluster.store(cluster.hosts[0], "/srv/work").expect(DONE)
    assert not cluster.play(JOIN).expect_done().changed()


def virtual_machines_of_one_network_are_said_to_be_one_zone(cluster):
    """What these hosts are depends on this machine: containers in a VM, or on hardware."""
    cluster.settle()
    zones = {member.name: cluster.member(cluster.hosts[0], member.name)["zone"] for member in cluster.members}
    assert len(set(zones.values())) == 1, zones
    report, zone = cluster.play(JOIN).expect_done(), zones[cluster.hosts[0].name]
    guessed = "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text()
    assert zone.startswith("lan-" if guessed else "host-"), zone
    assert (f"1 zone: {zone} with" in " ".join(report.text.split())) == guessed, report.text
    variables = cluster.operator.variables
    variables["ecbak_zone"] = "attic"
    report = cluster.play(JOIN).expect_done()
    del variables["ecbak_zone"]
    assert "physical host" not in report.text, report.text
    assert cluster.member(cluster.hosts[0], cluster.hosts[1].name)["zone"] == "attic"


TESTS = [
    hosts_behind_packet_filters_become_a_cluster,
    a_second_run_changes_nothing,
    the_ports_are_open_after_a_reboot_too,
    limits_hold_and_what_is_kept_lies_where_it_was_said,
    a_disk_that_is_missing_is_said_and_taken_again,
    limits_that_are_taken_back_are_those_of_the_package,
    a_profile_that_ends_leaves_nothing,
    a_store_that_is_due_waits_for_a_node_whose_start_fails_at_first,
    a_host_that_left_with_all_it_kept_comes_back_as_a_new_machine,
    a_ticket_makes_a_bare_host_a_member_once,
    the_playbook_takes_a_host_over_that_came_with_a_ticket,
    a_host_that_was_refused_is_taken_with_another_folder,
    a_member_whose_folder_is_said_anew_keeps_what_others_stored,
    virtual_machines_of_one_network_are_said_to_be_one_zone,
]


def main():
    return run_tests(8, TESTS)


if __name__ == "__main__":
    sys.exit(main())
