#!/bin/sh
# Builds the tests for aarch64 and runs them under qemu: NEON has to give the bits that are pinned on x86-64.
# Needs (Debian): apt-get install qemu-user gcc-aarch64-linux-gnu; rustup target add aarch64-unknown-linux-gnu.
# Arguments go to the test programs, for example a filter.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
exec cargo test --package poai-numerics --target aarch64-unknown-linux-gnu --lib --test it -- "$@"
