"""What `ecbak members --json` answered somewhere, and what follows from it for a host that leaves, replaces another or is revoked."""
import json


def members(answer):
    return json.loads(answer or "{}").get("members", [])


def leave_fault(answer, name):
    """What keeps a host from leaving now; `answer` is what its node said of the others."""
    if answer.get("rc", 0) != 0:
        return (f"Its node does not answer ({(answer.get('stderr') or '').strip()}), so nobody says whether it can be spared. "
                "Nothing was done.")
    ill = [member["name"] for member in members(answer.get("stdout")) if member["state"] not in ("alive", "left", "revoked")]
    if ill:
        return (f"{name} stays: it does not see alive {', '.join(ill)}, and what both hold may be too much to lose. Bring that one back, "
                "or revoke it (revoke.yml) and store; or say ecbak_leave_force. Nothing was done.")
    return ""


def unstored(results):
    """The hosts whose stores did not make up for one that left."""
    return [result["item"] for result in results if "rc" in result and result["rc"] != 0]


def takeover(results, said, own_id):
    """What others said of the name that a new machine is to take over: who else is alive, whom to revoke, and why not to."""
    name = said["name"]
    answers = [json.loads(result["stdout"]) for result in results if result.get("stdout", "").startswith("{")]
    asked = [answer["members"] for answer in answers if "members" in answer]
    bearers = [member for seen in asked for member in seen if member["name"] == name]
    # A member that is alive elsewhere; at this very address it is one that is remembered only.
    alive = [member for member in bearers if member["state"] in ("alive", "incompatible")
             and member["address"] != said["member_address"] and member["id"] != own_id]
    old_ids = list(dict.fromkeys(member["id"] for member in bearers if member["state"] != "revoked" and member["id"] != own_id))
    fault = ""
    if not asked:
        fault = f"No other host of the inventory answered for its node, so nobody says whether {name} is dead. Nothing was done."
    elif alive:
        fault = (f"{name} is alive in the cluster, at {alive[0]['address']}. Shut that machine down, or revoke it (revoke.yml); "
                 "nothing was done.")
    elif not old_ids and any(member["id"] == own_id for member in bearers):
        fault = (f"This machine has the keys of the member {name} itself: there is nothing to replace, site.yml brings it back. "
                 "Nothing was done.")
    return {"others": [member["name"] for member in (asked or [[]])[0] if member["state"] == "alive" and member["name"] != name],
            "old_ids": old_ids, "fault": fault}


def revoke_ids(answer, name):
    return [member["id"] for member in members(answer) if member["name"] == name and member["state"] != "revoked"]


class FilterModule:
    def filters(self):
        return {"ecbak_leave_fault": leave_fault, "ecbak_unstored": unstored, "ecbak_takeover": takeover, "ecbak_revoke_ids": revoke_ids}
