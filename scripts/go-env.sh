# shellcheck shell=sh
# Sets other directories for Go's caches if the default ones, below the home directory, are
# missing or not writable.
#
# usage: fallback=DIRECTORY; . scripts/go-env.sh

: "${fallback:?}"

# use_cache NAME PROPOSAL FALLBACK: exports NAME with the first of the two directories that
# is writable.
use_cache() {
	if [ -n "$2" ] && [ "$2" != off ] && mkdir -p "$2" 2>/dev/null && [ -w "$2" ]; then
		export "$1=$2"
	else
		mkdir -p "$3"
		export "$1=$3"
	fi
}

use_cache GOCACHE "$(go env GOCACHE 2>/dev/null || true)" "$fallback/go-build"
use_cache GOMODCACHE "$(go env GOMODCACHE 2>/dev/null || true)" "$fallback/go-mod"
