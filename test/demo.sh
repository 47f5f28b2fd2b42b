#!/usr/bin/env bash
# The whole story on one machine, with real processes: six nodes, a backup, two nodes killed, the
# client's state deleted, everything back from 25 words.
# usage: demo.sh BUILD [PATH...]     (default: /usr/share/doc and /usr/include, which are only read)
# Exit status 0 only when every byte and every attribute came back.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- /usr/share/doc /usr/include
sources=()
for path in "$@"; do
    sources+=("$(realpath -e "$path")")
done
PATH=$build:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/ecbak-demo-XXXXXX")
export ECBAK_LAB=$work/lab

clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -e "$ECBAK_LAB" ]; then
        if [[ $status != @(0|130|143) ]]; then
            for log in "$ECBAK_LAB"/nodes/*/log; do
                [ -s "$log" ] && printf '\n--- end of %s\n' "$log" && tail -n 5 "$log"
            done >&2
        fi
        ecbak lab down -q || true
    fi
    rm -rf "$work"
    case $status in
    0) ;;
    130 | 143) printf '\nThe demo was interrupted.\n' >&2 ;;
    *) printf '\nThe demo failed (status %s).\n' "$status" >&2 ;;
    esac
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi
step() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}
run() {
    printf '$ %s\n' "$*"
    "$@"
}

step "1. Six nodes on the loopback, with an authority, keys and certificates of their own"
run ecbak lab up -n 6
eval "$(ecbak lab env --node node-1)"

step "2. A vault; its phrase is all that will be left of it later"
printf '$ ecbak init > phrase\n'
ecbak init > "$work/phrase"

step "3. Store ${sources[*]}"
run ecbak store "${sources[@]}"
run ecbak snapshots
run ecbak members

step "4. Two nodes that hold fragments die by SIGKILL"
run ecbak lab kill node-2 node-3
run ecbak members --wait-for 2=dead --timeout 60s

step "5. The client forgets everything: keys, caches, state"
run rm -rf "$ECBAK_HOME" "$ECBAK_CACHE"

step "6. From the 25 words and one living node, everything comes back"
printf '(through another node than the one that took the backup)\n'
eval "$(ecbak lab env --node node-6)"
run ecbak open --phrase-file "$work/phrase"
run ecbak recover latest --to "$work/back"

step "7. Every byte and every attribute is compared with the source"
pairs=()
for path in "${sources[@]}"; do
    pairs+=("$path" "$work/back$path")
done
owners=()
[ "$(id -u)" = 0 ] || owners=(--no-owners)
run "$here/compare.py" "${owners[@]}" "${pairs[@]}"

step "Shown: with two of six machines and all of the client's state lost, 25 words bring back"
printf '%s, byte for byte.\n' "${sources[*]}"
