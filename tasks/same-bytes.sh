#!/usr/bin/env bash
# Builds the tasks in two folders, with two CARGO_HOMEs, as docs/package.md says that `poai build` does, and
# compares the components. Prints their hashes; ends with exit status 1 if they differ.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tasks=(digits hello wordfreq)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# build CARGO_HOME FOLDER: prints the hash and name of each component.
build() {
    local home=$1 folder=$2 package separator=$'\x1f'
    mkdir -p "$home" "$folder"
    tar -C "$here" --exclude=./target -c . | tar -C "$folder" -x
    cp "$here/../rust-toolchain.toml" "$folder/"
    local flags=(
        -Ctarget-feature=+simd128
        "--remap-path-prefix=$home=/cargo"
        "--remap-path-prefix=$folder=/task"
        "--remap-path-prefix=$folder/target=/task/target"
    )
    cd "$folder"
    for package in "${tasks[@]}"; do
        CARGO_HOME=$home CARGO_TARGET_DIR=$folder/target CARGO_INCREMENTAL=0 CARGO_ENCODED_RUSTFLAGS=$(IFS=$separator && echo "${flags[*]}") \
            cargo build --quiet --locked --release --target wasm32-wasip2 --package "$package" >&2
        sha256sum <"target/wasm32-wasip2/release/$package.wasm" | sed "s/-$/$package.wasm/"
    done
}

first=$(build "$scratch/cargo" "$scratch/one")
second=$(build "$scratch/another/cargo-home" "$scratch/in/a/deeper/folder")
echo "$first"
if [[ $first != "$second" ]]; then
    printf 'the second build differs:\n%s\n' "$second" >&2
    exit 1
fi
