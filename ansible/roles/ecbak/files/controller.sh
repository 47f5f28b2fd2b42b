#!/bin/sh
# What needs the authority's key: done on the controller by one process, which leaves no copy of it behind.
#
# Finds the ecbak command: ECBAK_BINARY, else PATH, else out of the package ECBAK_DEB.
# The authority is the folder AUTHORITY_DIR; or, when the first line of the input is not empty, what that line says: the
# base64 of an authority.key, kept in a folder of mode 0700 in memory until this process ends.
#
# usage: controller.sh sign
#   input    the key's line; then a line a host: HOST NAME ZONE|- DAYS REQUEST
#   output   "made DIR" when the authority is new; "authority HEX"; then "ok HOST JSON" or "no HOST SENTENCE"
# What goes wrong for all is one line "stop SENTENCE"; the exit status is 0 as long as the lines say it all.
set -eu
umask 077
export LC_ALL=C.UTF-8

scratch=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" ecbak-controller-XXXXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

stop() {
    echo "stop $*"
    exit 0
}

find_binary() {
    if [ -n "${ECBAK_BINARY:-}" ]; then
        [ -x "$ECBAK_BINARY" ] || stop "ecbak_controller_binary: $ECBAK_BINARY is no program on the controller."
        ecbak=$ECBAK_BINARY
    elif command -v ecbak >/dev/null; then
        ecbak=ecbak
    elif [ -n "${ECBAK_DEB:-}" ] && command -v dpkg-deb >/dev/null; then
        dpkg-deb -x "$ECBAK_DEB" "$scratch/package" || stop "$ECBAK_DEB cannot be unpacked."
        ecbak=$scratch/package/usr/bin/ecbak
    else
        stop "The controller needs the ecbak command to sign: install the package there, set ecbak_controller_binary," \
            "or set ecbak_deb to a package file (and have dpkg-deb)."
    fi
    why=$("$ecbak" version 2>&1) || stop "The ecbak command does not run on the controller:" \
        "$(printf %s "$why" | head -n 1). Install the package there, or set ecbak_controller_binary."
}

open_authority() {
    read -r key || key=
    if [ -n "$key" ]; then
        authority=$scratch/authority
        mkdir "$authority"
        printf %s "$key" | base64 -d >"$authority/authority.key" 2>/dev/null ||
            stop "ecbak_authority_key is no base64: encrypt the output of 'base64 -w0 authority.key'."
        [ -n "${AUTHORITY_PUBLIC:-}" ] || stop "ecbak_authority_key needs ecbak_authority_public beside it: the line in authority.pub."
        printf '%s\n' "$AUTHORITY_PUBLIC" >"$authority/authority.pub"
        return
    fi
    authority=$AUTHORITY_DIR
    [ ! -e "$authority/authority.key" ] || return 0
    [ -z "${CLUSTER_OF:-}" ] || stop "There is no authority in $authority, but $CLUSTER_OF has a certificate of one already:" \
        "bring that authority's folder here, or set ecbak_authority_dir or ecbak_authority_key."
    why=$("$ecbak" authority init "$authority" 2>&1) || stop "$why"
    echo "made $authority"
}

sign() {
    read -r public <"$authority/authority.pub" || stop "$authority/authority.pub cannot be read."
    echo "authority $public"
    while read -r host name zone days request; do
        set -- --json --dir "$authority" --name "$name" --days "$days"
        [ "$zone" = - ] || set -- "$@" --zone "$zone"
        if certificate=$("$ecbak" authority sign "$@" "$request" 2>"$scratch/why"); then
            echo "ok $host $certificate"
        else
            echo "no $host $(tr '\n' ' ' <"$scratch/why")"
        fi
    done
}

find_binary
open_authority
"$1"
