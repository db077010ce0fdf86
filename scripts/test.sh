#!/bin/bash
# Everything that has to hold: form, lints, dependencies, tests and the judges.
#
#   scripts/test.sh         all of it
#   scripts/test.sh lint    form, lints and dependencies alone
#
# A step that cannot run here is named at the end; with CI=true it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
# After the machine's own programs, so that a developer's nextest is preferred.
export PATH="$PATH:$PWD/.judges/bin"

# Tests whose judge is missing write a line here.
RUSTMQ_SKIPPED=$(mktemp)
export RUSTMQ_SKIPPED
trap 'rm -f "$RUSTMQ_SKIPPED"' EXIT

step() {
    echo "== $*"
    "$@"
}

# Skips a step whose program is missing; in CI that is a failure.
without() {
    if [ "${CI:-}" = true ]; then
        echo "error: $1 is missing and CI=true" >&2
        exit 1
    fi
    echo "skipped: no $1" >>"$RUSTMQ_SKIPPED"
}

check_dependencies() {
    if command -v cargo-deny >/dev/null; then
        # The tree is read offline, so all of it has to be here first.
        cargo fetch --locked --quiet
        step cargo-deny --offline check bans licenses sources
    else
        without cargo-deny
    fi
}

run_tests() {
    # One build for all, the program that the judges' tests run included.
    step cargo build --locked --workspace --bins --tests
    export RUSTMQ_ADMIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/rustmq-admin
    if command -v cargo-nextest >/dev/null; then
        # A person wants the first failure at once, a machine's report all of them.
        step cargo nextest run --locked --workspace ${CI:+--no-fail-fast}
    else
        step cargo test --locked --workspace --all-targets
    fi
}

step cargo fmt --all --check
step cargo clippy --locked --workspace --all-targets -- -D warnings
check_dependencies
if [ "${1:-all}" != lint ]; then
    step cargo test --locked --workspace --doc --quiet
    run_tests
fi

if [ -s "$RUSTMQ_SKIPPED" ]; then
    echo "== not everything ran:"
    sort -u "$RUSTMQ_SKIPPED"
fi
