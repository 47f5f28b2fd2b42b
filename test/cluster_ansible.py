#!/usr/bin/env python3
"""What of ansible/ can be held without hosts: style, syntax, inventories, what is refused, and what a node makes of the configuration.

The role's tasks run against this machine only as far as they are pure: argument checks and templates. The lab is brought up whole.
Real hosts are hosts_*.py's.
"""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types

from common import BUILD, HERE, run_tests

ANSIBLE = HERE.parent / "ansible"
PLAYBOOKS = sorted(path for path in ANSIBLE.glob("*.yml") if "hosts:" in path.read_text())
PLUGINS = ANSIBLE / "roles/ecbak/filter_plugins"
SIZES = {"family": 3, "vms": 6, "lab": 50}


def run(*command, **more):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ECBAK_", "XDG_"))}
    env.update(ANSIBLE_NOCOLOR="1", ANSIBLE_DEPRECATION_WARNINGS="False", HOME=str(SCRATCH), **more)
    return subprocess.run([str(word) for word in command], cwd=ANSIBLE, env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)


def expect(done, *words, code=0):
    assert done.returncode == code or (code and done.returncode), f"exit {done.returncode}\n{done.stdout[-3000:]}"
    text = " ".join(done.stdout.split()).replace("''", "'")  # a long sentence is wrapped, and quoted
    for word in words:
        assert word in text, f"nothing says {word!r}:\n{done.stdout[-3000:]}"


def play(tasks, *options, variables=None, names=("here",), **env):
    """Runs a few tasks on this machine, under one name or some, with variables of the role's."""
    path = SCRATCH / "play.json"
    path.write_text(json.dumps([{"hosts": "ecbak", "connection": "local", "gather_facts": False, "vars": variables or {}, "tasks": tasks}]))
    return run("ansible-playbook", "-i", inventory(*names), path, *options, ANSIBLE_ROLES_PATH=str(ANSIBLE / "roles"), **env)


def inventory(*names):
    path = SCRATCH / "hosts.ini"
    path.write_text("\n".join(["[ecbak]", *names, ""]))
    return path


DEBIAN_12 = {"id": "debian", "like": "", "name": "Debian 12", "version": "12", "codename": "bookworm", "architecture": "amd64"}


def seen(**more):
    """A probe's answer, of a host with which nothing is wrong."""
    answer = {"clock_ahead_s": 0, "root": True, "systemd": True, "hostname": "here", "has_limits": False,
              "os": DEBIAN_12,
              "package": {"version": "1", "digest": "", "protocol": [1, 1]}, "address": "192.0.2.7", "firewall": "none",
              "disk": {"free_bytes": 10**12, "folder": "/var/lib"},
              "node": {"has_key": True, "members": [], "has_data": True, "data_of": "5e", "old_data_dir": "/var/lib/ecbak/data", "old_data_of": "5e",
                       "zone": "host-1a2b3c4d", "request": "", "certificate": {}, "authority": "", "seeds": [],
                       "status": {"used_bytes": 0}, "active": True, "enabled": True, "failing": False}}
    answer["node"].update(more.pop("node", {}))
    answer.update(more)
    return json.dumps(answer)


CHECK = [{"import_role": {"name": "ecbak", "tasks_from": "refuse"}}]


def refuses(words, **variables):
    answer = seen(**variables.pop("seen", {}))
    own = {"name": variables.get("ecbak_name", "here"), "address": "192.0.2.7:7411", "seeded": False}
    expect(play(CHECK, variables={"ecbak_probe": {"stdout": answer}, "ecbak_self": own, "ecbak_deb": "", **variables}), words, code=2)


# ---- tests ----------------------------------------------------------------------------------------------------------------
def yamllint_has_nothing_to_say():
    done = run("yamllint", "-s", ".")
    assert done.returncode == 0 and done.stdout == "", done.stdout


def ansible_lint_has_nothing_to_say():
    expect(run("ansible-lint", "--nocolor"), "0 failure(s), 0 warning(s)")


def every_playbook_can_be_read():
    for book in PLAYBOOKS:
        expect(run("ansible-playbook", "--syntax-check", "-i", inventory("here"), book), f"playbook: {book}")


def every_playbook_has_its_section_in_the_readme():
    text = (ANSIBLE / "README.md").read_text()
    for book in PLAYBOOKS:
        assert f"**{book.name}**" in text, f"{book.name} is not in README.md"


