#!/bin/sh
# Generates docs/ from the provider's schema, templates/ and examples/, or validates the
# existing pages: each object has a page, the pages follow the Registry's rules, and their
# links work. The schema comes from the provider itself, so the pages do not depend on the
# version of an installed Terraform, and none is needed.
#
# usage: scripts/docs.sh write|check|validate
#
# The script empties and writes only index.md and the folders of the Registry's layout
# (resources, data-sources, ephemeral-resources, actions, list-resources, functions,
# guides). It does not touch docs/design.
set -eu

cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# tfplugindocs COMMAND DIRECTORY: runs it for the pages in DIRECTORY/docs.
tfplugindocs() {
	scripts/tool.sh providerschema -out "$scratch/schema.json"
	if ! go tool -modfile=internal/tools/go.mod tfplugindocs "$1" \
		--provider-dir "$2" \
		--provider-name ssm \
		--providers-schema "$scratch/schema.json" >"$scratch/log" 2>&1; then
		cat "$scratch/log" >&2
		return 1
	fi
}

case ${1-} in
write)
	tfplugindocs generate .
	;;
check)
	mkdir "$scratch/copy"
	for folder in docs examples templates; do
		if [ -d "$folder" ]; then
			cp -R "$folder" "$scratch/copy/"
		fi
	done
	tfplugindocs generate "$scratch/copy"
	if ! git --no-pager diff --no-index --exit-code docs "$scratch/copy/docs"; then
		echo "docs/ is out of date: run 'make generate' and commit the result." >&2
		exit 1
	fi
	echo "docs/ is up to date."
	;;
validate)
	tfplugindocs validate .
	scripts/tool.sh checklinks
	;;
*)
	echo "usage: scripts/docs.sh write|check|validate" >&2
	exit 2
	;;
esac
