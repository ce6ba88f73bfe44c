#!/bin/sh
# Runs the pinned GoReleaser with the pinned syft on its PATH.
#
# usage: scripts/goreleaser.sh [argument of goreleaser]...
set -eu

cd "$(dirname "$0")/.."

tools=internal/tools/release/go.mod
# The bills of materials contain syft's version, which must be set at build time.
version=$(go list -modfile="$tools" -m -f '{{.Version}}' github.com/anchore/syft)
go build -modfile="$tools" -o bin/ -ldflags "-s -w -X main.version=${version#v}" github.com/anchore/syft/cmd/syft
PATH=$PWD/bin:$PATH
export PATH
exec go tool -modfile="$tools" goreleaser "$@"