def the_inventories_have_the_machines_that_they_say():
    for name, size in SIZES.items():
        done = run("ansible-inventory", "-i", ANSIBLE / "inventories" / name, "--list")
        expect(done)
        variables = json.loads(done.stdout[done.stdout.index("{"):])["_meta"]["hostvars"]
        assert len(variables) == size, f"{name} has {len(variables)} machines"
        assert all(values.get("ecbak_zone") for values in variables.values()), f"a machine of {name} has no zone"


def every_variable_is_specified_and_explained():
    import yaml  # part of ansible-core
    role = ANSIBLE / "roles/ecbak"
    defaults = set(yaml.safe_load((role / "defaults/main.yml").read_text()))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    specified = {name for entry in specs.values() for name in entry["options"]}
    assert defaults == specified, f"only in one of defaults and argument_specs: {sorted(defaults ^ specified)}"
    text = (role / "README.md").read_text()
    missing = sorted(name for name in defaults if f"`{name}`" not in text)
    assert not missing, f"not in the role's README.md: {missing}"


def a_wrong_type_or_word_is_named_before_anything_is_done():
    role = [{"import_role": {"name": "ecbak"}}]
    expect(play(role, variables={"ecbak_profile": "fast", "ecbak_member_port": "abc"}),
           "ecbak_profile must be one of: lan, wan, local, got: fast", "'ecbak_member_port'", code=2)
    expect(play([{"import_role": {"name": "ecbak", "tasks_from": "profiles"}}], variables={"ecbak_profiles": [{"path": "/home"}]}),
           "missing required arguments: name found in ecbak_profiles", code=2)


def takes(answer, **variables):
    own = {"name": "here", "address": "192.0.2.7:7411", "seeded": False}
    expect(play(CHECK, variables={"ecbak_probe": {"stdout": answer}, "ecbak_self": own, "ecbak_deb": "", **variables}), "failed=0")


def a_host_with_which_nothing_is_wrong_is_taken():
    takes(seen())


def what_is_wrong_with_a_host_is_a_sentence_each():
    refuses("clock is 61 s behind", seen={"clock_ahead_s": -61})
    refuses("Set ecbak_advertise_address", seen={"address": ""})
    refuses("'a b' is no name", ecbak_name="a b")
    refuses("'x!' is no name of a zone", ecbak_zone="x!")
    refuses("has room for 1024M only", seen={"disk": {"free_bytes": 2**30, "folder": "/var/lib"}}, ecbak_capacity="2G")
    refuses("'12X' is no size", ecbak_capacity="12X")
    refuses("Set ansible_become to true", seen={"root": False})
    refuses("They are two ports", ecbak_bulk_port=7411)
    refuses("runs Debian 11. The package is for Debian 12 and 13", seen={"os": {**DEBIAN_12, "name": "Debian 11", "version": "11"}})
    refuses("runs Fedora. The package is for", seen={"os": {**DEBIAN_12, "id": "fedora", "name": "Fedora"}})
    refuses("the data is another node's", seen={"node": {"has_key": False, "has_data": True}})


def a_node_never_begins_with_nothing_because_its_data_dir_is_said_anew():
    member = {"certificate": {"name": "here", "zone": "a", "node": "5e", "not_after": "2999-01-01T00:00:00Z"}}
    elsewhere = {"ecbak_data_dir": "/srv/new/ecbak", "ecbak_name": "here"}
    refuses("systemctl stop ecbakd && mkdir -p /srv/new && mv -T /var/lib/ecbak/data /srv/new/ecbak",
            seen={"node": {**member, "data_of": "", "has_data": False}}, **elsewhere)
    refuses("mv -T", seen={"node": {**member, "data_of": "77"}}, **elsewhere)
    refuses("mv -T", seen={"node": {"data_of": ""}}, **elsewhere)  # a run that was cut off before it had a certificate
    refuses("Bring its disk back", seen={"node": {**member, "data_of": "", "old_data_of": ""}}, **elsewhere)
    refuses("remove /var/lib/ecbak/node.key", seen={"node": {"data_of": "", "old_data_of": "", "old_data_dir": "/srv/old"}}, **elsewhere)
    # It was moved; and a disk that is missing where it always was, which the node itself says.
    for node in ({**member, "data_of": "5e", "old_data_of": ""}, {**member, "data_of": "", "old_data_dir": "/srv/new/ecbak", "old_data_of": ""}):
        takes(seen(node=node), **elsewhere)


