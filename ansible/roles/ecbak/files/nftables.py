"""Lets the ports PORTS in where nftables has no manager above it; prints what it changed. With CHECK set it only says.

A packet that one table accepts may still be dropped by another, so a table of our own would open nothing: the rule has to stand in
the chain that drops, before what drops. Each chain that sees incoming packets gets it at its head, known by its comment. To stay
after a reload, the same is written to /etc/nftables.d/ecbak.nft, which /etc/nftables.conf includes at its end by a pattern:
a pattern that matches nothing is no error, so removing the file never keeps the packet filter from loading.
"""
import json
import os
import subprocess

CONF = "/etc/nftables.conf"
FILE = "/etc/nftables.d/ecbak.nft"
INCLUDE = 'include "/etc/nftables.d/*.nft"\n'
ports, check = os.environ["PORTS"].split(), bool(os.environ.get("CHECK"))


def nft(*words, stdin=None):
    return subprocess.run(["nft", *words], input=stdin, stdout=subprocess.PIPE, check=True, text=True).stdout


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644)
    os.rename(path + ".new", path)


def ruleset():
    listed = json.loads(nft("-j", "list", "ruleset"))["nftables"]
    chains = [item["chain"] for item in listed if item.get("chain", {}).get("hook") == "input"
              and item["chain"].get("type") == "filter" and item["chain"]["family"] in ("inet", "ip", "ip6")]
    return chains, [item["rule"] for item in listed if "rule" in item]


def port_set(rule):
    """The ports of a rule that this wrote."""
    for part in rule["expr"]:
        right = part.get("match", {}).get("right")
        if isinstance(right, dict) and "set" in right:
            return {str(port) for port in right["set"]}
        if isinstance(right, int):
            return {str(right)}
    return set()


commands, lasting, changed = [], [], []
chains, rules = ruleset()
for chain in chains:
    place = f'{chain["family"]} {chain["table"]} {chain["name"]}'
    rule = f'insert rule {place} tcp dport {{ {", ".join(sorted(ports))} }} accept comment "ecbak"'
    table = f'{chain["family"]} {chain["table"]}'
    # A chain that is gone one day comes back empty and sees nothing: no error, no effect.
    lasting += [f"add table {table}", f"add chain {place}", rule]
    ours = [r for r in rules if r.get("comment") == "ecbak"
            and (r["family"], r["table"], r["chain"]) == (chain["family"], chain["table"], chain["name"])]
    if len(ours) == 1 and port_set(ours[0]) == set(ports):
        continue
    commands += [f'delete rule {place} handle {r["handle"]}' for r in ours] + [rule]
    changed.append(place)

text = "# Written by Ansible for ecbak: its ports, in each chain that sees incoming packets.\n" + "\n".join([*lasting, ""])
if chains and read(FILE) != text:
    changed.append(FILE)
conf = read(CONF)
if chains and INCLUDE not in conf:
    changed.append(CONF)
if changed and not check:
    if commands:
        nft("-f", "-", stdin="\n".join([*commands, ""]))
    write(FILE, text)
    if INCLUDE not in conf:
        write(CONF, conf + ("" if conf.endswith("\n") or not conf else "\n") + INCLUDE)
print("\n".join(changed))
