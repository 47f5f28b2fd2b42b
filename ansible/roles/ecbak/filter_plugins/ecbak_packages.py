"""The package that a host has, the one that it would get, and the protocol versions that they speak."""
import re


def release(deb):
    """The number of the Debian that a package file was built on, by its name; 0 where that does not say."""
    found = re.search(r"\+deb([0-9]+)_[^/]*$", deb)
    return int(found[1]) if found else 0


def package_for(built, system):
    """Of the files that `make deb` built the newest that this host can install: a package is for the release that it was built on and
    for newer ones. Of a host that was not looked at, or is another system, nothing is known; where none fits, a sentence says so."""
    number = system.get("version", "") if system.get("id") == "debian" else ""
    fits = [deb for deb in built if not number.isdigit() or release(deb) <= int(number)]
    return max(fits or built, default="")


def packages(told_by_all, own, built):
    """The files of this run, each once; the defaults of the role are not among another host's variables."""
    return list(dict.fromkeys(deb for deb in [*told_by_all.values(), own, *built] if deb != ""))


def package_read(results, deb):
    """The lines that were read of this file: its digest, then what it provides."""
    return next((result.get("stdout_lines", []) for result in results if result["item"] == deb), [])


def is_current(installed, deb, lines):
    return installed["version"] != "" and (deb == "" or installed["digest"] == (lines[0] if lines else ""))


def protocol_next(installed, deb, lines):
    """[lowest, highest] that this host will speak; a package from before they were said speaks 1, one from a repository is not known."""
    if is_current(installed, deb, lines):
        return installed["protocol"]
    if deb == "":
        return []
    spoken = [int(number) for number in re.findall("ecbak-protocol-([0-9]+)", "".join(lines[1:]))] or [1]
    return [min(spoken), max(spoken)]


def ranges(speakers):
    """The different ranges that hosts will speak, or members speak."""
    found = []
    for protocol in [speaker["next"] for speaker in speakers] + [member["protocol"] for speaker in speakers for member in speaker["members"]]:
        if protocol != [] and protocol not in found:
            found.append(protocol)
    return found


class FilterModule:
    def filters(self):
        return {"ecbak_packages": packages, "ecbak_package_read": package_read, "ecbak_package_for": package_for, "ecbak_package_release": release,
                "ecbak_is_current": is_current,
                "ecbak_protocol_next": protocol_next, "ecbak_ranges": ranges}