def zones_that_are_guesses_are_said_once_and_by_zone():
    def said(in_force, **more):
        """What is said of hosts h1, h2, ... that have these zones in their certificates."""
        names = [f"h{i + 1}" for i in range(len(in_force))]
        answer = seen(node={"certificate": {"zone": "@"}, "zone": more.pop("found", "@")})
        variables = {"in_force": dict(zip(names, in_force)), "ecbak_deb": "",
                     # The space keeps Ansible from taking the text for a dictionary.
                     "ecbak_probe": {"stdout": " " + answer.replace("@", "{{ in_force[inventory_hostname] }}")}, **more}
        done = play([{"import_role": {"name": "ecbak", "tasks_from": "zones"}}], variables=variables, names=names)
        expect(done)
        found = re.findall(r"msg: '(.*?)'", " ".join(done.stdout.split()))
        assert len(found) <= 1, done.stdout
        return found[0] if found else ""

    lan, other = "lan-1a2b3c4d", "lan-5e6f7a8b"
    one = said([lan, lan, lan])
    assert one.startswith("h1, h2, h3 are in virtual machines") and f"1 zone: {lan} with h1, h2, h3." in one, one
    assert f"2 zones: {lan} with h1, h3; {other} with h2." in said([lan, other, lan])
    assert "vm with h2, h3." in said(["rack1", "vm", "vm"])
    assert said([lan, "rack1"]) == "" and said(["host-1a2b3c4d", "machine-1a2b3c4d"]) == ""
    assert said([lan, lan], ecbak_zone="{{ in_force[inventory_hostname] }}") == "", "it was said by a person"
    # Certified before the machine was known to be virtual: each a zone still, and nobody was asked.
    assert "2 zones: host-1a2b3c4d with h1; host-5e6f7a8b with h2." in said(["host-1a2b3c4d", "host-5e6f7a8b"], found=lan)


def versions(hosts):
    """What versions.py says: hosts is name -> (now, next) or (now, next, members that it sees), a member being (name, range, alive)."""
    told = []
    for name, (now, next_, *seen_by_it) in hosts.items():
        members = [{"name": who, "protocol": list(protocol), "alive": alive} for who, protocol, alive in (seen_by_it or [[]])[0]]
        told.append({"host": name, "name": name, "version": "0.0.9", "now": list(now), "next": list(next_), "package": "new.deb", "members": members})
    done = subprocess.run([sys.executable, ANSIBLE / "roles/ecbak/files/versions.py"], input=json.dumps({"hosts": told}), text=True,
                          stdout=subprocess.PIPE, timeout=60, check=True)
    return json.loads(done.stdout)


ONE, BOTH, TWO, NONE = (1, 1), (1, 2), (2, 2), ()


def hosts_that_speak_with_each_other_are_taken():
    assert versions({}) == {}
    assert versions({"a": (ONE, ONE), "b": (NONE, BOTH), "c": (ONE, BOTH)}) == {}
    assert versions({"a": (ONE, TWO), "b": (ONE, TWO), "c": (NONE, TWO)}) == {}, "all are changed in this run"
    assert versions({"a": (ONE, TWO, [("b", ONE, True)]), "b": (ONE, TWO, [("a", ONE, True)])}) == {}, "they lose nobody by it"
    assert versions({"a": (TWO, (2, 3), [("b", BOTH, True)]), "b": (BOTH, BOTH, [("x", ONE, True), ("a", TWO, True)])}) == {}, "a never spoke with x"
    assert versions({"a": (NONE, NONE), "b": (TWO, TWO)}) == {}, "what a repository has is not known"
    assert versions({"a": (BOTH, TWO, [("x", BOTH, True), ("y", ONE, False)])}) == {}, "y is lost already"


