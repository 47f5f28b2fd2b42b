#!/bin/sh
# What belongs to the sources, and how old they are.
#
# usage: sources.sh list    the files, each ended by a NUL: those that git tracks; without git, all but build folders
#        sources.sh epoch   seconds since 1970: of the newest commit; without git, of the newest file
set -eu
export LC_ALL=C
has_git() { git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1 && [ -e .git ]; }
tracked() { git -c safe.directory='*' ls-files -z; }
others() { find . -type d \( -name build -o -name __pycache__ -o -name .git \) -prune -o -type f -printf '%P\0'; }
present() { xargs -0 sh -c 'for file; do [ ! -f "$file" ] || printf "%s\0" "$file"; done' sh; }

case $1 in
list) if has_git; then tracked; else others; fi | present | sort -z ;;
epoch)
    if has_git; then
        git -c safe.directory='*' log -1 --format=%ct
    else
        "$0" list | xargs -0 stat -c %Y | sort -n | tail -n 1
    fi
    ;;
esac
