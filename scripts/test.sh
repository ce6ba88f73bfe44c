#!/bin/sh
# Runs every test that needs no AWS account. The provider's tests run a real Terraform or
# OpenTofu with a fake endpoint.
#
# usage: scripts/test.sh [cli] [argument of go test]...
#
# With "cli" it tests only the packages that run Terraform or OpenTofu, and without the race
# detector. This serves to test with other versions.
set -eu

cd "$(dirname "$0")/.."

# Tests against AWS need an explicit opt-in, and no test may see the caller's own Terraform
# or AWS configuration.
for name in $(env | sed -n 's/^\(AWS_[A-Za-z0-9_]*\)=.*/\1/p; s/^\(TF_CLI_[A-Za-z0-9_]*\)=.*/\1/p'); do
	unset "$name"
done
unset TF_ACC TF_DATA_DIR TF_PLUGIN_CACHE_DIR TF_REATTACH_PROVIDERS TF_WORKSPACE
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1

if [ -z "${TF_ACC_TERRAFORM_PATH-}" ]; then
	TF_ACC_TERRAFORM_PATH=$(scripts/find-terraform.sh)
	export TF_ACC_TERRAFORM_PATH
fi
case ${TF_ACC_TERRAFORM_PATH##*/} in
tofu*)
	# OpenTofu completes a provider's address with its own registry host.
	export TF_ACC_PROVIDER_HOST="${TF_ACC_PROVIDER_HOST:-registry.opentofu.org}"
	export TF_ACC_PROVIDER_NAMESPACE="${TF_ACC_PROVIDER_NAMESPACE:-hashicorp}"
	;;
esac

packages=./...
tools=./...
options=-cover
if [ "${1-}" = cli ]; then
	shift
	packages=./internal/provider
	tools=./providerschema
	# These tests mostly wait for other processes, so more of them can run in parallel. Go's
	# test cache does not notice another version of the same program.
	options='-count=1 -parallel 4'
elif [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then
	options='-race -cover'
else
	echo "running without the race detector, because there is no C compiler"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The tests write the names of skipped tests to this file.
export TEST_SKIPPED_FILE="$scratch/skipped"

version=$("$TF_ACC_TERRAFORM_PATH" version | sed -n 1p)
echo "testing with $TF_ACC_TERRAFORM_PATH, $version"
status=0
# shellcheck disable=SC2086 # The options are several arguments.
go test $options -timeout 60m "$@" $packages || status=$?
# shellcheck disable=SC2086
go -C internal/tools/cmd test $options -timeout 60m "$@" $tools || status=$?

if [ -s "$TEST_SKIPPED_FILE" ]; then
	printf '\nThese tests were skipped. Before each group: what %s or this machine does not have.\n' "$version"
	sort -u "$TEST_SKIPPED_FILE"
fi
exit "$status"
