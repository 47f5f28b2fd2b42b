#!/bin/sh
# Installs the Debian packages named on the command line: as root, or through sudo where that asks nothing;
# otherwise prints the one line to run. Does nothing when all are there.
set -eu
apt=$(cd "$(dirname "$0")/../ansible/roles/ecbak/files" && pwd)/apt.sh
missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "ecbak needs packages that are not installed. Run this, then try again:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600$missing" >&2
    exit 1
fi
echo "installing:$missing"
$as_root "$apt" update -qq
# shellcheck disable=SC2086  # a list of package names
$as_root "$apt" install -y -qq --no-install-recommends $missing >/dev/null
