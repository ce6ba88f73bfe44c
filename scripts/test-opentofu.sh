#!/bin/sh
# Runs the tests that need Terraform or OpenTofu, and the demo, with OpenTofu. Uses the tofu
# on the PATH, or the pinned version if there is none.
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
