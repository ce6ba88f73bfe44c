#!/bin/sh
# Prints the path of the terraform or, where that is absent, the tofu on the PATH.
set -eu

command -v terraform || command -v tofu || {
	echo "neither terraform nor tofu is on the PATH" >&2
	exit 1
}
