#!/bin/sh
# Runs every test that needs no AWS account. Tests of the provider run a real
# Terraform or OpenTofu against a fake endpoint.
#
# usage: scripts/test.sh [argument of go test]...
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

# The race detector needs a C compiler, which a machine need not have.
race=
if [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then
	race=-race
else
	echo "without the race detector: there is no C compiler"
fi

echo "testing with $TF_ACC_TERRAFORM_PATH"
exec go test $race -cover -timeout 20m "$@" ./...
