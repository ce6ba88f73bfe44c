#!/bin/sh
# Prints the path of the tofu on the PATH or, where there is none, of the one that
# internal/tools/opentofu pins. That is built into DIRECTORY: it takes minutes once,
# and seconds from then on, since Go caches what it compiled.
#
# usage: scripts/find-tofu.sh DIRECTORY
set -eu

cd "$(dirname "$0")/.."

if command -v tofu; then
	exit
fi
echo "no tofu on the PATH: building the pinned one" >&2
# Without the last flag it calls itself a development version.
go -C internal/tools/opentofu build -o "${1:?}/tofu" \
	-ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no' \
	github.com/opentofu/opentofu/cmd/tofu
echo "$1/tofu"
