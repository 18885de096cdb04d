#!/bin/sh
# Compiles kernels.rs to kernels.wasm, a core module without imports. The result is committed.
set -eu
cd "$(dirname "$0")"
rustc --edition 2024 --target wasm32-wasip2 --crate-type cdylib -C opt-level=3 -C panic=abort -C strip=symbols \
    -C target-feature=+simd128 -C linker=rust-lld -C linker-flavor=wasm-ld -C link-self-contained=no \
    -C link-arg=--no-entry --remap-path-prefix "$PWD=." -o kernels.wasm kernels.rs
