"""Waits until this node sees all members in NAMES alive, WAIT_S long at most; prints {"unseen": [sentence, ...], "alive": how many}.

With COMPANY set it is not content with itself: the others are not in this run, but there are some.

Why one is not seen: a connection is tried to its ports, which tells a closed packet filter from a node that does not run, and the
node's own counters tell what it refused. Where it is the versions that do not fit, the node knows whom to upgrade.
"""
import json
import os
import re
import socket
import subprocess
import time


def ecbak(*words):
    """What the command answers in JSON, or {}: the node may be starting still. What it says of an error comes after the answer."""
    done = subprocess.run(["ecbak", *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    answer = json.loads((done.stdout.splitlines() or [b"{}"])[0])
    return answer if "error" not in answer else {}


def door(address):
    """What happens to a connection to HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        return f"its port answers at {address}"
    except ConnectionRefusedError:
        return f"nothing listens at {address}: look at its `journalctl -u ecbakd`"
    except OSError as error:
        return f"{address} cannot be reached ({error.strerror or 'no answer'}): a packet filter, or a wrong ecbak_advertise_address"


def refused(status):
    counters = {name: value for name, value in status.get("counters", {}).items() if name.startswith("refused_") and value}
    return "; this node refused: " + ", ".join(f"{re.sub('_', ' ', name[8:])} {value} times" for name, value in counters.items()) \
        if counters else ""


def reasons(unseen, members, addresses):
    known = {member["name"]: member["address"] for member in members}
    status = ecbak("status") if unseen else {}
    advice = {sentence.split(" ", 1)[0]: sentence.split(" ", 1)[1] for sentence in status.get("incompatible", [])}
    # Some others have tried to call this node back, where it is new enough to ask them.
    here = f"; others cannot reach this host: {status.get('reach')}" if status.get("reach_failed") else ""
    if not members:
        yield "its own node, which does not answer: see journalctl -u ecbakd"
        return
    for name, state in unseen.items():
        if name in advice:
            yield f"{name}: it {advice[name]} (upgrade.yml, or site.yml with another ecbak_deb)"
            continue
        why = door(known.get(name) or addresses.get(name) or ":0")
        yield f"{name} ({state}; {why}{refused(status)}{here})"


names = os.environ["NAMES"].split()
end = time.monotonic() + float(os.environ["WAIT_S"])
company = bool(os.environ.get("COMPANY"))
count = max(len(names), 1 + company)
while True:
    left_s = max(end - time.monotonic(), 1)
    members = ecbak("members", "--wait-for", f"{count}=alive", "--timeout", f"{left_s:.0f}s").get("members", [])
    states = {}
    for member in members:  # a name may have a past: alive counts
        if states.get(member["name"]) != "alive":
            states[member["name"]] = member["state"]
    unseen = {name: states.get(name, "unknown") for name in names if states.get(name) != "alive"}
    alive = sum(member["state"] == "alive" for member in members)
    if (not unseen and alive > company) or time.monotonic() >= end:
        break
    # Members that are in no inventory may have made up the number: then one more has to come.
    count = max(count, alive + 1)
    time.sleep(0.2)
addresses = dict(pair.split("=", 1) for pair in os.environ["ADDRESSES"].split())
sentences = list(reasons(unseen, members, addresses))
if not sentences and alive <= company:
    status = ecbak("status")
    sentences = [f"anybody: {sentence} (upgrade.yml, or site.yml with another ecbak_deb)" for sentence in status.get("incompatible", [])] or \
        [f"anybody: its seeds are {os.environ['COMPANY']}" + refused(status)]
# A node that only calls out is seen alive, and still nobody can store on it: others try to call it back, which takes a moment.
status = ecbak("status")
patience = time.monotonic() + 5
while not sentences and alive > 1 and "reachable" in status and status["reachable"] is None and time.monotonic() < patience:
    time.sleep(0.5)
    status = ecbak("status")
if not sentences and status.get("reach_failed") and status["reach_failed"] == status.get("reach_asked"):
    sentences = [f"that others reach it ({status.get('reach')})"]
print(json.dumps({"unseen": sentences, "alive": alive}))
