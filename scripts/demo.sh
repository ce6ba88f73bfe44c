#!/bin/sh
# Shows the provider at work with a fake endpoint: it ends sessions, resumes one, and makes
# no calls in a second run. Needs Go and Terraform or OpenTofu.
#
# The demo runs in a temporary directory and removes it at the end. It does not use the
# caller's Terraform or AWS configuration.
#
# The documentation shows the output of this run. The script compares the output with
# plan.txt, apply.txt, again.txt and forward.txt in examples/demo, and these files with the
# pictures in the README. With -screens it writes the files and the pictures instead.
#
# usage: scripts/demo.sh [-screens]
set -eu

cd "$(dirname "$0")/.."

case ${1-} in
'') write_screens= ;;
-screens) write_screens=yes ;;
*)
	echo "usage: scripts/demo.sh [-screens]" >&2
	exit 2
	;;
esac

scratch=$(mktemp -d)
endpoint= # Process ID of the fake.
running=  # Process ID of the command that runs now.

cleanup() {
	status=$?
	# A second signal must not interrupt the cleanup.
	trap - EXIT
	trap '' HUP INT TERM
	for process in $running $endpoint; do
		kill "$process" 2>/dev/null || true
		wait "$process" 2>/dev/null || true
	done
	# An interrupted compiler may still write a file.
	for _ in 1 2 3 4 5; do
		chmod -R u+w "$scratch" 2>/dev/null || true
		rm -rf "$scratch" 2>/dev/null && break
		sleep 0.5
	done
	exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
	printf '\n==> %s\n' "$1"
}

fail() {
	printf '\nThe demo failed: %s\n' "$1" >&2
	exit 1
}

# run COMMAND...: runs it in the background, because the shell then handles signals at once.
run() {
	"$@" &
	running=$!
	code=0
	wait "$running" || code=$?
	running=
	return "$code"
}

work= # Terraform's working directory.

# terraform ARGUMENT...: runs it without the caller's environment.
terraform() {
	run env -i \
		PATH="$PATH" HOME="$scratch/home" TMPDIR="$TMPDIR" \
		CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_CLI_CONFIG_FILE="$scratch/terraform.rc" \
		AWS_ENDPOINT_URL_SSM="$AWS_ENDPOINT_URL_SSM" AWS_ENDPOINT_URL_STS="$AWS_ENDPOINT_URL_STS" \
		AWS_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" \
		AWS_REGION="$AWS_REGION" AWS_EC2_METADATA_DISABLED=true \
		"$cli" -chdir="$work" "$@"
}

view() {
	run "$scratch/bin/fakessm" view "$1" "$FAKESSM_CONTROL_URL"
}

# expect COUNT PATTERN FILE: fails unless COUNT lines of FILE match PATTERN.
expect() {
	count=$(grep -E -c -e "$2" "$3" || true)
	[ "$count" -eq "$1" ] || fail "expected $1 lines like '$2', got $count:
$(cat "$3")"
}

# screen NAME: compares the standard input with the file examples/demo/NAME, or writes it.
screen() {
	cat >"$scratch/screen"
	if [ -n "$write_screens" ]; then
		cp "$scratch/screen" "examples/demo/$1"
	elif ! diff -u "examples/demo/$1" "$scratch/screen" >"$scratch/difference"; then
		fail "examples/demo/$1 differs; if the change is intended, run 'make screens':
$(cat "$scratch/difference")"
	fi
}

cli=$(scripts/find-terraform.sh)
case ${cli##*/} in
tofu) host=registry.opentofu.org ;;
*) host=registry.terraform.io ;;
esac

fallback=$scratch/cache
# shellcheck source=scripts/go-env.sh
. scripts/go-env.sh

mkdir "$scratch/bin" "$scratch/home" "$scratch/tmp"
export TMPDIR="$scratch/tmp"

