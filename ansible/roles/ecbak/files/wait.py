"""Waits until this node sees all members in NAMES alive, WAIT_S long at most; prints {"unseen": {name: why}}."""
import json
import os
import subprocess
import time


def ecbak(*words):
    """What the command answers in JSON, or {}: the node may be starting still."""
    done = subprocess.run(["ecbak", *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {}


names = os.environ["NAMES"].split()
end = time.monotonic() + float(os.environ["WAIT_S"])
count = len(names)
while True:
    left_s = max(end - time.monotonic(), 1)
    members = ecbak("members", "--wait-for", f"{count}=alive", "--timeout", f"{left_s:.0f}s").get("members", [])
    states = {}
    for member in members:  # a name may have a past: alive counts
        if states.get(member["name"]) != "alive":
            states[member["name"]] = member["state"]
    unseen = {name: states.get(name, "unknown") for name in names if states.get(name) != "alive"}
    if not unseen or time.monotonic() >= end:
        break
    # Members that are in no inventory may have made up the number: then one more has to come.
    count = max(len(names), 1 + sum(member["state"] == "alive" for member in members))
    time.sleep(0.2)
print(json.dumps({"unseen": unseen, "members": len(members)}))
