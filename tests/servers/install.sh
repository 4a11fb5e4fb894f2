#!/bin/sh
# Install the servers that pip cannot: Azurite below the folder $1, Ceph for the whole machine.
# What cannot be installed is said, and the tests that need it are skipped with the same reason.
set -eu

if [ -x "$1/node_modules/.bin/azurite-blob" ]; then
    :
elif command -v npm >/dev/null; then
    mkdir -p "$1"
    npm install --silent --no-fund --no-audit --prefix "$1" azurite
else
    echo "Azurite is left out: there is no npm" >&2
fi

if command -v radosgw >/dev/null && command -v ceph-osd >/dev/null; then
    :
elif command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        radosgw ceph-mon ceph-osd ceph-common ceph-base
else
    echo "Ceph is left out: it takes apt-get, run by root" >&2
fi
