#!/bin/sh
# Builds one of the repository's own development tools, and runs it in the caller's directory.
# The tools are a separate module, so "go run" cannot do this.
#
# usage: scripts/tool.sh NAME [argument]...
set -eu

name=${1:?}
shift

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

go -C "$(dirname "$0")/../internal/tools/cmd" build -o "$scratch/$name" "./$name"
"$scratch/$name" "$@"
