#!/bin/sh
# Holds the package to what it promises, as far as building it goes: the same bytes from any folder at any time, clean for lintian.
# Leaves in BUILD/deb-check what deb-install-check.sh needs: a newer version, and what the package depends on.
#
# usage: deb-check.sh BUILD VERSION PACKAGES-TO-BUILD-WITH...    (for make deb-check, in a root of the release)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$1 version=$2
shift 2
work=$build/deb-check
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "deb$VERSION_ID")
file=ecbak_$version+${release}_$(dpkg --print-architecture).deb

say() { echo "deb-check: $release: $*"; }
fail() { echo "deb-check: $release: $*" >&2; exit 1; }

finish() {
    rm -rf "$work/another folder"
}
trap finish EXIT
trap 'exit 1' INT TERM
mkdir -p "$work"
finish

# ---- the same bytes ----
"$here/deb.sh" "$build" "$version" "$@"
mkdir "$work/another folder" # a blank, another length, another clock, language, mask and number of cores
cd "$top"
"$here/sources.sh" list | tar -c --null --files-from=- | tar -x -C "$work/another folder"
epoch=$("$here/sources.sh" epoch)
(
    cd "$work/another folder"
    umask 077
    find . -type f -exec touch -d "@$epoch" {} +
    env LC_ALL=C TZ=Asia/Kathmandu MAKEFLAGS=-j2 HOME=/nonexistent NO_FAKE_STAT=1 \
        faketime -f '+400d' ansible/packaging/deb.sh "$work/elsewhere" "$version" "$@"
)
for package in "$build"/deb/ecbak*+"${release}"_*.deb; do
    cmp "$package" "$work/elsewhere/deb/${package##*/}" || fail "${package##*/} is not the same twice"
done
say "built twice, the same bytes: $(sha256sum <"$build/deb/$file")"

# ---- the rules of Debian ----
lintian --fail-on error,warning --allow-root "$build"/deb/ecbak*+"${release}"_*.changes ||
    fail "lintian has found something"
say "lintian has nothing to say"

# ---- what deb-install-check.sh needs ----
"$here/deb.sh" "$work/newer" "$version+newer" "$@"
dpkg-deb -f "$build/deb/$file" Depends | sed 's/ *|[^,]*//g; s/ *([^)]*)//g; s/,//g' >"$work/depends"
