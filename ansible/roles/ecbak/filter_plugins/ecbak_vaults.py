"""Which hosts store and have no vault yet, and where its recovery phrase comes from or goes to."""


def vaults(stores):
    """Of {host: {stores, has_vault}}: who is to make or open one, and who has one."""
    return {"makers": [host for host, it in stores.items() if it["stores"] and not it["has_vault"]],
            "owners": [host for host, it in stores.items() if it["has_vault"]]}


def vault_fault(of_all, host, has_phrase, phrase_file, read):
    """What is wrong with that at this host; `read` is how the phrase's file was read on the controller."""
    if host not in of_all["makers"] or has_phrase:
        return ""
    if of_all["owners"]:
        return (f"This host has no vault, and {', '.join(of_all['owners'])} has one: set ecbak_phrase_file (a file with its recovery phrase, "
                "on the controller) or ecbak_phrase (in Ansible Vault), so that it is opened here too.")
    if phrase_file == "":
        return ("Where does the recovery phrase of the new vault go? Set ecbak_phrase_file to a file that is not there yet on the controller "
                "(it gets mode 0600), or to /dev/tty to see it once.")
    if read.get("rc", 0) != 0:
        return f"{phrase_file} cannot be written on the controller, so the vault was not made: {read.get('stderr') or ''}"
    return ""


class FilterModule:
    def filters(self):
        return {"ecbak_vaults": vaults, "ecbak_vault_fault": vault_fault}
