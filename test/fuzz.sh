#!/usr/bin/env bash
# fuzz.sh SECONDS CORPUS-FOLDER FUZZER... - run each fuzzer for SECONDS; fail on the first crash, leak or time-out.
# What a fuzzer finds on the way is kept in CORPUS-FOLDER/<name>, so the next run starts from there; an input
# that breaks one is kept beside it and named with the command that replays it.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 SECONDS CORPUS-FOLDER FUZZER..." >&2
    exit 2
fi
seconds=$1
corpus=$2
shift 2
for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    mkdir -p "$corpus/$name"
    log=$corpus/$name.log
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$corpus/$name-" "$corpus/$name" >"$log" 2>&1; then
        tail -n 40 "$log"
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "FAIL $name; replay with: $fuzzer $input"
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cover=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    echo "ok $name: $runs runs in $seconds s, ${cover:-cov: ?}"
done
