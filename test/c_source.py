"""Reading C as clang-format has laid it out: what is code, what it includes and calls, which functions it has.

No compiler: the layout tells. A function's body opens with a brace alone in the first column and ends with the next one there.
"""
import re

TOKEN = re.compile(r'(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)\)?")


def code_of(text):
    """The source without comments and with empty strings, line by line as before."""
    def blank(match):
        if match.group(1):
            return "\n" * match.group(1).count("\n") + " "
        return '""'
    return TOKEN.sub(blank, text)


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1) == "<", match.group(2)


def calls(text, names):
    # `.read(` and `->read(` call a function pointer, not the system.
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(map(re.escape, names)) + r")\s*\(")
    for number, line in enumerate(code_of(text).splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, match.group(1)


def functions(text):
    """(name, first line, lines) of each function that is defined, its signature counted in."""
    lines = code_of(text).splitlines()
    start = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            start = number
            while start > 0 and lines[start - 1].strip() and not re.search(r"^#|[;}]\s*$", lines[start - 1]):
                start -= 1
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[start:number]).split("{")[0]
            name = re.search(r"(\w+)\s*\(", ATTRIBUTE.sub("", head))
            yield name.group(1) if name else "?", start + 1, number - start + 1
            start = None


def inside_and_outside(code):
    """What stands between braces, and what does not: declarations, and the heads of definitions."""
    depth, parts = 0, ([], [])
    for piece in re.split(r"([{}])", code):
        depth += (piece == "{") - (piece == "}")
        parts[depth == 0].append(piece)
    return " ".join(parts[0]), "".join(parts[1])


def names(text):
    """(declared, used): the functions that a file declares or defines, and all words in it that may call or name one."""
    code = ATTRIBUTE.sub("", code_of(text).replace("\\\n", " "))
    directives = "\n".join(line for line in code.splitlines() if line.lstrip().startswith("#"))
    inside, outside = inside_and_outside("\n".join(line for line in code.splitlines() if not line.lstrip().startswith("#")))
    # `.name` and `->name` are fields, `(*name)` declares one that points to a function.
    used = set(re.findall(r"(?<![\w.])(?<!->)(?<!\(\*)[A-Za-z_]\w*", f"{inside}\n{directives}")) | set(re.findall(r"=\s*&?(\w+)", outside))
    return {name for name in re.findall(r"\b([A-Za-z]\w*)\s*\(", outside) if not name.isupper()}, used
