#!/bin/sh
# Builds one of our own development tools, and runs it where the caller stands. The
# tools are a module of their own, so "go run" cannot do both.
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
