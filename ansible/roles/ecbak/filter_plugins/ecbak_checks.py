"""What keeps a host from being a member: a sentence each that says what to do. All are tried, so that one run shows them all."""
import os.path
import re

UNITS = "KMGTP"
CAPACITY_MIN = 16 << 20
DEBIAN_OLDEST, DEBIAN_HELD = 12, "Debian 12 and 13"
LOOPBACK = r"^(127\.|::1$|localhost$|0\.0\.0\.0$)"


def whole(value):
    """As Jinja has it: what is no number is 0."""
    for convert in (int, lambda text: int(float(text))):
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):
            pass
    return 0


def size_bytes(size):
    text = str(size)
    return whole(re.sub(f"[{UNITS}]$", "", text)) * 1024 ** (UNITS.find(text[-1:] or "-") + 1)


def data_is_ours(node):
    """A node starts with a data directory of its own only, and only ecbakd --init makes one, with the keys."""
    return node["data_of"] != "" and node["data_of"] == node["certificate"].get("node", node["data_of"])


def of_the_host(seen, said):
    if not seen["root"]:
        yield "This needs root on the host. Set ansible_become to true for it."
    if not seen["systemd"]:
        yield "systemd does not run on this host, and the node is a service of it."
    system = seen["os"]
    release = whole(system["version"]) if system["id"] == "debian" else 0  # none in what is not released yet
    if "debian" not in [system["id"], *system["like"].split()] or 0 < release < DEBIAN_OLDEST:
        yield f"This host runs {system['name']}. The package is for {DEBIAN_HELD}."
    elif 0 < release < whole(said["deb_release"]):
        yield (f"This host runs {system['name']}, and {os.path.basename(said['deb'])} was built on Debian {said['deb_release']}, whose libraries "
               f"are newer. Have one built for it beside that (make deb RELEASE={system['codename']}), or set ecbak_deb for it to one.")
    ahead_s, most_s = whole(seen["clock_ahead_s"]), whole(said["clock_skew_max_s"])
    if abs(ahead_s) > most_s:
        yield (f"This host's clock is {abs(ahead_s)} s {'ahead of' if ahead_s > 0 else 'behind'} the controller's, more than the "
               f"{said['clock_skew_max_s']} s that certificates bear. Set it (timedatectl set-ntp true), and run this again.")


def of_the_inventory(said, others, group_size):
    name, zone, address = said["name"], said["zone"], said["address"]
    if not re.search(r"^[A-Za-z0-9._-]{1,31}$", str(name)):
        yield f"ecbak_name '{name}' is no name: 1 to 31 of A-Z a-z 0-9 . _ - are."
    if not re.search(r"^[A-Za-z0-9._-]{0,31}$", str(zone)):
        yield f"ecbak_zone '{zone}' is no name of a zone: up to 31 of A-Z a-z 0-9 . _ - are."
    namesakes = [host for host, other in others.items() if other["name"] == name]
    if namesakes:
        yield f"The name {name} is given to {', '.join(namesakes)} too. Give each host an ecbak_name of its own."
    if address == "":
        yield "This host has no address that others could reach. Set ecbak_advertise_address for it."
    if re.search(LOOPBACK, str(address)) and group_size > 1:
        yield f"The address {address} means this host itself everywhere. Set ecbak_advertise_address to one that the others reach."
    addressees = [host for host, other in others.items() if other["address"] == said["member_address"]]
    if addressees:
        yield (f"{', '.join(addressees)} would have the address {said['member_address']} too. "
               "Set ecbak_advertise_address, or ecbak_member_port and ecbak_bulk_port, for one of them.")
    if whole(said["member_port"]) == whole(said["bulk_port"]):
        yield f"ecbak_member_port and ecbak_bulk_port are both {said['member_port']}. They are two ports."


def of_the_capacity(seen, said):
    capacity = said["capacity"]
    space_bytes = whole(seen["disk"]["free_bytes"]) + whole(seen["node"]["status"].get("used_bytes") or 0)
    if not re.search(f"^[0-9]+[{UNITS}]?$", str(capacity)) or size_bytes(capacity) < CAPACITY_MIN:
        yield f"ecbak_capacity '{capacity}' is no size from 16M up, such as 100G."
    if size_bytes(capacity) > space_bytes:
        yield (f"ecbak_capacity is {capacity}, but {seen['disk']['folder']} has room for {int(space_bytes / 1048576)}M only. "
               "Lower ecbak_capacity, or set ecbak_data_dir to a larger disk.")


def of_the_data(node, said, host):
    """Nothing is begun with nothing where there was something before."""
    data_dir, certified, old_dir = said["data_dir"], node["certificate"] != {}, node["old_data_dir"]
    if not node["has_key"] and node["has_data"]:
        yield (f"{data_dir} is there, but no node.key in /var/lib/ecbak: the data is another node's, or the key is lost. "
               "Bring the key back, or set ecbak_data_dir to a folder that is not there yet.")
    if not node["has_key"] or data_is_ours(node):
        return
    moved = node["old_data_of"] != ""
    if old_dir != data_dir and (certified or moved):
        what_to_do = (
            f"Set ecbak_data_dir back; or move all of it, on the host: systemctl stop ecbakd && mkdir -p {os.path.dirname(data_dir)} "
            f"&& mv -T {old_dir} {data_dir} -- and run this again." if moved else
            "Bring its disk back. If it is lost, this is a new machine: remove /var/lib/ecbak/node.key and /etc/ecbak/node.cert "
            f"on the host, and run replace.yml -e host={host}.")
        yield (f"ecbak_data_dir is {data_dir}, but what others store on this host {'is' if moved else 'should be'} in {old_dir}. "
               f"Nothing was changed, so that it does not begin with nothing. {what_to_do}")
    if not certified and not moved:
        yield (f"There is a node.key in /var/lib/ecbak, but {data_dir} is not its data directory. If this machine was a member before, "
               "set ecbak_data_dir to where it kept its data. If it never was, remove /var/lib/ecbak/node.key, and run this again.")


def faults(seen, said, others, host, group_size):
    """`seen` is what probe.py prints, `said` what the inventory says of this host, `others` what other hosts say of themselves."""
    return [*of_the_host(seen, said), *of_the_inventory(said, others, group_size), *of_the_capacity(seen, said),
            *of_the_data(seen["node"], said, host)]


class FilterModule:
    def filters(self):
        return {"ecbak_faults": faults}
