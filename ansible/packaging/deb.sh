#!/bin/sh
# Builds the Debian package from a clean copy of the sources, the same bytes wherever and whenever that is done on the same release
# of Debian. The package's version ends with that release, +deb12, because a package is for the release that it was built on and for
# newer ones: those of several releases lie side by side, and a machine that is upgraded gets the newer one.
#
# usage: deb.sh BUILD VERSION PACKAGES-TO-BUILD-WITH...   (for make deb)
# DEB_PROTOCOL, "LOWEST HIGHEST": another range of protocol versions than the sources', for tests
set -eu
umask 022
export LC_ALL=C.UTF-8 TZ=UTC0
here=$(cd "$(dirname "$0")" && pwd)
build=$1 version=$2
shift 2

full=$version$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_ID:++deb$VERSION_ID}" || true)
epoch=$("$here/sources.sh" epoch)
export SOURCE_DATE_EPOCH="$epoch"
folder=$build/deb
rm -rf "$folder"/ecbak*"${full#"$version"}_"* "$folder/ecbak-$version"
mkdir -p "$folder/ecbak-$version"
"$here/sources.sh" list | tar -c --null --files-from=- --mtime="@$epoch" | tar -x -C "$folder/ecbak-$version"

cd "$folder/ecbak-$version"
cp -r ansible/packaging/debian debian
find . -type d -exec chmod 755 {} + -o -perm /111 -exec chmod 755 {} + -o -exec chmod 644 {} +
depends=
for package in "$@"; do
    [ "$package" = build-essential ] || depends="$depends${depends:+, }$package"
done
sed -i "s/@DEPS_BUILD@/$depends/" debian/control
sed -i "s/^VERSION = .*/VERSION = $version/" Makefile
[ -z "${DEB_PROTOCOL:-}" ] || sed -i "s/^\(#define PROTOCOL_LOWEST\) .*/\1 ${DEB_PROTOCOL% *}/
    s/^\(#define PROTOCOL_HIGHEST\) .*/\1 ${DEB_PROTOCOL#* }/" coding/base/protocol.h
cat >debian/changelog <<END
ecbak ($full) unstable; urgency=medium

  * Version $version; what changed is in the repository's log.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -R -d "@$epoch")
END
find . -exec touch -h -d "@$epoch" {} +
# What a developer's shell says to make does not count here.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CC -u CFLAGS -u CPPFLAGS -u LDFLAGS -u BUILD -u DESTDIR -u PREFIX \
    dpkg-buildpackage -b -us -uc >../build.log 2>&1 || {
    tail -n 40 ../build.log | cut -c 1-200
    exit 1
}
cd ..
rm -rf "ecbak-$version"
ls "$PWD"/ecbak*_"$full"_*.deb
