#!/bin/sh
# Prints the path of terraform or, if it is not on the PATH, of tofu.
set -eu

command -v terraform || command -v tofu || {
	echo "neither terraform nor tofu is on the PATH" >&2
	exit 1
}