say "Building the provider and the fake endpoint (the first build takes some minutes)"
run go build -o "$scratch/bin/" . ./internal/cmd/fakessm
mirror=$scratch/mirror/$host/sessionops/ssm/0.1.0/$(go env GOOS)_$(go env GOARCH)
mkdir -p "$mirror"
mv "$scratch/bin/terraform-provider-ssm" "$mirror/terraform-provider-ssm_v0.1.0"
cat >"$scratch/terraform.rc" <<END
provider_installation {
  filesystem_mirror {
    path = "$scratch/mirror"
  }
}
END

say "Starting the fake endpoint, with sessions of three people"
"$scratch/bin/fakessm" -sessions examples/demo/sessions.json -host private.internal=127.0.0.1 -env-file "$scratch/env" >"$scratch/endpoint.log" 2>&1 &
endpoint=$!
tries=0
until [ -f "$scratch/env" ]; do
	tries=$((tries + 1))
	if [ "$tries" -gt 600 ] || ! kill -0 "$endpoint" 2>/dev/null; then
		fail "the fake endpoint did not start:
$(cat "$scratch/endpoint.log")"
	fi
	sleep 0.1
done
# shellcheck source=/dev/null
. "$scratch/env"
view sessions >"$scratch/before"
cat "$scratch/before"
expect 1 '^jane\.roe-.* Disconnected$' "$scratch/before"
expect 3 '^mary\.major-.* (Connected|Disconnected)$' "$scratch/before"

say "terraform init"
work=$scratch/work
cp -R examples/demo "$work"
terraform init -no-color -input=false >"$scratch/init" 2>&1 || fail "init:
$(cat "$scratch/init")"
grep -E '^- Install' "$scratch/init"
expect 1 '^- Installed sessionops/ssm v0\.1\.0' "$scratch/init"

jane=jane.roe-0a1b2c3d4e5f60005

say "terraform plan: the sessions that will end"
terraform plan -no-color -input=false -out=tfplan -var "resume_session_id=$jane" >"$scratch/plan" 2>&1 || fail "plan:
$(cat "$scratch/plan")"
grep -E '^  # ssm_|^ +\+ (owner|target) |^Plan: ' "$scratch/plan"
expect 4 '^ +\+ owner += "arn:.*mary\.major"' "$scratch/plan"
expect 4 '^ +\+ target += "m?i-' "$scratch/plan"
view requests >"$scratch/planned"
expect 0 'TerminateSession|ResumeSession' "$scratch/planned"
{
	# Removes the indentation, because a page would lose it in the first line only.
	first='  # ssm_session_termination.mary["mary.major-0a1b2c3d4e5f60001"] will be created'
	awk -v first="$first" '$0 == first { on = 1 } on { print substr($0, 3) } on && /^    }/ { exit }' "$scratch/plan"
	echo
	grep '^Plan: ' "$scratch/plan"
} | screen plan.txt

say "terraform apply"
terraform apply -no-color -input=false tfplan >"$scratch/apply" 2>&1 || fail "apply:
$(cat "$scratch/apply")"
grep -E 'Creation complete|^Apply complete' "$scratch/apply"
expect 1 '^Apply complete! Resources: 4 added, 0 changed, 0 destroyed\.$' "$scratch/apply"
{
	# Order and duration vary between runs.
	grep ': Creation complete' "$scratch/apply" | sed 's/ after [0-9]*s$/ after 0s/' | LC_ALL=C sort
	echo
	sed -n '/^Apply complete/,$p' "$scratch/apply"
} | screen apply.txt

say "The outcomes"
terraform output -no-color outcomes >"$scratch/outcomes"
cat "$scratch/outcomes"
expect 3 '= "terminated"$' "$scratch/outcomes"
expect 1 '"mary\.major-0a1b2c3d4e5f60004" = "already_ended"$' "$scratch/outcomes"

say "The endpoint's sessions"
view sessions >"$scratch/after"
cat "$scratch/after"
expect 4 '^mary\.major-.* Terminat(ing|ed)$' "$scratch/after"
expect 1 '^jane\.roe-.* Connected$' "$scratch/after"
expect 1 '^john\.stiles-.* Connected$' "$scratch/after"

