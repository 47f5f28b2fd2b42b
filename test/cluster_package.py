#!/usr/bin/env python3
"""What a package brings beside the programs: units, completions, man pages, and the list of it all.

Needs no chroot and no running systemd; `make deb-check` does the rest. What a missing tool keeps from being
tested is said in a line `(needs ...)`.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from common import BUILD, HERE, run_tests
from hosts import debian

TOP = HERE.parent
PACKAGING = TOP / "ansible/packaging"
EXPOSURE_MAX = 2.0  # of `systemd-analyze security`, 0 to 10


def output(*command, ok=(0,), **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    assert done.returncode in ok, f"{command} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def is_there(tool, package):
    if shutil.which(tool):
        return True
    print(f"(needs {tool}, of the package {package})")
    return False


class Installed:
    """make install into a folder of its own; `units` are those with the paths that really are there."""

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="ecbak-package-")
        self.root = pathlib.Path(self.holder.name) / "root"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        output("make", "-s", "-C", TOP, "install", f"DESTDIR={self.root}", "PREFIX=/usr", f"BUILD={BUILD}",
               "UNITS=/lib/systemd/system", env=clean)
        units = pathlib.Path(self.holder.name) / "units"
        units.mkdir()
        for unit in (self.root / "lib/systemd/system").iterdir():
            text = re.sub(r"(?m)^(Exec\w+=)(/usr/)", rf"\1{self.root}\2", unit.read_text())
            (units / unit.name).write_text(text)
        self.units = sorted(units.iterdir())
        return self

    def __exit__(self, *_):
        self.holder.cleanup()


def listed():
    """Path -> mode, from the list, read independently of the script that installs."""
    files = {}
    for line in (PACKAGING / "files").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        mode, source, target = line.split()
        base, pattern = (BUILD, source[6:]) if source.startswith("BUILD/") else (TOP, source)
        found = sorted(base.glob(pattern))
        assert found, f"the list names {source}, which is not there"
        for path in found:
            to = re.sub("^UNITS/", "/lib/systemd/system/", target)
            to = to if to.startswith("/") else f"/usr/{to}"
            files[to + (path.name if to.endswith("/") else "")] = int(mode, 8)
    return files


def exactly_what_is_listed_is_installed():
    with Installed() as it:
        found = {"/" + str(path.relative_to(it.root)): path.stat().st_mode & 0o777
                 for path in it.root.rglob("*") if not path.is_dir()}
    assert found == listed(), set(found.items()) ^ set(listed().items())


def every_man_page_unit_and_completion_is_listed():
    want = [*TOP.glob("*/man/*.[1-8]"), *PACKAGING.glob("man/*"), *PACKAGING.glob("systemd/*"),
            *PACKAGING.glob("completions/*")]
    sources = [line.split()[1] for line in (PACKAGING / "files").read_text().splitlines()
               if line.strip() and not line.startswith("#")]
    for path in want:
        name = path.relative_to(TOP)
        assert any(name.match(source) for source in sources), f"{name} is not installed"


def a_configuration_that_is_there_is_not_written_over():
    with tempfile.TemporaryDirectory(prefix="ecbak-package-") as root:
        config = pathlib.Path(root) / "etc/ecbak/ecbakd.conf"
        config.parent.mkdir(parents=True)
        config.write_text("name = mine\n")
        output("ansible/packaging/install.sh", cwd=TOP,
               env=dict(os.environ, BUILD=str(BUILD), DESTDIR=root, PREFIX="/usr", UNITS="/lib/systemd/system"))
        assert config.read_text() == "name = mine\n"


def the_configuration_that_comes_with_it_is_good():
    assert "is good" in output(BUILD / "ecbakd", "--check-config", "--config", PACKAGING / "ecbakd.conf")
    text = (PACKAGING / "ecbakd.conf").read_text()
    sample = re.sub(r"(?m)^# ((?:    )?\w+ = .*|seed)$", r"\1", text).replace(
        '"the CURVE key in that node\'s certificate: `ecbak authority show` prints it"', "00" * 32)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(sample)
        file.flush()
        assert "is good" in output(BUILD / "ecbakd", "--check-config", "--config", file.name), sample


def the_units_are_clean():
    if not is_there("systemd-analyze", "systemd"):
        return
    with Installed() as it:
        has_man = is_there("man", "man-db")
        said = output("systemd-analyze", "verify", "--man=yes" if has_man else "--man=no", *it.units, ok=(0, 1),
                      env=dict(os.environ, MANPATH=f"{it.root}/usr/share/man:/usr/share/man"))
        said = "\n".join(line for line in said.splitlines() if "systemd.timer(5)" not in line)
        assert not said, said


def the_services_are_hardened():
    if not is_there("systemd-analyze", "systemd"):
        return
    with Installed() as it:
        for unit in it.units:
            if unit.suffix != ".service":
                continue
            said = output("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
            exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said).group(1))
            assert exposure <= EXPOSURE_MAX, f"{unit.name}: {exposure}\n" + "\n".join(
                line for line in said.splitlines() if line.startswith("✗"))


# ---- completions ---------------------------------------------------------------------------------

def help_of(*words):
    return output(BUILD / "ecbak", *words, "--help", env=dict(os.environ, NO_COLOR="1"))


def commands_in(text):
    section = re.search(r"(?ms)^Commands\n(.*?)\n\n", text)
    return re.findall(r"(?m)^  ([a-z][a-z-]*) ", section.group(1)) if section else []


def options_in(text):
    return re.findall(r"(?m)^  (?:-., |    )(--[a-z][a-z-]*)", text) + re.findall(r"\[(--[a-z-]+)\]\n", text)


def everything_to_complete():
    """(words before the cursor, what must be offered there): each level of commands, and each one's options."""
    todo, result = [()], []
    while todo:
        words = todo.pop()
        text = help_of(*words)
        commands = commands_in(text)
        if commands:
            result.append((words, "", commands + ([] if words else ["help"])))
            todo += [(*words, command) for command in commands]
        else:
            result.append((words, "--", options_in(text)))
    assert len(result) > 15 and all(wanted for _, _, wanted in result), result
    return result


