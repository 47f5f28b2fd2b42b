#!/usr/bin/env python3
"""The checks of `make tidy` are tested too: each must find what is planted for it, and only that."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import HERE

GUARD = "#ifndef H\n#define H\n%s\n#endif\n"
# What is planted: check, file, text, a part of the finding.
PLANTED = [
    ("layers", "coding/rs.c", '#include "node/store/store.h"\n', "coding/rs.c:1"),
    ("layers", "coding/base/err.c", '#include "coding/rs.h"\n', "coding/base/err.c:1"),
    ("layers", "gossip/swim.c", '#include "coding/rs.h"\n', "gossip/swim.c:1"),
    ("layers", "node/api/cert.c", '#include "node/store/store.h"\n', "node/api/cert.c:1"),
    ("layers", "node/store/trailer.c", '#include "node/net/link.h"\n', "node/store/trailer.c:1"),
    ("layers", "node/net/link.c", '#include "node/membership/meta.h"\n', "node/net/link.c:1"),
    ("layers", "node/membership/meta.c", '#include "node/service/nodes.h"\n', "node/membership/meta.c:1"),
    ("layers", "cli/cmd_store.c", '#include "node/store/store.h"\n', "cli/cmd_store.c:1"),
    ("layers", "cli/engine/store.c", '#include "cli/ui/output.h"\n', "cli/engine/store.c:1"),
    ("layers", "cli/vault/pack.c", '#include "cli/ui/output.h"\n', "cli/vault/pack.c:1"),
    ("pure", "coding/rs.c", "#include <unistd.h>\n", "<unistd.h>"),
    ("pure", "gossip/swim.c", "#include <sys/socket.h>\n", "<sys/socket.h>"),
    ("pure", "gossip/swim.c", "#include <stdio.h>\nvoid f(void);\nvoid f(void)\n{\n    printf(\"\");\n}\n",
     "gossip/swim.c:5: printf()"),
    ("banned", "node/x.c", "void f(void)\n{\n    strcpy(a, b);\n}\n", "node/x.c:3: strcpy()"),
    ("banned", "cli/x.h", "#define N atoi (text)\n", "atoi()"),
    ("alone", "coding/x.h", GUARD % "size_t f(void);", "coding/x.h"),
    ("format", "cli/x.c", "int  f( void );\n", "cli/x.c:1"),
    ("static", "cli/x.c", "#include <stdlib.h>\nint f(const char *t);\nint f(const char *t)\n"
     "{\n    return t == NULL && t == NULL;\n}\n", "misc-redundant-expression"),
]
# What looks like a violation and is none.
INNOCENT = {
    "coding/a.c": '/* strcpy(a, b); #include <unistd.h> */\n#include "coding/base/err.h"\n'
                  'const char *a = "printf(system)"; // atoi(x)\n',
    "coding/base/err.h": GUARD % "extern int err;",
    "gossip/b.c": "struct ops {\n    int (*send)(void);\n};\nint b(struct ops *ops);\n"
                  "int b(struct ops *ops)\n{\n    return ops->send();\n}\n",
    "cli/c.c": '#include "node/api/client.h"\n',
    "node/api/client.h": GUARD % "extern int client;",
}


def tidy(root, only):
    return subprocess.run([sys.executable, str(HERE / "tidy.py"), "--root", str(root), "--only", only],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main():
    failures = 0

    def report(name, good, output):
        nonlocal failures
        failures += not good
        print(f"{'ok' if good else 'FAIL'} {name}" + ("" if good else f"\n{output}"), flush=True)

    with tempfile.TemporaryDirectory(prefix="ecbak-tidy-") as folder:
        for number, (check, name, text, finding) in enumerate(PLANTED):
            root = pathlib.Path(folder) / str(number)
            plant(root, {name: text})
            for config in (".clang-format", ".clang-tidy"):
                shutil.copy(HERE.parent / config, root / config)
            done = tidy(root, check)
            report(f"{check}_finds_{name.replace('/', '_')}_{number}",
                   done.returncode == 1 and finding in done.stdout, done.stdout)
        root = pathlib.Path(folder) / "innocent"
        plant(root, INNOCENT)
        for config in (".clang-format", ".clang-tidy"):
            shutil.copy(HERE.parent / config, root / config)
        done = tidy(root, "layers,pure,banned,alone")
        report("nothing_is_found_where_nothing_is", done.returncode == 0, done.stdout)
    done = tidy(HERE.parent, "layers,pure,banned,format")
    report("these_sources_keep_to_the_layers_and_the_layout", done.returncode == 0, done.stdout)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
