"""The project's playbooks, run as the operator runs them: ansible-playbook, an inventory file, SSH."""
import os
import pathlib
import re
import subprocess
import time

from .shell import run

ANSIBLE = pathlib.Path(__file__).resolve().parent.parent.parent / "ansible"
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


class Report:
    """What a run did: `hosts` is name -> {ok, changed, unreachable, failed}."""

    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds
        _, _, recap = text.rpartition("PLAY RECAP")
        self.hosts = {name: dict(zip(("ok", "changed", "unreachable", "failed"), map(int, counts)))
                      for name, *counts in RECAP.findall(recap)}

    def changed(self):
        return {name: counts["changed"] for name, counts in self.hosts.items() if counts["changed"]}

    def broken(self):
        """Names of hosts that failed or were not reached."""
        return {name for name, counts in self.hosts.items() if counts["failed"] or counts["unreachable"]}

    def expect_done(self):
        assert self.status == 0 and not self.broken() and self.hosts, f"exit {self.status}\n{self.text[-6000:]}"
        return self

    def expect_broken(self, *names):
        """Exactly these hosts failed, and the play did what it does for the others."""
        assert self.status != 0 and self.broken() == set(names), f"exit {self.status}, {self.hosts}\n{self.text[-6000:]}"
        return self

    def says(self, *words):
        shown = " ".join(self.text.split()).replace("''", "'")  # a long sentence is wrapped, and quoted
        for word in words:
            assert word in shown, f"nothing says {word!r}:\n{self.text[-6000:]}"
        return self


class Operator:
    """The machine that the playbooks are run from: here, with a home of its own."""

    def __init__(self, cage, ssh_key):
        self.folder = pathlib.Path(cage.folder) / "operator"
        self.folder.mkdir()
        self.ssh_key = ssh_key
        self.variables = {"ecbak_authority_dir": self.folder / "authority"}  # of the group
        self.host_variables = {}                                              # name -> {variable: value}

    def move_in(self):
        """Has ssh take this home too: it goes by the password file, not by HOME. In this cage only. Returns its .ssh."""
        lines = [line.split(":") for line in pathlib.Path("/etc/passwd").read_text().splitlines()]
        for fields in lines:
            if fields[2] == str(os.geteuid()):
                fields[5] = str(self.folder)
        own = self.folder / "passwd"
        own.write_text("".join(":".join(fields) + "\n" for fields in lines))
        run("mount", "--bind", own, "/etc/passwd")
        (self.folder / ".ssh").mkdir(mode=0o700)
        return self.folder / ".ssh"

    def inventory(self, hosts):
        path = self.folder / "hosts.ini"
        lines = ["[ecbak]"]
        for host in hosts:
            own = {"ansible_host": host.address, **self.host_variables.get(host.name, {})}
            lines.append(" ".join([host.name, *(f"{name}={value}" for name, value in own.items())]))
        lines += ["[ecbak:vars]", "ansible_user=root", f"ansible_ssh_private_key_file={self.ssh_key}",
                  "ansible_ssh_common_args=-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                  *(f"{name}={value}" for name, value in self.variables.items())]
        path.write_text("\n".join(lines) + "\n")
        return path

    def play(self, playbook, hosts, *options, timeout=600, variables=()):
        """Runs ansible/PLAYBOOK over the hosts, or an inventory file; `variables` are for this run, as NAME=VALUE."""
        inventory = hosts if isinstance(hosts, pathlib.Path) else self.inventory(hosts)
        command = ["ansible-playbook", "-i", inventory, ANSIBLE / playbook, *options]
        for variable in variables:
            command += ["-e", variable]
        start = time.monotonic()
        done = subprocess.run([str(word) for word in command], cwd=ANSIBLE, stdin=subprocess.DEVNULL, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              env=dict(os.environ, HOME=str(self.folder), ANSIBLE_NOCOLOR="1", LANG="C.UTF-8"))
        return Report(done.returncode, done.stdout, time.monotonic() - start)
