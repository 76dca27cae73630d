#!/bin/sh
# How to test a script that uses Session Manager, without AWS. It needs `ssmport`, its
# `session-manager-plugin` and the AWS CLI (1.29 or 2.13, or newer) on the PATH.
#
#   examples/test_a_script.sh                              # a service that does its work
#   FAULTS=cut=1s,drop=5%,seed=7 examples/test_a_script.sh # and one that does not
set -eu

# The endpoint writes one line when it is ready; if it fails instead, `read` does.
work=$(mktemp -d)
mkfifo "$work/ready"
ssmport local --quiet --json ${FAULTS:+--faults "$FAULTS"} >"$work/ready" &
endpoint=$!
trap 'kill "$endpoint" 2>/dev/null || true; rm -r "$work"' EXIT
read -r ready <"$work/ready"

# No credentials are checked, but the AWS CLI wants some.
AWS_ENDPOINT_URL=$(printf %s "$ready" | sed 's/.*"url":"\([^"]*\)".*/\1/')
export AWS_ENDPOINT_URL AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test

# The script to be tested: this one runs a command on a node.
on_node() {
    aws ssm start-session --target "$1" --document-name AWS-StartNonInteractiveCommand \
        --parameters "command=[\"$2\"]"
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

# Each node is this machine.
on_node i-0123456789abcdef0 "sh -c 'sleep 2; uname -s'" >"$work/output" || fail "the command ran"
grep -qx "$(uname -s)" "$work/output" || fail "its output arrived"

if on_node i-0fedcba9876543210 true 2>"$work/errors"; then fail "a node that is not there"; fi
grep -q TargetNotConnected "$work/errors" || fail "the reason was told"

echo "all good"
