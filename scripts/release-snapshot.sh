#!/bin/sh
# Builds the files of a release from the last commit into dist/, signed with a temporary
# key, and checks them. It validates them like the registries, compares them with a second
# build, and installs them with Terraform and OpenTofu. Needs Go, git, gpg and Terraform,
# and builds OpenTofu if it is missing. It publishes nothing, and needs no network once Go
# has all modules.
#
# usage: scripts/release-snapshot.sh
set -eu

cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
export GNUPGHOME="$scratch/gpg"

cleanup() {
	gpgconf --kill all 2>/dev/null || true
	chmod -R u+w "$scratch" 2>/dev/null || true
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
	printf '\n==> %s\n' "$1"
}

# build DIRECTORY FILES: builds a snapshot in a new clone, and copies the files of a release
# to FILES.
build() {
	git clone --quiet --no-checkout . "$1"
	git -C "$1" checkout --quiet --detach "$commit"
	"$1/scripts/goreleaser.sh" release --snapshot --clean
	mkdir "$2"
	cp "$1"/dist/*.zip "$1"/dist/*.spdx.json "$1"/dist/*_SHA256SUMS "$1"/dist/*_SHA256SUMS.sig "$2"
	# The manifest has this name in releases only.
	manifest=$(sed -n 's/.*  \(.*_manifest\.json\)$/\1/p' "$2"/*_SHA256SUMS)
	cp "$1/terraform-registry-manifest.json" "$2/$manifest"
}

if ! command -v gpg >/dev/null; then
	echo "gpg is not on the PATH; it is needed to sign the checksums" >&2
	exit 1
fi
commit=$(git rev-parse HEAD)
if [ -n "$(git status --porcelain)" ]; then
	echo "building $commit without the uncommitted changes" >&2
fi

fallback=$scratch/cache
# shellcheck source=scripts/go-env.sh
. scripts/go-env.sh

mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --pinentry-mode loopback --passphrase '' \
	--quick-generate-key 'Temporary key <nobody@example.com>' rsa3072 sign never
GPG_FINGERPRINT=$(gpg --batch --quiet --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p')
export GPG_FINGERPRINT
gpg --batch --armor --export "$GPG_FINGERPRINT" >"$scratch/key"

say "Building a snapshot of the release"
rm -rf dist
build "$scratch/clone" dist

say "Building it again, with another directory, user configuration and time zone"
(
	umask 077
	mkdir "$scratch/home"
	export HOME="$scratch/home" TZ=Asia/Kathmandu
	build "$scratch/another/clone" "$scratch/again"
)

say "Checking and installing it"
set -- "$(scripts/find-tofu.sh "$scratch")"
if terraform=$(command -v "${TF_ACC_TERRAFORM_PATH:-terraform}"); then
	set -- "$terraform" "$@"
else
	echo "terraform is not on the PATH, so only OpenTofu will install the snapshot" >&2
fi
for cli in "$@"; do
	shift
	set -- "$@" -install "$cli"
done
scripts/tool.sh releasecheck -commit "$commit" -key "$scratch/key" -same "$scratch/again" "$@" dist
