"""What this host is, has and runs, in one round trip: prints one JSON object. Changes nothing.

Reads the environment: ECBAK_DATA_DIR, ECBAK_MEMBER_PORT; NOW, the controller's clock at the moment of asking.
"""
import glob
import grp
import hashlib
import json
import os
import platform
import pwd
import re
import shutil
import subprocess
import time

CONF = "/etc/ecbak/ecbakd.conf"
CERT = "/etc/ecbak/node.cert"


def run(*command):
    """(exit status, standard output); a command that is not there has failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def as_json(status_and_text):
    try:
        answer = json.loads(status_and_text[1])
    except ValueError:
        return None
    return None if "error" in answer else answer


def operating_system():
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text("/etc/os-release"), re.M))
    return {"id": fields.get("ID", platform.system()), "like": fields.get("ID_LIKE", ""),
            "name": fields.get("PRETTY_NAME", platform.platform()),
            "version": fields.get("VERSION_ID", ""), "codename": fields.get("VERSION_CODENAME", ""),
            "architecture": run("dpkg", "--print-architecture")[1] or platform.machine()}


def package():
    """The installed version, a digest over it and the digests of its files (the very same package or not), and the protocol versions
    that it speaks: 1 where it is from before packages said so."""
    status, shown = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Version} ${Provides}", "ecbak")
    words = shown.split()
    if status != 0 or len(words) < 2 or words[0] != "ii":
        return {"version": "", "digest": "", "protocol": []}
    spoken = [int(number) for number in re.findall(r"ecbak-protocol-(\d+)", shown)] or [1]
    sums = f"{words[1]}\n" + text("/var/lib/dpkg/info/ecbak.md5sums")
    return {"version": words[1], "digest": hashlib.sha256(sums.encode()).hexdigest(), "protocol": [min(spoken), max(spoken)]}


def default_address():
    """The source address towards the world; without a default route, where this SSH session came in, or the first one."""
    for family, world in (("-4", "192.0.2.1"), ("-6", "2001:db8::1")):
        found = re.search(r"\bsrc (\S+)", run("ip", family, "route", "get", world)[1])
        if found and not found[1].startswith(("127.", "::1", "fe80:")):
            return found[1]
    came_to = os.environ.get("SSH_CONNECTION", "").split()
    if len(came_to) == 4 and not came_to[2].startswith(("127.", "::1", "fe80:")):
        return came_to[2]
    found = re.search(r"\binet6? ([0-9a-f.:]+)/", run("ip", "-o", "address", "show", "scope", "global")[1])
    return found[1] if found else ""


def disk(data_dir):
    """Bytes free where data_dir is or will be."""
    folder = data_dir
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder) or "/"
    return {"free_bytes": shutil.disk_usage(folder).free, "folder": folder}


def firewall():
    """Which manager of a packet filter is active: ufw, firewalld, nftables, or none."""
    if run("systemctl", "is-active", "firewalld")[1] == "active":
        return "firewalld"
    if run("ufw", "status")[1].startswith("Status: active"):
        return "ufw"
    if run("systemctl", "is-active", "nftables")[1] == "active":
        return "nftables"
    return "none"


def as_it_is(path):
    """Digest, owner and mode of a file, as one text; "" when it is not there."""
    try:
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
            return f"{hashlib.sha256(file.read()).hexdigest()} {pwd.getpwuid(about.st_uid)[0]}:{grp.getgrgid(about.st_gid)[0]} {about.st_mode & 0o777:o}"
    except (OSError, KeyError):
        return ""


def seeds():
    """The seeds of the configuration that is there."""
    return [{"address": address, "key": key} for address, key in
            re.findall(r'^seed\n    address = "?([^"\n]+?)"?\n    key = "?([^"\n]+?)"?$', text(CONF), re.M)]


def data_dir():
    """Where the node looks for its data, by the configuration that is there."""
    found = re.search(r'^data_dir = "?([^"\n]+?)"?$', text(CONF), re.M)
    return found[1] if found else "/var/lib/ecbak/data"


def owner_of(folder):
    """The id of the node whose data directory this is, by its sentinel (node/FORMAT.md); "" when it is nobody's."""
    try:
        with open(os.path.join(folder, "sentinel"), "rb") as file:
            head = file.read(48)
    except OSError:
        return ""
    return head[16:].hex() if len(head) == 48 and head.startswith(b"ecbksent") else ""


def members(status):
    """Whom the node sees, itself left out: those that are alive, and those with which it shares no protocol version."""
    seen = as_json(run("ecbak", "members", "--json")) if status else None
    return [{"name": member["name"], "protocol": [member.get("protocol_min") or 1, member.get("protocol_max") or 1],
             "alive": member["state"] == "alive"}
            for member in (seen or {}).get("members", [])
            if member["state"] in ("alive", "incompatible") and member["id"] != status.get("node")]


def node():
    """Keys, certificate and state. A request is a signature by the node's own key: asked for only where it may be needed."""
    key = glob.glob("/var/lib/ecbak/node.key")
    status = as_json(run("ecbak", "status", "--json")) or {}
    certificate = as_json(run("ecbak", "authority", "show", "--json", CERT)) or {}
    return {"has_key": bool(key), "has_data": os.path.exists(os.environ["ECBAK_DATA_DIR"]), "data_of": owner_of(os.environ["ECBAK_DATA_DIR"]),
            "old_data_dir": data_dir(), "old_data_of": owner_of(data_dir()), "zone": run("ecbakd", "--print-zone")[1],
            "request": run("ecbakd", "--print-request")[1] if key else "",
            "certificate": certificate, "authority": text("/etc/ecbak/authority.pub").strip(), "seeds": seeds(),
            "members": members(status),
            "status": {name: status.get(name) for name in ("name", "node", "state", "software", "used_bytes")},
            "failing": run("systemctl", "show", "--property=SubState", "--value", "ecbakd")[1] == "auto-restart",
            "active": run("systemctl", "is-active", "ecbakd")[1] == "active",
            "enabled": run("systemctl", "is-enabled", "ecbakd")[1] == "enabled"}


now = time.time()
print(json.dumps({
    "clock_ahead_s": round(now - float(os.environ["NOW"])), "root": os.geteuid() == 0, "hostname": platform.node(),
    "systemd": os.path.isdir("/run/systemd/system"), "os": operating_system(), "package": package(),
    "address": default_address(), "disk": disk(os.environ["ECBAK_DATA_DIR"]), "firewall": firewall(), "node": node(), "conf": as_it_is(CONF),
    "has_limits": os.path.exists("/etc/systemd/system/ecbakd.service.d/ansible.conf")}))
