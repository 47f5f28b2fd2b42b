#!/bin/sh
# Makes the source archive, the same bytes from the same commit wherever and whenever that is done.
#
# usage: dist.sh BUILD VERSION    (for make dist)
set -eu
umask 022
export LC_ALL=C.UTF-8 TZ=UTC0
here=$(cd "$(dirname "$0")" && pwd)
name=ecbak-$2
archive=$1/dist/$name.tar.xz

epoch=$("$here/sources.sh" epoch)
mkdir -p "$1/dist"
"$here/sources.sh" list | tar -c --null --files-from=- --format=ustar --transform="s|^|$name/|" --mtime="@$epoch" \
    --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX | xz -T1 >"$archive.part"
mv "$archive.part" "$archive"
echo "$archive"
