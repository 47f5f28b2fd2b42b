#!/bin/sh
# apt-get that waits its turn: a fresh machine updates itself in its first minutes, and apt-get fails while it does.
#
# apt waits for dpkg's locks when it is told to, but not for those of its lists and of what it downloads. So each attempt waits a
# little for the former, and one that met any of them held is made again, until APT_WAIT_S seconds have passed.
#
# usage: apt.sh WORDS-FOR-APT-GET...    (as root)
set -u
limit_s=${APT_WAIT_S:-600}

since_boot() { # in seconds: the clock of a fresh machine may be put right meanwhile
    read -r seconds _ </proc/uptime
    echo "${seconds%.*}"
}

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
trap 'exit 1' HUP INT TERM
started=$(since_boot)
told=
while :; do
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=2 "$@" 2>"$errors"
    status=$?
    held=$(grep -m 1 -e 'Could not get lock' -e 'is another process using it' "$errors")
    [ "$status" != 0 ] && [ -n "$held" ] && [ $(($(since_boot) - started)) -lt "$limit_s" ] || break
    [ -n "$told" ] || echo "Waiting, at most $limit_s s, for another program that installs packages: ${held#E: }" >&2
    told=yes
    sleep 1
done
cat "$errors" >&2
[ "$status" = 0 ] || [ -z "$held" ] ||
    echo "It was held for $limit_s s. Try again when that program has ended: systemctl stop unattended-upgrades ends the usual one." >&2
exit "$status"
