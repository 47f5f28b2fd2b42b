#!/bin/sh
# Holds the package to what it promises: the same bytes from any folder at any time, clean for lintian, and a minimal
# Debian that installs, upgrades, removes and purges it without losing what is not ours to delete.
#
# usage: deb-check.sh BUILD VERSION PACKAGES-TO-BUILD-WITH...    (for make deb-check; as root, which a chroot needs)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$1 version=$2
shift 2
work=$build/deb-check
root=$work/root
newer=$version+1

say() { echo "deb-check: $*"; }
fail() { echo "deb-check: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root, for a chroot of Debian to install in"

finish() {
    umount "$root/proc" 2>/dev/null || true
    rm -rf "$root" "$work/another folder"
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
    env LC_ALL=C TZ=Asia/Kathmandu MAKEFLAGS=-j2 HOME=/nonexistent \
        faketime -f '+400d' ansible/packaging/deb.sh "$work/elsewhere" "$version" "$@"
)
for package in "$build"/deb/*.deb; do
    cmp "$package" "$work/elsewhere/deb/${package##*/}" || fail "${package##*/} is not the same twice"
done
say "built twice, the same bytes: $(sha256sum <"$build/deb/ecbak_${version}_amd64.deb")"

# ---- the rules of Debian ----
lintian --fail-on error,warning --allow-root "$build"/deb/*.changes ||
    fail "lintian has found something"
say "lintian has nothing to say"

# ---- in a Debian ----
"$here/deb.sh" "$work/newer" "$newer" "$@"
base=$work/base-$(dpkg-deb -f "$build/deb/ecbak_${version}_amd64.deb" Depends | sha256sum | cut -c 1-12).tar
if [ ! -e "$base" ]; then
    rm -f "$work"/base-*.tar
    # What the package depends on is installed there already, so that a run with the cached base needs no network.
    depends=$(dpkg-deb -f "$build/deb/ecbak_${version}_amd64.deb" Depends | sed 's/ *|[^,]*//g; s/ *([^)]*)//g; s/ //g')
    mmdebstrap --quiet --variant=minbase --include="$depends" bookworm "$base.part.tar"
    mv "$base.part.tar" "$base"
fi
mkdir "$root"
tar -xf "$base" -C "$root"
cp "$build/deb/ecbak_${version}_amd64.deb" "$work/newer/deb/ecbak_${newer}_amd64.deb" "$root/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
owner() { inside stat -c '%U:%G %a' "$1"; }
expect() { # what is said, is, must be
    [ "$2" = "$3" ] || fail "$1: is \"$2\", must be \"$3\""
}

inside dpkg -i "/ecbak_${version}_amd64.deb" >/dev/null
expect "version of the command" "$(inside ecbak version)" "ecbak $version"
expect "/etc/ecbak" "$(owner /etc/ecbak)" "root:ecbak 750"
expect "/var/lib/ecbak" "$(owner /var/lib/ecbak)" "ecbak:ecbak 700"
inside ecbakd --check-config >/dev/null
inside ecbakd --init >"$work/request"
grep -q '^ecbak-request-1:' "$work/request" || fail "--init printed no request"
expect "what root's --init made" "$(owner /var/lib/ecbak/node.key) $(owner /var/lib/ecbak/data)" \
    "ecbak:ecbak 600 ecbak:ecbak 700"
inside sh -c 'cd /etc/systemd/system && ls -R' | grep -q '^ecbakd.service$' || fail "the service is not enabled"
if inside ecbakd >"$work/refused" 2>&1 || ! grep -q 'belongs to user ecbak' "$work/refused"; then
    fail "ecbakd as root, beside the service: $(cat "$work/refused")"
fi
say "installed: a user, its folders, a configuration, a node"

echo '# ours' >>"$root/etc/ecbak/ecbakd.conf"
echo 'path /etc' >"$root/etc/ecbak/store.d/etc.conf"
inside dpkg -i "/ecbak_${newer}_amd64.deb" >/dev/null
expect "version after the upgrade" "$(inside ecbakd --version)" "ecbakd $newer, protocol $(inside dpkg-query -W -f '${Provides}' ecbak |
    sed 's/ecbak-protocol-//g; s/,.*,\|,/ to/')"
expect "the configuration" "$(tail -n 1 "$root/etc/ecbak/ecbakd.conf")" "# ours"
expect "the key" "$(owner /var/lib/ecbak/node.key)" "ecbak:ecbak 600"
grep -q 'deb-systemd-invoke' "$root/var/lib/dpkg/info/ecbak.postinst" || fail "an upgrade does not restart the service"
! grep -q 'stop' "$root/var/lib/dpkg/info/ecbak.prerm" || grep -q 'remove' "$root/var/lib/dpkg/info/ecbak.prerm" ||
    fail "an upgrade stops the service before the new program is there"
say "upgraded: the configuration is as it was"

touch "$root/var/lib/ecbak/data/fragment"
inside dpkg -r ecbak >/dev/null 2>&1
for kept in etc/ecbak/ecbakd.conf etc/ecbak/store.d/etc.conf var/lib/ecbak/node.key var/lib/ecbak/data/fragment; do
    [ -e "$root/$kept" ] || fail "removing the package removed /$kept"
done
inside dpkg -P ecbak >"$work/purged" 2>&1
[ ! -e "$root/etc/ecbak" ] || fail "purging left /etc/ecbak"
[ -e "$root/var/lib/ecbak/data/fragment" ] || fail "purging deleted what others keep here"
grep -q 'rm -r /var/lib/ecbak' "$work/purged" || fail "purging does not say how to delete the rest"
rm -r "$root/var/lib/ecbak"
inside dpkg -i "/ecbak_${version}_amd64.deb" >/dev/null
inside dpkg -P ecbak >"$work/purged" 2>&1
[ ! -e "$root/var/lib/ecbak" ] || fail "purging left an empty /var/lib/ecbak"
! grep -q 'rm -r' "$work/purged" || fail "purging speaks of data where there is none"
inside find /etc /usr /var /lib -name '*ecbak*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' >"$work/left"
[ ! -s "$work/left" ] || fail "purging left: $(cat "$work/left")"
say "removed and purged: data of others survives, nothing else does"
