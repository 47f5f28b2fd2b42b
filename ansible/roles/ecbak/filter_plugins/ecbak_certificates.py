"""What is asked of the authority for a host, and what came of it."""
import datetime
import json
import re

DAY_S = 86400


def last_line(result):
    return (result.get("stdout_lines") or [""])[-1]


def request(node, rotated, made):
    """The newest one that the host printed in this run, or the one that the probe found."""
    return last_line(rotated) or last_line(made) or node["request"]


def seconds(time):
    """Since 1970, of a time as the command's JSON has it."""
    return datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def wants_certificate(certificate, said, rotate, now_s, renew_days):
    """Where there is none, where it ends soon, and where the inventory says another name or zone."""
    return bool(rotate or certificate == {} or certificate["name"] != said["name"]
                or (said["zone"] != "" and certificate["zone"] != said["zone"])
                or seconds(certificate["not_after"]) < int(now_s) + int(renew_days) * DAY_S)


def signed(lines, host):
    """Of what files/controller.sh printed: the authority, and this host's certificate or why it gets none."""
    def first(pattern):
        return next((re.sub(f"^{pattern}", "", line) for line in lines if re.match(pattern, line)), None)
    authority = first("authority ")
    certificate = first(f"ok {re.escape(host)} ")
    return {"authority": authority.split(" ")[-1] if authority is not None else "",
            "certificate": json.loads(certificate)[0] if certificate is not None else {},
            "refused": first(f"(no {re.escape(host)}|stop) ") or ""}


def refusal(refused, host, foreign, silent):
    """Why this host does not go on; "" when it does."""
    if refused:
        return refused + (f". Taking its place is what replace.yml -e host={host} does." if "--replace" in refused else "")
    if foreign:
        return ("This host is a member of another cluster: its /etc/ecbak/authority.pub is not this authority's. To move it here, first "
                "make it leave there (leave.yml), with ecbak_leave_purge.")
    return "ecbakd printed no request here: run ecbakd --print-request on the host, as root, to see why." if silent else ""


class FilterModule:
    def filters(self):
        return {"ecbak_request": request, "ecbak_wants_certificate": wants_certificate, "ecbak_signed": signed, "ecbak_refusal": refusal}