def check_completion(offer):
    for words, begin, wanted in everything_to_complete():
        offered = offer(["ecbak", *words, begin])
        assert set(wanted) == set(offered), f"{words}: {sorted(set(wanted) ^ set(offered))}"


PATH_ENV = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", LC_ALL="C.UTF-8")


def bash_completes_every_command_and_option():
    script = (f'source {PACKAGING}/completions/ecbak.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ecbak; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    output("bash", "-n", PACKAGING / "completions/ecbak.bash")
    check_completion(lambda words: output("bash", "-c", script, "bash", *words, env=PATH_ENV).split())


def zsh_completes_every_command_and_option():
    if not is_there("zsh", "zsh"):
        return
    # _describe is zsh's own: what it is given is what it offers.
    script = ('_describe() { print -l -- ${${(@P)4}%%:*} }; _files() { }; words=("$@"); CURRENT=$#; '
              f'source {PACKAGING}/completions/ecbak.zsh')
    output("zsh", "-n", PACKAGING / "completions/ecbak.zsh")
    check_completion(lambda words: output("zsh", "-fc", script, "zsh", *words, env=PATH_ENV).split())


def fish_completes_every_command_and_option():
    if not is_there("fish", "fish"):
        return
    with tempfile.TemporaryDirectory(prefix="ecbak-fish-") as home:
        script = f"source {PACKAGING}/completions/ecbak.fish; complete -C (string join ' ' -- $argv)"
        output("fish", "-n", PACKAGING / "completions/ecbak.fish", env=dict(PATH_ENV, HOME=home))

        def offer(words):
            said = output("fish", "-N", "-c", script, "--", *words, env=dict(PATH_ENV, HOME=home), cwd=home)
            return [line.split("\t")[0] for line in said.splitlines()]
        check_completion(offer)


# ---- words ---------------------------------------------------------------------------------------

def the_man_pages_are_clean_and_of_this_version():
    version = re.search(r"(?m)^VERSION = (\S+)$", (TOP / "Makefile").read_text()).group(1)
    has_man = is_there("man", "man-db")
    for page in [*TOP.glob("*/man/*.[1-8]"), *PACKAGING.glob("man/*.[1-8]")]:
        assert f'"ecbak {version}"' in next(line for line in page.read_text().splitlines() if line.startswith(".TH")), f"{page.name} is not of {version}"
        if has_man:
            said = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                                  env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80"))
            assert said.returncode == 0 and not said.stderr, f"{page.name}: {said.stderr}"


def the_releases_that_are_held_are_the_same_everywhere():
    makefile = re.search(r"(?m)^RELEASES = (.*)$", (TOP / "Makefile").read_text()).group(1).split()
    assert makefile == list(debian.RELEASES), (makefile, debian.RELEASES)
    words = "Debian " + " and ".join(debian.RELEASES.values())
    for name in ("README.md", "ansible/README.md", "ansible/packaging/README.md", "ansible/roles/ecbak/filter_plugins/ecbak_checks.py"):
        assert words in (TOP / name).read_text(), f"{name} does not say {words}"


def another_releases_packages_come_from_where_ours_do():
    one_line = ("# a comment on bookworm\ndeb http://host/bookworm-mirror bookworm main\ndeb [signed-by=/keys/bookworm.gpg] http://host/x bookworm-updates/y z\n"
                "deb http://other/apt cloud-bookworm main\n")
    assert debian.translated(one_line, ".list", "bookworm", "trixie") == (
        "deb http://host/bookworm-mirror trixie main\ndeb [signed-by=/keys/bookworm.gpg] http://host/x trixie-updates/y z")
    entries = "Types: deb\n# of bookworm\nURIs: http://host\nSuites: trixie trixie-security\n\nTypes: deb\nURIs: http://other\nSuites: stable\n"
    assert debian.translated(entries, ".sources", "trixie", "bookworm") == "Types: deb\nURIs: http://host\nSuites: bookworm bookworm-security"


def the_scripts_of_the_package_are_shell():
    scripts = [*PACKAGING.glob("*.sh"), PACKAGING / "debian/postrm"]
    for script in scripts:
        output("sh", "-n", script)
        assert script.suffix != ".sh" or os.access(script, os.X_OK), f"{script.name} cannot be run"


if __name__ == "__main__":
    sys.exit(run_tests(
        exactly_what_is_listed_is_installed,
        every_man_page_unit_and_completion_is_listed,
        a_configuration_that_is_there_is_not_written_over,
        the_configuration_that_comes_with_it_is_good,
        the_units_are_clean,
        the_services_are_hardened,
        bash_completes_every_command_and_option,
        zsh_completes_every_command_and_option,
        fish_completes_every_command_and_option,
        the_man_pages_are_clean_and_of_this_version,
        the_releases_that_are_held_are_the_same_everywhere,
        another_releases_packages_come_from_where_ours_do,
        the_scripts_of_the_package_are_shell,
    ))
