#!/bin/sh
# Holds the package to what it promises, as far as installing it goes: a minimal Debian installs, upgrades, removes and purges it
# without losing what is not ours to delete. Needs no network: what the package depends on is installed already.
#
# usage: deb-install-check.sh BUILD VERSION    (for make deb-check after deb-check.sh, in a root of the release that is thrown away)
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
build=$1 version=$2
newer=$version+newer
work=$build/deb-check
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "deb$VERSION_ID")
architecture=$(dpkg --print-architecture)
package=$build/deb/ecbak_$version+${release}_$architecture.deb
newer_package=$work/newer/deb/ecbak_$newer+${release}_$architecture.deb

say() { echo "deb-check: $release: $*"; }
fail() { echo "deb-check: $release: $*" >&2; exit 1; }
owner() { stat -c '%U:%G %a' "$1"; }
expect() { # what is said, is, must be
    [ "$2" = "$3" ] || fail "$1: is \"$2\", must be \"$3\""
}
version_is() { # what is said, version of the package without its release
    expect "version of the package $1" "$(dpkg-query -W -f '${Version}' ecbak)" "$2+$release"
}

[ -e /etc/ecbak ] && fail "ecbak is installed here: this check is for a root that is thrown away"
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d

dpkg -i "$package" >/dev/null
version_is "that was installed" "$version"
expect "version of the command" "$(ecbak version)" "ecbak $version"
expect "/etc/ecbak" "$(owner /etc/ecbak)" "root:ecbak 750"
expect "/var/lib/ecbak" "$(owner /var/lib/ecbak)" "ecbak:ecbak 700"
ecbakd --check-config >/dev/null
ecbakd --init >"$work/request"
grep -q '^ecbak-request-1:' "$work/request" || fail "--init printed no request"
expect "what root's --init made" "$(owner /var/lib/ecbak/node.key) $(owner /var/lib/ecbak/data)" \
    "ecbak:ecbak 600 ecbak:ecbak 700"
ls -R /etc/systemd/system | grep -q '^ecbakd.service$' || fail "the service is not enabled"
if ecbakd >"$work/refused" 2>&1 || ! grep -q 'belongs to user ecbak' "$work/refused"; then
    fail "ecbakd as root, beside the service: $(cat "$work/refused")"
fi
said=$(systemd-analyze verify --man=no /lib/systemd/system/ecbak*.service 2>&1) || true
[ -z "$said" ] || fail "systemd has something to say of the units: $said"
say "installed: a user, its folders, a configuration, a node"

echo '# ours' >>/etc/ecbak/ecbakd.conf
echo 'path /etc' >/etc/ecbak/store.d/etc.conf
dpkg -i "$newer_package" >/dev/null
version_is "after the upgrade" "$newer"
expect "version after the upgrade" "$(ecbakd --version)" "ecbakd $newer, protocol $(dpkg-query -W -f '${Provides}' ecbak |
    sed 's/ecbak-protocol-//g; s/,.*,\|,/ to/')"
expect "the configuration" "$(tail -n 1 /etc/ecbak/ecbakd.conf)" "# ours"
expect "the key" "$(owner /var/lib/ecbak/node.key)" "ecbak:ecbak 600"
grep -q 'deb-systemd-invoke' /var/lib/dpkg/info/ecbak.postinst || fail "an upgrade does not restart the service"
! grep -q 'stop' /var/lib/dpkg/info/ecbak.prerm || grep -q 'remove' /var/lib/dpkg/info/ecbak.prerm ||
    fail "an upgrade stops the service before the new program is there"
say "upgraded: the configuration is as it was"

touch /var/lib/ecbak/data/fragment
dpkg -r ecbak >/dev/null 2>&1
for kept in /etc/ecbak/ecbakd.conf /etc/ecbak/store.d/etc.conf /var/lib/ecbak/node.key /var/lib/ecbak/data/fragment; do
    [ -e "$kept" ] || fail "removing the package removed $kept"
done
dpkg -P ecbak >"$work/purged" 2>&1
[ ! -e /etc/ecbak ] || fail "purging left /etc/ecbak"
[ -e /var/lib/ecbak/data/fragment ] || fail "purging deleted what others keep here"
grep -q 'rm -r /var/lib/ecbak' "$work/purged" || fail "purging does not say how to delete the rest"
rm -r /var/lib/ecbak
dpkg -i "$package" >/dev/null
dpkg -P ecbak >"$work/purged" 2>&1
[ ! -e /var/lib/ecbak ] || fail "purging left an empty /var/lib/ecbak"
! grep -q 'rm -r' "$work/purged" || fail "purging speaks of data where there is none"
find /etc /usr /var /lib/ -name '*ecbak*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' >"$work/left"
[ ! -s "$work/left" ] || fail "purging left: $(cat "$work/left")"
say "removed and purged: data of others survives, nothing else does"

# ---- a machine that is upgraded to this release ----
for older in "$build"/deb/ecbak_"$version"+deb*_"$architecture".deb; do
    dpkg --compare-versions "$(dpkg-deb -f "$older" Version)" lt "$version+$release" || continue
    dpkg -i "$older" >/dev/null || fail "${older##*/}, of an older release, does not install"
    expect "version of the command of ${older##*/}" "$(ecbak version)" "ecbak $version"
    ecbakd --init >"$work/request"
    dpkg -i "$package" >/dev/null
    version_is "after ${older##*/}" "$version"
    for unit in ecbakd.service ecbak-store@.service ecbak-store@.timer; do # they moved below /usr, which is the same place
        [ -e "/lib/systemd/system/$unit" ] || fail "$unit went with the upgrade of ${older##*/}"
    done
    ecbakd --print-request | cmp -s - "$work/request" || fail "the node of ${older##*/} is another one after the upgrade"
    dpkg -P ecbak >/dev/null 2>&1
    rm -r /var/lib/ecbak
    say "${older##*/} runs here, and is upgraded"
done
