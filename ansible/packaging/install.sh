#!/bin/sh
# Installs what ansible/packaging/files lists. For make install: BUILD, DESTDIR, PREFIX and UNITS come from there.
set -eu
umask 022

install_one() { # mode file to
    target=$3
    case $target in
    UNITS/*) target=$UNITS/${target#UNITS/} ;;
    /*) ;;
    *) target=$PREFIX/$target ;;
    esac
    case $target in
    */) target=$target${2##*/} ;;
    esac
    case $target in
    /etc/*) [ ! -e "$DESTDIR$target" ] || return 0 ;;
    esac
    mkdir -p "$DESTDIR${target%/*}"
    install -m "$1" "$2" "$DESTDIR$target"
    case $target in
    *.service | *.timer) sed "s|@PREFIX@|$PREFIX|g" "$2" >"$DESTDIR$target" ;;
    esac
}

while read -r mode from to; do
    case $mode in
    '' | '#'*) continue ;;
    esac
    case $from in
    BUILD/*) from=$BUILD/${from#BUILD/} ;;
    esac
    for file in $from; do # the one place where a pattern means several files
        install_one "$mode" "$file" "$to"
    done
done <ansible/packaging/files
