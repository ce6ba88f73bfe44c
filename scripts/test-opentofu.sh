#!/bin/sh
# Runs with OpenTofu what otherwise runs with Terraform: the tests that need either
# of them, and the demo. Takes the tofu on the PATH, or else the pinned one.
#
# usage: scripts/test-opentofu.sh [argument of go test]...
set -eu

cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

TF_ACC_TERRAFORM_PATH=$(scripts/find-tofu.sh "$scratch")
export TF_ACC_TERRAFORM_PATH

scripts/test.sh cli "$@"
scripts/demo.sh
