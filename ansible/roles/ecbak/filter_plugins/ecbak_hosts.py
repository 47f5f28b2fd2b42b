"""What the hosts of a run have said of themselves (set_fact), gathered for one of them."""
import re


def told(hosts, hostvars, name, empty=True):
    """{host: value} of this variable, of those hosts that have it; with empty=False only of those where there is something in it."""
    values = {}
    for host in hosts:
        its = hostvars[host]  # once: Ansible gathers all variables of the host for it
        if name in its:
            values[host] = its[name]
    return {host: value for host, value in values.items() if empty or value}


def others(told_by_all, host):
    return {name: value for name, value in told_by_all.items() if name != host}


def places(selves):
    """name=address of each."""
    return [f"{one['name']}={one['address']}" for one in selves.values()]


def at_port(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def seeds_said(results):
    """What hosts outside of this run have answered, as `ADDRESS KEY`."""
    found = [re.match(r"(\S+) ([0-9a-f]{64})$", result.get("stdout", "")) for result in results]
    return [{"address": match[1], "key": match[2]} for match in found if match]


def seeds(has, known, missing, extra, most):
    """The first others of the inventory, which stay the same when a host is added at its end. Where not all hosts of the group take
    part in this run, a host that has seeds keeps them, so that an absent host makes nobody restart."""
    return has if missing and has else known[:int(most)] + extra


def guesses(zones):
    """Of hosts whose zones are guesses, {host: zone}: how they count."""
    hosts = {}
    for host, zone in zones.items():
        hosts.setdefault(zone, []).append(host)
    counted = "; ".join(f"{zone} with {', '.join(those)}" for zone, those in hosts.items())
    return (f"{', '.join(zones)} are in virtual machines whose physical hosts cannot be found out. They count as {len(hosts)} "
            f"{'zone' if len(hosts) == 1 else 'zones'}: {counted}. Where some are on different physical hosts"
            f"{'' if len(hosts) == 1 else ', or two of these zones on one'}, say so with ecbak_zone.")


class FilterModule:
    def filters(self):
        return {"ecbak_told": told, "ecbak_others": others, "ecbak_places": places, "ecbak_at_port": at_port,
                "ecbak_seeds_said": seeds_said, "ecbak_seeds": seeds, "ecbak_guesses": guesses}