say "The endpoint's requests"
view requests >"$scratch/requests"
grep -E 'TerminateSession|ResumeSession' "$scratch/requests"
expect 3 '^1 +ssm +TerminateSession +mary\.major-[a-z0-9]+$' "$scratch/requests"
expect 3 'TerminateSession' "$scratch/requests"
echo "Mary's fourth session had already ended, so the provider made no call for it."
expect 1 "^1 +ssm +ResumeSession +$jane\$" "$scratch/requests"

say "Jane's session was resumed"
# The check in the configuration warns if there is no token. Stream URLs begin with wss:.
expect 0 'Check block' "$scratch/apply"
expect 1 '"config_addr": "check\.jane_can_go_on"' "$scratch/work/terraform.tfstate"
expect 0 '"status": "(fail|error|unknown)"' "$scratch/work/terraform.tfstate"
expect 0 'wss:|token_value|stream_url' "$scratch/work/terraform.tfstate"
expect 0 'wss:' "$scratch/plan"
expect 0 'wss:' "$scratch/apply"
cat <<END
session_id  = "$jane"
token_value = ******** (received, and not stored)
stream_url  = ******** (received, and not stored)
END

say "A second run, without a session to resume: no calls"
view reset
code=0
terraform plan -no-color -input=false -detailed-exitcode >"$scratch/plan" 2>&1 || code=$?
grep -E '^No changes' "$scratch/plan" || true
[ "$code" -eq 0 ] || fail "the second plan is not empty:
$(cat "$scratch/plan")"
terraform apply -no-color -input=false -auto-approve >"$scratch/apply" 2>&1 || fail "second apply:
$(cat "$scratch/apply")"
grep -E '^Apply complete' "$scratch/apply"
expect 1 '^Apply complete! Resources: 0 added, 0 changed, 0 destroyed\.$' "$scratch/apply"
view requests >"$scratch/requests"
{
	grep '^No changes' "$scratch/plan"
	echo
	grep '^Apply complete' "$scratch/apply"
} | screen again.txt
printf 'calls to Systems Manager: %s\n' "$(grep -E -c '^[0-9]+ +ssm ' "$scratch/requests" || true)"
expect 0 '^[0-9]+ +ssm ' "$scratch/requests"

say "A forward to a server that only a node can reach, during an apply"
work=$scratch/forward
cp -R examples/demo/forward "$work"
terraform init -no-color -input=false >"$scratch/init" 2>&1 || fail "init:
$(cat "$scratch/init")"
terraform apply -no-color -input=false -auto-approve -var "port=${AWS_ENDPOINT_URL_SSM##*:}" \
	-var "client=$scratch/bin/fakessm view sessions" >"$scratch/apply" 2>&1 || fail "apply:
$(cat "$scratch/apply")"
{
	# Terraform and OpenTofu word this differently. The session of the forward has a new ID.
	grep -E '^(ephemeral|terraform_data).* complete after' "$scratch/apply" |
		sed -e 's/ after .*//' -e 's/Open complete/Opening complete/' -e 's/Close complete/Closing complete/' | tail -n 3
	echo
	grep '^Apply complete' "$scratch/apply"
	echo
	printf '$ cat answer.txt\n\n'
	grep -v '^terraform-' "$work/answer.txt"
} >"$scratch/forwarded"
cat "$scratch/forwarded"
screen forward.txt <"$scratch/forwarded"
expect 1 '^jane\.roe-0a1b2c3d4e5f60005 .* Connected$' "$work/answer.txt"
view sessions >"$scratch/after"
expect 1 '^terraform-.* Terminat(ing|ed)$' "$scratch/after"
view requests >"$scratch/requests"
grep -E 'StartSession|TerminateSession' "$scratch/requests"
expect 1 '^1 +ssm +StartSession' "$scratch/requests"
expect 1 '^1 +ssm +TerminateSession' "$scratch/requests"
echo "The provider first asked the node over the channel to end the session. The call then found that it had ended."

if [ -n "$write_screens" ]; then
	scripts/screens.sh write
else
	scripts/screens.sh check
fi

say "The demo succeeded"
cat <<END
Next: examples/demo/main.tf is the configuration of this demo. examples/demo/README.md
shows how to run it by hand. docs/index.md lists all objects and guides.
END
