#!/bin/sh
# Prints the path of tofu. If it is not on the PATH, builds the version that
# internal/tools/opentofu pins into DIRECTORY. The first build takes minutes, later ones
# take seconds because of Go's cache.
#
# usage: scripts/find-tofu.sh DIRECTORY
set -eu

cd "$(dirname "$0")/.."

if command -v tofu; then
	exit
fi
echo "no tofu on the PATH: building the pinned one" >&2
# Without the last flag OpenTofu reports a development version.
go -C internal/tools/opentofu build -o "${1:?}/tofu" \
	-ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no' \
	github.com/opentofu/opentofu/cmd/tofu
echo "$1/tofu"
