#!/bin/sh
# The compiler for `tools/fuzz.sh`: talkpath and the fuzz targets get counters of which branches
# were taken and with what, which libFuzzer reads; the other crates stay as they are.
rustc=$1
shift
case " $* " in
*" --crate-name talkpath "* | *" --crate-name fuzz "*)
    exec "$rustc" "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
