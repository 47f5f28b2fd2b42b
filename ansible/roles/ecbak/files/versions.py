"""Which hosts of a run must stop because of protocol versions, theirs or those of the package that they would get.

Reads {"hosts": [{"host", "name", "version", "now", "next", "package", "members": [{"name", "protocol", "alive"}]}]}: what a host has
(now, [] where nothing is installed), what it will have after the run (next, [] where that is not known), and whom its node sees, itself
left out. A range is [lowest, highest]. Prints {host: sentence} for those who must stop.

Two sides that share no version are no members to each other. So
- of those that cannot be together after the run, the fewer stop, at equality the older ones;
- nobody is changed who would lose a member by that, one that is alive now and stays as it is in this run.
"""
import collections
import json
import sys


def meet(one, other):
    return bool(one and other) and one[0] <= other[1] and other[0] <= one[1]


def text(protocol):
    return str(protocol[0]) if protocol[0] == protocol[1] else f"{protocol[0]} to {protocol[1]}"


def who_speaks_what(units):
    """{name: range} as "h1, h2 speak 1 to 2; h3 speaks 1"."""
    names = collections.defaultdict(list)
    for name, protocol in units.items():
        names[tuple(protocol)].append(name)
    shown = [f"{', '.join(those[:8])}{f' and {len(those) - 8} more' if len(those) > 8 else ''} {'speak' if len(those) > 1 else 'speaks'} {text(protocol)}"
             for protocol, those in sorted(names.items())]
    return "; ".join(shown)


def the_most_spoken(ranges):
    votes = collections.Counter(version for lowest, highest in ranges for version in range(lowest, highest + 1))
    return max(votes, key=lambda version: (votes[version], version))


def apart(host, others):
    """Of a host that is on the smaller side."""
    is_old = host["next"][1] < min(protocol[0] for protocol in others.values())
    only = f"protocol {text(host['next'])} only, but {who_speaks_what(others)}"
    if host["next"] != host["now"]:
        return f"{host['package']}, which this host would get, speaks {only}. " + (
            "Set ecbak_deb to a package of their version for it; nothing was done here." if is_old else
            "Upgrade those first (upgrade.yml), through a version that speaks both; nothing was done here.")
    return f"This host has ecbak {host['version']}, which speaks {only}; they are no members to each other. " + (
        "This run brings it no other: set ecbak_deb to a package of their version for it, and run this again; nothing was done here." if is_old
        else "Upgrade those (upgrade.yml), or bring this host back to their version (ecbak_deb); nothing was done here.")


def lonely(host, lost):
    return (f"{host['package']} speaks protocol {text(host['next'])} only, but {who_speaks_what(lost)} and would be lost: "
            f"{'they stay' if len(lost) > 1 else 'it stays'} as now when this host is changed. "
            "Upgrade first to a version that speaks both; nothing was done here.")


def sentences(hosts):
    ours = {host["name"]: host for host in hosts}
    seen = {member["name"]: member for host in hosts for member in host["members"] if not member["alive"]}
    seen.update((member["name"], member) for host in hosts for member in host["members"] if member["alive"])
    outside = {name: member["protocol"] for name, member in seen.items() if name not in ours}
    after = {**outside, **{name: host["next"] for name, host in ours.items() if host["next"]}}
    staying = {name: member["protocol"] for name, member in seen.items()
               if member["alive"] and (name not in ours or ours[name]["now"] == ours[name]["next"])}
    chosen = the_most_spoken(after.values()) if after else 0
    for host in hosts:
        next_, now = host["next"], host["now"]
        if not next_:
            continue
        others = {name: protocol for name, protocol in after.items() if not meet(protocol, next_)}
        lost = {name: protocol for name, protocol in staying.items() if next_ != now and name != host["name"]
                and not meet(protocol, next_) and (meet(protocol, now) or (not now and name in outside))}
        if lost:
            yield host["host"], lonely(host, lost)
        elif others and not next_[0] <= chosen <= next_[1]:
            yield host["host"], apart(host, others)


if __name__ == "__main__":
    print(json.dumps(dict(sentences(json.load(sys.stdin)["hosts"]))))
