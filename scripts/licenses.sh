#!/bin/sh
# Writes THIRD_PARTY_LICENSES.md, the licenses of the modules that are compiled into the
# provider, or checks that it is up to date. The list has no versions, so it changes only when a module is
# added, removed or relicensed.
#
# usage: scripts/licenses.sh write|check
set -eu

cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

list=THIRD_PARTY_LICENSES.md

# render: writes the list to $scratch/list.
render() {
	# Build go-licenses for this machine, before GOOS selects another one.
	go build -modfile=internal/tools/licenses/go.mod -o "$scratch/go-licenses" github.com/google/go-licenses/v2
	# Windows and the other systems need different modules.
	for os in linux windows; do
		if ! GOOS=$os CGO_ENABLED=0 "$scratch/go-licenses" report . \
			--ignore github.com/sessionops/terraform-provider-ssm \
			--template internal/tools/licenses/report.tmpl >>"$scratch/rows" 2>"$scratch/log"; then
			cat "$scratch/log" >&2
			return 1
		fi
	done
	if grep Unknown "$scratch/rows" >&2; then
		echo "these modules have no known license" >&2
		return 1
	fi
	{
		cat <<'END'
# Licenses of Third Parties

The provider consists of its own code, the Go standard library (BSD-3-Clause) and these modules. `make generate` writes this list with
[go-licenses](https://github.com/google/go-licenses); the versions are in [go.mod](go.mod). A module with two licenses has a line for each.

| Module or package | License |
|---|---|
END
		sed '/^$/d' "$scratch/rows" | LC_ALL=C sort -u
	} >"$scratch/list"
}

case ${1-} in
write)
	render
	cp "$scratch/list" "$list"
	;;
check)
	render
	if ! git --no-pager diff --no-index --exit-code "$list" "$scratch/list"; then
		echo "$list is out of date: run 'make generate' and commit the result." >&2
		exit 1
	fi
	echo "$list is up to date."
	;;
*)
	echo "usage: scripts/licenses.sh write|check" >&2
	exit 2
	;;
esac
