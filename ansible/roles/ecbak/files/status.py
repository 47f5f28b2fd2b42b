"""How this host's node and its backups are, in one round trip: prints one JSON object."""
import datetime
import glob
import json
import re
import shutil
import subprocess
import time


def run(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False).stdout.decode("utf-8", "replace").strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def as_json(text):
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return {} if "error" in answer else answer


def timer(name):
    """When a profile's store ran last and how it ended."""
    def shown(unit):
        return dict(line.split("=", 1) for line in run("systemctl", "show", unit).splitlines() if "=" in line)
    service = shown(f"ecbak-store@{name}.service")
    if run("systemctl", "is-enabled", f"ecbak-store@{name}.timer") != "enabled":
        return f"{name}: disabled"
    ended = service.get("ExecMainExitTimestamp", "")
    if not ended:
        return f"{name}: not run yet"
    return f"{name}: {ended.split()[1]} exit {service.get('ExecMainStatus')}"


status = as_json(run("ecbak", "status", "--json"))
members = as_json(run("ecbak", "members", "--json")).get("members", [])
certificate = as_json(run("ecbak", "authority", "show", "--json", "/etc/ecbak/node.cert"))
states = {}
for member in members:
    states[member["state"]] = states.get(member["state"], 0) + 1
with_problem = [f"{m['name']} {m['state']}" for m in members if m["state"] not in ("alive", "left", "revoked")]
print(json.dumps({
    "node": status.get("name", "-"), "state": status.get("state") or run("systemctl", "is-active", "ecbakd") or "not there",
    "version": status.get("software", "-"), "sees": ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "-",
    "not_alive": with_problem, "reach": status.get("reach", "") if status.get("reach_failed") else "", "used_bytes": status.get("used_bytes", 0), "capacity_bytes": status.get("capacity_bytes", 0),
    "free_bytes": shutil.disk_usage("/var/lib/ecbak" if glob.glob("/var/lib/ecbak") else "/").free,
    "certificate_days": int((datetime.datetime.fromisoformat(certificate["not_after"].replace("Z", "+00:00")).timestamp() - time.time()) / 86400) if certificate else None,
    "timers": [timer(re.sub(r".*/|\.conf$", "", path)) for path in sorted(glob.glob("/etc/ecbak/store.d/*.conf"))],
    "time": datetime.datetime.now(datetime.timezone.utc).strftime("%F %T")}))