def of_two_sides_the_smaller_one_stops_and_at_equality_the_older():
    fault = versions({"a": (TWO, TWO), "b": (NONE, TWO), "c": (ONE, ONE)})
    assert set(fault) == {"c"} and "This host has ecbak 0.0.9, which speaks protocol 1 only, but a, b speak 2;" in fault["c"], fault
    assert "set ecbak_deb" in fault["c"], fault
    fault = versions({"a": (ONE, ONE), "b": (ONE, ONE), "c": (NONE, TWO)})
    assert set(fault) == {"c"} and "new.deb, which this host would get, speaks protocol 2 only, but a, b speak 1." in fault["c"], fault
    assert "Upgrade those first (upgrade.yml)" in fault["c"], fault
    assert set(versions({"a": (ONE, ONE), "b": (TWO, TWO)})) == {"a"}
    assert set(versions({"a": (ONE, ONE, [("b", ONE, True)]), "b": (ONE, ONE, [("a", ONE, True)]), "c": (NONE, TWO), "d": (NONE, TWO)})) == {"a", "b"}
    assert set(versions({"a": (ONE, ONE), "b": (BOTH, BOTH), "c": (TWO, TWO), "d": (TWO, TWO)})) == {"a"}
    fault = versions({"a": (ONE, ONE, [("x", TWO, False), ("y", (2, 3), False)])})
    assert "but x speaks 2; y speaks 2 to 3" in fault["a"], "a host that runs alone in this play, and is too old"
    assert versions({"a": (TWO, TWO, [("x", ONE, False)]), "b": (TWO, TWO)}) == {}, "a member that is too old is left where it is"


def no_host_is_changed_that_would_lose_a_member_by_it():
    roll = {"a": (BOTH, (3, 3), [("b", BOTH, True), ("c", BOTH, True)])}
    assert "new.deb speaks protocol 3 only, but b, c speak 1 to 2 and would be lost" in versions(roll)["a"], versions(roll)
    assert "Upgrade first to a version that speaks both; nothing was done here." in versions(roll)["a"]
    assert versions({"a": (BOTH, TWO, [("b", BOTH, True)])}) == {}
    outside = [("x", ONE, True)]
    fault = versions({"a": (BOTH, TWO, outside), "b": (BOTH, TWO, outside), "c": (BOTH, BOTH, outside), "d": (NONE, TWO)})
    assert set(fault) == {"a", "b", "d"}, fault
    seen_by = {name: [(other, BOTH if other != "c" else ONE, True) for other in "abc" if other != name] for name in "abc"}
    fault = versions({"a": (BOTH, TWO, seen_by["a"]), "b": (BOTH, TWO, seen_by["b"]), "c": (ONE, ONE, seen_by["c"])})
    assert set(fault) == {"a", "b", "c"} and "c speaks 1 and would be lost" in fault["a"], "one that is in the run and is not changed"


def a_host_is_told_before_anything_is_done_to_it():
    look = [{"import_role": {"name": "ecbak", "tasks_from": "versions"}}]
    speaker = {"host": "here", "name": "here", "version": "0.1.0", "now": [1, 1], "next": [1, 1], "package": "", "members": []}

    def told(**more):
        return play(look, "-e", json.dumps({"ecbak_deb": "", "ecbak_speaker": {**speaker, **more}}), variables={"ecbak_probe": {"stdout": seen()}})

    done = told()
    expect(done, "failed=0")
    assert "skipping" in done.stdout, "nothing is compared where there is one range"
    members = [{"name": "h2", "protocol": [2, 3], "alive": False}]
    expect(told(members=members), "This host has ecbak 0.1.0, which speaks protocol 1 only, but h2 speaks 2 to 3", code=2)
    expect(told(members=members, next=[1, 2]), "failed=0")


def a_package_says_what_it_speaks():
    folder = SCRATCH / "package"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN/md5sums").write_text("")
    for name, provides in (("silent", ""), ("speaking", "Provides: ecbak-protocol-2, ecbak-protocol-10, ecbak-protocol-3\n")):
        (folder / "DEBIAN/control").write_text(f"Package: ecbak\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n{provides}")
        expect(run("dpkg-deb", "--build", folder, SCRATCH / f"{name}.deb"))
    # What else the role has to say of this machine does not matter here.
    look = [{"block": [{"import_role": {"name": "ecbak", "tasks_from": "look"}}], "rescue": [{"debug": {"msg": "refused"}}]},
            {"debug": {"msg": "next {{ ecbak_speaker.next | join(' to ') }}"}}]
    for name, words in (("silent", "next 1 to 1"), ("speaking", "next 2 to 10")):
        expect(play(look, variables={"ecbak_deb": str(SCRATCH / f"{name}.deb"), "ecbak_data_dir": "/nonexistent/data"}), words)


