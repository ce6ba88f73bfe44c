#!/bin/sh
# Formats the examples, or checks their format, with the installed Terraform or
# OpenTofu.
#
# usage: scripts/fmt-examples.sh write|check
set -eu

cd "$(dirname "$0")/.."

if ! cli=$(scripts/find-terraform.sh 2>/dev/null); then
	echo "neither terraform nor tofu is on the PATH: skipping the format of the examples"
	exit 0
fi

# Do not use the caller's own configuration.
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1
unset TF_CLI_ARGS TF_CLI_ARGS_fmt TF_LOG

case ${1-} in
write)
	"$cli" fmt -recursive examples
	;;
check)
	if ! "$cli" fmt -recursive -check -diff examples; then
		echo "the examples are not formatted: run 'make fmt'" >&2
		exit 1
	fi
	;;
*)
	echo "usage: scripts/fmt-examples.sh write|check" >&2
	exit 2
	;;
esac
