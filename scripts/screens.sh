#!/bin/sh
# Draws the pictures of the README from the demo's output, or checks that the pictures are up
# to date. The check needs no tool.
#
# usage: scripts/screens.sh write|check
set -eu

cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# screens PICTURE: prints the text of a picture: each command and its output.
screens() {
	case $1 in
	demo)
		printf '$ terraform plan\n\n'
		cat examples/demo/plan.txt
		printf '\n$ terraform apply\n\n'
		cat examples/demo/apply.txt
		printf '\n$ terraform apply\n\n'
		cat examples/demo/again.txt
		;;
	forward)
		printf '$ terraform apply\n\n'
		cat examples/demo/forward.txt
		;;
	esac
}

# draw PICTURE: draws it as SVG, on a dark background for light and dark pages.
draw() {
	escape=$(printf '\033')
	screens "$1" | sed \
		-e "s/^\( *\)+ /\1$escape[32m+$escape[0m /" \
		-e "s/^\\$ .*/$escape[1m&$escape[0m/" \
		-e "s/^Apply complete!/$escape[32m&$escape[0m/" \
		-e "s/^No changes\./$escape[32m&$escape[0m/" >"$scratch/$1"
	go tool -modfile=internal/tools/screens/go.mod freeze "$scratch/$1" --language ansi --output "examples/demo/$1.svg" \
		--background '#171717' --border.radius 8 --font.family 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace' \
		--font.size 13 --line-height 1.3 --padding 20,20,20,20 >/dev/null
}

# shown PICTURE: prints the text of the existing picture.
shown() {
	awk '/<text/ {
		gsub(/<text[^>]*\/>/, "<text></text>")
		gsub(/<\/text>/, "\n")
		gsub(/<[^>]*>/, "")
		gsub(/&quot;|&#34;/, "\"")
		gsub(/&#39;|&apos;/, "\047")
		gsub(/&lt;/, "<")
		gsub(/&gt;/, ">")
		gsub(/&amp;/, "\\&")
		print
	}' "examples/demo/$1.svg" | trim
}

# trim: removes spaces at the end of lines, and empty lines at the end.
trim() {
	awk '{ sub(/ *$/, ""); if ($0 == "") { empty++ } else { while (empty > 0) { print ""; empty-- } print } }'
}

for picture in demo forward; do
	case ${1-} in
	write)
		draw "$picture"
		;;
	check)
		screens "$picture" | trim >"$scratch/screens"
		shown "$picture" >"$scratch/shown"
		if ! diff -u "$scratch/shown" "$scratch/screens" >"$scratch/difference"; then
			echo "examples/demo/$picture.svg is out of date; run 'make screens':" >&2
			cat "$scratch/difference" >&2
			exit 1
		fi
		;;
	*)
		echo "usage: scripts/screens.sh write|check" >&2
		exit 2
		;;
	esac
done
