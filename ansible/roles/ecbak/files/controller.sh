#!/bin/sh
# What needs the authority's key: done on the controller by one process, which leaves no copy of it behind.
#
# Finds the ecbak command: ECBAK_BINARY, else PATH, else out of the first package of ECBAK_DEBS, a line each, whose command runs here: those
# of hosts may be for a newer release of Debian than the controller's.
# The authority is the folder AUTHORITY_DIR. When the first line of the input is not empty, the key is what that line says, the
# base64 of an authority.key, and is only held in a folder of mode 0700, in memory, until this process ends; AUTHORITY_DIR then has
# what is not secret: authority.pub, and the lists of what was signed.
#
# usage: controller.sh sign     input, after the key's line, a line a host: HOST NAME ZONE|- DAYS new|replace REQUEST
#        controller.sh revoke   the same, a line a machine: NAME|ID REASON...
# output: "made DIR" when the authority is new; "authority HEX"; then a line each, "ok HOST JSON" or "no HOST SENTENCE" (revoke: "ok
#         NAME|ID REVOCATION"). What goes wrong for all is one line "stop SENTENCE". The exit status is 0: the lines say it all.
set -eu
umask 077
export LC_ALL=C.UTF-8
action=$1

scratch=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" ecbak-controller-XXXXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

stop() {
    echo "stop $*"
    exit 0
}

first_line() { # of a file, as one sentence
    head -n 1 "$1" | sed 's/^ecbak: //'
}

find_binary() {
    if [ -n "${ECBAK_BINARY:-}" ]; then
        [ -x "$ECBAK_BINARY" ] || stop "ecbak_controller_binary: $ECBAK_BINARY is no program on the controller."
        ecbak=$ECBAK_BINARY
    elif command -v ecbak >/dev/null; then
        ecbak=ecbak
    elif [ -n "${ECBAK_DEBS:-}" ] && command -v dpkg-deb >/dev/null; then
        ecbak=$scratch/package/usr/bin/ecbak
        printf '%s\n' "$ECBAK_DEBS" >"$scratch/packages"
        while read -r deb; do
            rm -rf "$scratch/package"
            dpkg-deb -x "$deb" "$scratch/package" 2>/dev/null || stop "$deb on the controller is no package that can be unpacked."
            ! "$ecbak" version >/dev/null 2>&1 || break
        done <"$scratch/packages"
    else
        stop "The controller needs the ecbak command to sign: install the package there, set ecbak_controller_binary," \
            "or set ecbak_deb to a package file (and have dpkg-deb)."
    fi
    "$ecbak" version >/dev/null 2>"$scratch/why" || stop "The ecbak command does not run on the controller: $(first_line "$scratch/why")." \
        "Install the package there, or set ecbak_controller_binary."
}

open_authority() {
    read -r key || key=
    authority=$AUTHORITY_DIR
    if [ -n "$key" ]; then
        authority=$scratch/authority
        mkdir "$authority"
        printf %s "$key" | base64 -d >"$authority/authority.key" 2>/dev/null ||
            stop "ecbak_authority_key is no base64: encrypt what 'base64 -w0 authority.key' prints."
        [ -e "$AUTHORITY_DIR/authority.pub" ] || stop "$AUTHORITY_DIR has no authority.pub: ecbak_authority_key is only the secret" \
            "half, all else of the authority stays in ecbak_authority_dir."
        for list in authority.pub issued revoked; do
            [ ! -e "$AUTHORITY_DIR/$list" ] || cp "$AUTHORITY_DIR/$list" "$authority/"
        done
    elif [ ! -e "$authority/authority.key" ]; then
        [ -z "${CLUSTER_OF:-}" ] || stop "There is no authority in $authority, but $CLUSTER_OF has a certificate of one already:" \
            "bring that authority's folder here, or set ecbak_authority_dir or ecbak_authority_key."
        "$ecbak" authority init --quiet "$authority" 2>"$scratch/why" || stop "$(first_line "$scratch/why")"
        echo "made $authority"
    fi
    read -r public <"$authority/authority.pub" || stop "$authority/authority.pub cannot be read."
    echo "authority $public"
}

keep_lists() { # of what was signed with a key that is not in the folder
    [ "$authority" != "$AUTHORITY_DIR" ] || return 0
    for list in issued revoked; do
        [ ! -e "$authority/$list" ] || cp "$authority/$list" "$AUTHORITY_DIR/"
    done
}

sign() {
    while read -r host name zone days how request; do
        set -- --json --dir "$authority" --name "$name" --days "$days"
        [ "$zone" = - ] || set -- "$@" --zone "$zone"
        [ "$how" = new ] || set -- "$@" --replace
        if certificate=$("$ecbak" authority sign "$@" "$request" 2>"$scratch/why"); then
            echo "ok $host $certificate"
        else
            echo "no $host $(first_line "$scratch/why")"
        fi
    done
}

revoke() {
    while read -r who reason; do
        set -- --dir "$authority"
        [ -z "$reason" ] || set -- "$@" --reason "$reason"
        if revocation=$("$ecbak" authority revoke "$@" "$who" 2>"$scratch/why"); then
            echo "ok $who $revocation"
        else
            echo "no $who $(first_line "$scratch/why")"
        fi
    done
}

find_binary
open_authority
"$action"
keep_lists
