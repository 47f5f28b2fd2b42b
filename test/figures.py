#!/usr/bin/env python3
"""Runs the simulator again and puts its tables into gossip/PROTOCOL.md, in place of those that are there.

The document marks each table with the arguments that make it: <!-- sim_gossip ARGUMENTS --> ... <!-- end -->

usage: figures.py [--build DIR] [--from FILE] [WORD]
       WORD          only the marks whose arguments contain it, e.g. full, figures, coordinates
       --from FILE   do not run anything: this is what `sim_gossip ARGUMENTS` printed (WORD must fit one mark)
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = re.compile(r"(<!-- sim_gossip (.*?) -->\n).*?(<!-- end -->)", re.S)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--from", dest="file", type=pathlib.Path)
    parser.add_argument("word", nargs="?", default="")
    args = parser.parse_args()
    document = ROOT / "gossip" / "PROTOCOL.md"
    text = document.read_text()
    chosen = [mark[1] for mark in MARK.findall(text) if args.word in mark[1]]
    if not chosen or (args.file and len(chosen) != 1):
        sys.exit(f"figures.py: \"{args.word}\" fits {len(chosen)} marks in {document}")
    for arguments in chosen:
        if args.file:
            output = args.file.read_text()
        else:
            output = subprocess.run([args.build / "test" / "sim_gossip", *arguments.split()], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout
        text = MARK.sub(lambda m, a=arguments, o=output: m[0] if m[2] != a else f"{m[1]}\n{o.strip()}\n\n{m[3]}", text)
        document.write_text(text)


if __name__ == "__main__":
    main()
