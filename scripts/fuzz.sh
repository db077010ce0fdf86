#!/bin/bash
# Searches for inputs that break a parser: every target of fuzz/, or those named, for FUZZ_SECONDS (60)
# each. The corpus that is kept is where the search starts; what it finds goes below target/, and a crash
# is shown.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install --locked cargo-fuzz
fi

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for source in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$source" .rs)")
    done
fi
for name in "${targets[@]}"; do
    found=target/fuzz/corpus/$name
    mkdir -p "$found"
    echo "== $name"
    # No sanitizer: it would need another toolchain, and the crates forbid unsafe code.
    cargo fuzz run --sanitizer none "$name" "$found" "fuzz/corpus/$name" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=0
done