def plugin(name):
    """The filters of one file, as functions."""
    spec = importlib.util.spec_from_file_location(name, PLUGINS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return types.SimpleNamespace(**{filter_.removeprefix("ecbak_"): function for filter_, function in module.FilterModule().filters().items()})


def a_host_gets_the_package_of_its_release_or_of_an_older_one():
    chosen, of_12, of_13 = plugin("ecbak_packages").package_for, "/a/ecbak_1+deb12_amd64.deb", "/a/ecbak_1+deb13_amd64.deb"
    thirteen, trixie = {"id": "debian", "version": "13"}, {**DEBIAN_12, "name": "Debian 13", "version": "13", "codename": "trixie"}
    assert chosen([of_13, of_12], DEBIAN_12) == of_12 and chosen([of_12, of_13], thirteen) == of_13
    assert chosen([of_12], thirteen) == of_12 and chosen([of_13], DEBIAN_12) == of_13 and chosen([], thirteen) == ""
    for unknown in ({}, {"id": "debian", "version": ""}, {"id": "ubuntu", "version": "11"}):
        assert chosen([of_12, of_13], unknown) == of_13
    assert chosen([of_12, "/a/ecbak_2+deb12_amd64.deb"], thirteen) == "/a/ecbak_2+deb12_amd64.deb"
    refuses("ecbak_1+deb13_amd64.deb was built on Debian 13, whose libraries are newer. Have one built for it beside that (make deb "
            "RELEASE=bookworm)", ecbak_deb=of_13)
    for system, deb in ((trixie, of_12), (trixie, of_13), (DEBIAN_12, "/a/ecbak_1_amd64.deb"), ({**trixie, "version": ""}, of_13)):
        takes(seen(os=system), ecbak_deb=deb)


def a_host_that_gets_no_certificate_is_told_why():
    certificates = plugin("ecbak_certificates")
    lines = ["authority A1", 'ok h1 [{"name": "h1"}]', "no h10 it is taken: --replace", "no h2 its request is rubbish"]
    assert certificates.signed(lines, "h1") == {"authority": "A1", "certificate": {"name": "h1"}, "refused": ""}
    assert certificates.signed(lines, "h2")["refused"] == "its request is rubbish"
    assert certificates.signed(["stop There is none."], "h1") == {"authority": "", "certificate": {}, "refused": "There is none."}
    assert certificates.refusal("it is taken: --replace", "h10", False, False).endswith(". Taking its place is what replace.yml -e host=h10 does.")
    assert "not this authority's" in certificates.refusal("", "h1", True, True)
    assert "--print-request" in certificates.refusal("", "h1", False, True) and certificates.refusal("", "h1", False, False) == ""
    said, good = {"name": "h1", "zone": ""}, {"name": "h1", "zone": "a", "not_after": "1970-02-01T00:00:00Z"}
    assert not certificates.wants_certificate(good, said, False, 0, 30)
    for certificate, more, now_s in (({}, {}, 0), (good, {"name": "h2"}, 0), (good, {"zone": "b"}, 0), (good, {}, 86400.9 * 2)):
        assert certificates.wants_certificate(certificate, {**said, **more}, False, now_s, 30), (certificate, more)


def whom_others_would_miss_is_neither_replaced_nor_let_go():
    members = plugin("ecbak_members")
    said = {"name": "h1", "member_address": "a:1"}

    def others_say(*bearers, own_id=""):
        seen = [{"name": name, "state": state, "address": address, "id": id_} for name, state, address, id_ in bearers]
        return members.takeover([{"item": "x", "unreachable": True}, {"stdout": json.dumps({"members": seen})}], said, own_id)

    assert "nobody says whether h1 is dead" in members.takeover([{"stdout": ""}], said, "")["fault"]
    assert "alive in the cluster, at b:1" in others_say(("h1", "incompatible", "b:1", "1"))["fault"]
    assert others_say(("h1", "alive", "a:1", "1"), ("h2", "alive", "c:1", "2")) == {"others": ["h2"], "old_ids": ["1"], "fault": ""}
    assert others_say(("h1", "dead", "b:1", "1"), ("h1", "revoked", "b:1", "0"))["old_ids"] == ["1"]
    assert "has the keys of the member h1 itself" in others_say(("h1", "alive", "a:1", "1"), own_id="1")["fault"]

    def leaves(*states, **answer):
        return members.leave_fault({"stdout": json.dumps({"members": [{"name": state, "state": state} for state in states]}), **answer}, "h1")

    assert leaves("alive", "left", "revoked") == ""
    assert "h1 stays: it does not see alive dead, suspect," in leaves("alive", "dead", "suspect")
    assert "does not answer (no socket)" in leaves(rc=1, stderr="no socket\n")
    assert members.unstored([{"item": "a", "rc": 0}, {"item": "b", "rc": 1}, {"item": "c"}]) == ["b"]
    assert members.revoke_ids("", "h1") == []


def a_phrase_comes_from_somewhere_or_goes_somewhere():
    vaults = plugin("ecbak_vaults")
    first, second = ({"stores": True, "has_vault": has} for has in (False, True))
    alone, one_has = vaults.vaults({"a": first}), vaults.vaults({"a": first, "b": second, "c": {"stores": False, "has_vault": False}})
    assert one_has == {"makers": ["a"], "owners": ["b"]}
    assert "b has one: set ecbak_phrase_file" in vaults.vault_fault(one_has, "a", False, "/f", {})
    assert vaults.vault_fault(one_has, "a", True, "", {}) == "" == vaults.vault_fault(one_has, "b", False, "", {})
    assert "Where does the recovery phrase" in vaults.vault_fault(alone, "a", False, "", {})
    assert vaults.vault_fault(alone, "a", False, "/f", {"rc": 1, "stderr": "denied"}).startswith("/f cannot be written")
    assert vaults.vault_fault(alone, "a", False, "/f", {"rc": 0}) == ""


def a_host_keeps_its_seeds_while_others_are_missing():
    hosts = plugin("ecbak_hosts")
    known = [{"address": f"{name}:1", "key": "k"} for name in "abcd"]
    assert hosts.seeds([], known, [], known[3:], "2") == known[:2] + known[3:]
    assert hosts.seeds(known[2:], known, ["h9"], [], 2) == known[2:] and hosts.seeds([], known, ["h9"], [], 1) == known[:1]
    assert hosts.seeds_said([{"stdout": f"[::1]:7411 {'5e' * 32}"}, {"stdout": ":7411 "}, {"unreachable": True}]) == [{"address": "[::1]:7411", "key": "5e" * 32}]


def a_size_counts_what_the_node_uses_already():
    takes(seen(disk={"free_bytes": 2**30, "folder": "/"}, node={"status": {"used_bytes": 2**30}}), ecbak_capacity="2G")


def a_node_takes_the_configuration_that_is_written():
    conf = SCRATCH / "ecbakd.conf"
    key = "5f" * 32
    write = [{"include_vars": str(ANSIBLE / "roles/ecbak/defaults/main.yml")},
             {"include_vars": str(ANSIBLE / "roles/ecbak/vars/main.yml")},
             {"template": {"src": str(ANSIBLE / "roles/ecbak/templates/ecbakd.conf.j2"), "dest": str(conf)}}]
    for more in ({}, {"ecbak_zone": "attic", "ecbak_config": {"key_file": "/srv/node.key"}, "ecbak_capacity": "20M",
                      "ecbak_seeds_extra": [{"address": "192.0.2.1:7411", "key": key}, {"address": "[2001:db8::1]:7411", "key": key}]}):
        conf.unlink(missing_ok=True)
        variables = {"ecbak_probe": {"stdout": seen()}, "ecbak_name": "here", **more}
        done = play(write, "-e", json.dumps(variables), ANSIBLE_FILTER_PLUGINS=str(PLUGINS))  # which the role brings itself
        expect(done)
        expect(run(BUILD / "ecbakd", "--config", conf, "--check-config"), "is good")
    assert conf.read_text().count(key) == 2, conf.read_text()


def the_controller_signs_each_host_under_the_inventorys_name():
    for name in ("one", "two"):
        (SCRATCH / f"{name}.conf").write_text(f'name = {name}\nzone = attic\ndata_dir = "{SCRATCH}/{name}.data"\nkey_file = "{SCRATCH}/{name}.key"\n')
    requests = [run(BUILD / "ecbakd", "--config", SCRATCH / f"{name}.conf", "--init").stdout.strip() for name in ("one", "two")]
    lines = f"\nh1 first a 30 new {requests[0]}\nh2 second - 30 new {requests[1]}\nh3 third - 30 new ecbak-request-1:rubbish\n"
    answer = controller("sign", lines)
    assert answer[0] == f"made {SCRATCH}/authority" and answer[1].startswith("authority "), answer
    signed = {line.split()[1]: json.loads(line.split(" ", 2)[2])[0] for line in answer if line.startswith("ok ")}
    assert {host: cert["name"] for host, cert in signed.items()} == {"h1": "first", "h2": "second"}, signed
    assert signed["h1"]["zone"] == "a", signed
    assert answer[-1].startswith("no h3 "), answer


def no_second_authority_is_made_for_a_cluster_that_has_one():
    answer = controller("sign", "\nh1 x - 30 new ecbak-request-1:x\n", AUTHORITY_DIR=str(SCRATCH / "elsewhere"), CLUSTER_OF="h9")
    assert answer[0].startswith("stop There is no authority in") and "h9" in answer[0], answer
    assert not (SCRATCH / "elsewhere").exists()


def the_controller_takes_the_command_of_a_package_that_runs_there():
    for name, program in (("newer", b"#!/bin/sh\nexit 1\n"), ("fits", (BUILD / "ecbak").read_bytes())):
        folder = SCRATCH / f"package-{name}"
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/ecbak").write_bytes(program)
        (folder / "usr/bin/ecbak").chmod(0o755)
        (folder / "DEBIAN").mkdir()
        (folder / "DEBIAN/control").write_text("Package: ecbak\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n")
        expect(run("dpkg-deb", "--build", folder, SCRATCH / f"{name}.deb"))
    newer, fits = SCRATCH / "newer.deb", SCRATCH / "fits.deb"
    system = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ECBAK_BINARY": ""}
    assert controller("sign", "\n", **system, ECBAK_DEBS=f"{newer}\n{fits}")[0].startswith("authority ")
    assert "does not run on the controller" in controller("sign", "\n", **system, ECBAK_DEBS=str(newer))[0]
    assert "no package that can be unpacked" in controller("sign", "\n", **system, ECBAK_DEBS="/nonexistent.deb")[0]


def a_key_from_a_vault_leaves_no_copy():
    import base64
    authority = SCRATCH / "authority"
    key = authority / "authority.key"
    text = base64.b64encode(key.read_bytes()).decode()
    key.rename(SCRATCH / "kept.key")
    (SCRATCH / "one.key").unlink()
    shutil.rmtree(SCRATCH / "one.data")
    request = run(BUILD / "ecbakd", "--config", SCRATCH / "one.conf", "--init").stdout.strip()
    before = set(pathlib.Path("/dev/shm").glob("ecbak-controller-*"))
    answer = controller("sign", f"{text}\nh1 third - 30 new {request}\n")
    assert answer[-1].startswith("ok h1 "), answer
    assert not key.exists() and set(pathlib.Path("/dev/shm").glob("ecbak-controller-*")) <= before
    assert "no base64" in controller("sign", "!!!\nh1 x - 30 new x\n")[0]


def controller(action, lines, **more):
    env = {"AUTHORITY_DIR": str(SCRATCH / "authority"), "ECBAK_BINARY": str(BUILD / "ecbak"), **more}
    done = subprocess.run(["sh", str(ANSIBLE / "roles/ecbak/files/controller.sh"), action], input=lines, text=True, timeout=60,
                          env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0 and done.stderr == "", f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.splitlines()


def machines_in_a_cloud_are_checked_before_it_is_asked():
    book = ANSIBLE / "provision-gcp.yml"
    key = SCRATCH / "key.pub"
    key.write_text("ssh-ed25519 AAAA test\n")
    good = ["-e", "gcp_project=p", "-e", f"gcp_ssh_public_key_file={key}"]
    expect(run("ansible-playbook", book), "missing required arguments: gcp_project", code=2)
    expect(run("ansible-playbook", book, *good, "-e", "gcp_count=many"), "'gcp_count'", code=2)
    expect(run("ansible-playbook", book, *good, "-e", "gcp_count=200"), "gcp_count is 1 to 100", code=2)
    expect(run("ansible-playbook", book, *good, "--check"), "failed=0")


def a_lab_comes_up_stays_as_it_is_grows_and_goes():
    command = BUILD / "ecbak"
    book = [ANSIBLE / "provision-local.yml", "-e", f"ecbak_controller_binary={command}"]

    def gives(changed, *options):
        expect(run("ansible-playbook", *book, *options), f"changed={changed} ", "failed=0")

    def refuses_it(words, *options):
        expect(run("ansible-playbook", *book, *options), words, code=2)

    def running():
        shown = run(command, "lab", "status", "--json")
        return {node["name"]: node["pid"] for node in json.loads(shown.stdout)["nodes"] if node["pid"]} if shown.returncode == 0 else {}

    try:
        refuses_it("nodes is 2 to 50", "-e", "nodes=1")
        refuses_it("nodes is 2 to 50", "-e", "nodes=many")
        refuses_it("state is present or absent", "-e", "state=gone")
        refuses_it("No such file", "-e", f"ecbak_controller_binary={SCRATCH}/none")
        gives(1, "-e", "nodes=3", "--check")
        assert not running()
        gives(1, "-e", "nodes=3")
        assert list(running()) == ["node-1", "node-2", "node-3"], running()
        members = json.loads(run("sh", "-c", f'eval "$({command} lab env)" && ecbak members --json').stdout)["members"]
        assert [member["state"] for member in members] == ["alive"] * 3, members
        gives(0, "-e", "nodes=3")
        gives(0)  # as many as there are
        run(command, "lab", "kill", "node-2")
        gives(1)
        assert len(running()) == 3, running()
        gives(1, "-e", "nodes=4")
        assert len(running()) == 4, running()
        refuses_it("can only grow", "-e", "nodes=3")
        gives(1, "-e", "state=absent", "--check")
        nodes = running()
        assert len(nodes) == 4, nodes
        gives(1, "-e", "state=absent")
        assert not any(pathlib.Path(f"/proc/{pid}/exe").exists() for pid in nodes.values()), nodes
        assert not (SCRATCH / ".local/state/ecbak/lab").exists()
        gives(0, "-e", "state=absent")
    finally:
        run(command, "lab", "down")


TESTS = [yamllint_has_nothing_to_say, ansible_lint_has_nothing_to_say, every_playbook_can_be_read,
         every_playbook_has_its_section_in_the_readme, the_inventories_have_the_machines_that_they_say,
         every_variable_is_specified_and_explained, a_wrong_type_or_word_is_named_before_anything_is_done,
         a_host_with_which_nothing_is_wrong_is_taken, what_is_wrong_with_a_host_is_a_sentence_each,
         a_node_never_begins_with_nothing_because_its_data_dir_is_said_anew, zones_that_are_guesses_are_said_once_and_by_zone,
         hosts_that_speak_with_each_other_are_taken, of_two_sides_the_smaller_one_stops_and_at_equality_the_older,
         no_host_is_changed_that_would_lose_a_member_by_it, a_host_is_told_before_anything_is_done_to_it, a_package_says_what_it_speaks,
         a_host_gets_the_package_of_its_release_or_of_an_older_one,
         a_host_that_gets_no_certificate_is_told_why, whom_others_would_miss_is_neither_replaced_nor_let_go,
         a_phrase_comes_from_somewhere_or_goes_somewhere, a_host_keeps_its_seeds_while_others_are_missing,
         a_size_counts_what_the_node_uses_already, a_node_takes_the_configuration_that_is_written,
         the_controller_signs_each_host_under_the_inventorys_name, no_second_authority_is_made_for_a_cluster_that_has_one,
         the_controller_takes_the_command_of_a_package_that_runs_there, a_key_from_a_vault_leaves_no_copy, machines_in_a_cloud_are_checked_before_it_is_asked,
         a_lab_comes_up_stays_as_it_is_grows_and_goes]
LINT = TESTS[:3]


def main():
    global SCRATCH
    missing = [tool for tool in ("ansible-playbook", "ansible-lint", "yamllint") if shutil.which(tool) is None]
    if missing:
        print(f"(needs {', '.join(missing)}: ansible/ is not checked; `make lint-ansible` installs them)")
        print("ok nothing_can_be_checked_here")
        return 0
    words = [word for word in sys.argv[1:] if word != "--lint"]
    with tempfile.TemporaryDirectory(prefix="ecbak-ansible-") as folder:
        SCRATCH = pathlib.Path(folder)
        return run_tests(*(LINT if "--lint" in sys.argv else TESTS), words=words)


SCRATCH = pathlib.Path()

if __name__ == "__main__":
    sys.exit(main())
