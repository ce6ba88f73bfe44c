#!/bin/sh
# Runs every test that needs no AWS account. Tests of the provider run a real
# Terraform or OpenTofu against a fake endpoint.
#
# usage: scripts/test.sh [cli] [argument of go test]...
#
# With "cli" only the packages are tested that run Terraform or OpenTofu, without the
# race detector: to see how they get on with another version.
set -eu

cd "$(dirname "$0")/.."

# Tests against AWS are opt-in, and nothing of the caller's own configuration
# of Terraform or AWS may reach a test.
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
	# OpenTofu completes the address of a provider with a host of its own.
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
	# These tests wait for other processes most of the time, and Go does not see that
	# another version answers to the same name.
	options='-count=1 -parallel 4'
elif [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then
	options='-race -cover'
else
	echo "without the race detector: there is no C compiler"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The tests leave here the names of those that this version cannot run.
export TEST_SKIPPED_FILE="$scratch/skipped"

version=$("$TF_ACC_TERRAFORM_PATH" version | sed -n 1p)
echo "testing with $TF_ACC_TERRAFORM_PATH, $version"
status=0
# shellcheck disable=SC2086 # Each is several arguments.
go test $options -timeout 60m "$@" $packages || status=$?
# shellcheck disable=SC2086
go -C internal/tools/cmd test $options -timeout 60m "$@" $tools || status=$?

if [ -s "$TEST_SKIPPED_FILE" ]; then
	printf '\nThese tests were skipped, each after what %s or this machine lacks:\n' "$version"
	sort -u "$TEST_SKIPPED_FILE"
fi
exit "$status"
