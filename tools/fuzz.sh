#!/bin/sh
# Runs one fuzz target under libFuzzer, on stable Rust:
#
#   tools/fuzz.sh TARGET [OPTION]...      such as -max_total_time=600 or -jobs=2
#   tools/fuzz.sh TARGET FILE             one input alone
#
# The targets are those of tests/it/fuzz/targets/mod.rs. What is found new goes to
# target/fuzz/TARGET/corpus, an input that fails to target/fuzz/TARGET.
set -eu
cd "$(dirname "$0")/.."
target=${1:?which target?}
shift
export CARGO_TARGET_DIR="$PWD/target" RUSTC_WRAPPER="$PWD/tools/fuzz-rustc.sh"
# With the versions of the program.
[ fuzz/Cargo.lock -nt Cargo.lock ] || cp Cargo.lock fuzz/Cargo.lock
${CARGO:-cargo} build --manifest-path fuzz/Cargo.toml
found=target/fuzz/$target
mkdir -p "$found/corpus"
if [ $# = 1 ] && [ -f "$1" ]; then
    FUZZ_TARGET=$target exec target/debug/fuzz "$1"
fi
words=fixtures/fuzz/$target.dict
[ ! -f "$words" ] || set -- "-dict=$words" "$@"
# As much stack as the threads of the program have. Scenarios run on threads of their own.
ulimit -s 2048
FUZZ_TARGET=$target FUZZ_CORPUS=$found/corpus exec target/debug/fuzz \
    -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/" "$@" "$found/corpus"
