# shellcheck shell=sh
# Gives Go a place for its caches where the usual one, below the home directory,
# is missing or cannot be written to.
#
# usage: fallback=DIRECTORY; . scripts/go-env.sh

: "${fallback:?}"

# use_cache NAME PROPOSAL FALLBACK: exports NAME as the first of the two that
# can be written to.
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
