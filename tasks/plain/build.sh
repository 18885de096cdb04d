#!/usr/bin/env bash
# Builds the plain programs of this folder: C by zig for WASI preview 1, Python by componentize-py.
# The compilers come from PyPI by the hashes in requirements.txt, once, into tasks/target/plain/tools.
#
# Usage: build.sh [c] [python]      builds both if none is named, and prints the path of each file built
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$here/../target/plain
tools=$out/tools
python=${PYTHON:-python3}

fail() {
    echo "tasks/plain/build.sh: $1" >&2
    exit 1
}

# Installs the compilers, unless those of this very requirements.txt are there. A lock keeps two builds apart.
install_tools() {
    local stamp=$tools/requirements.txt
    exec 9>"$out/lock"
    flock 9
    cmp -s "$here/requirements.txt" "$stamp" && return
    rm -rf "$tools"
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
        --require-hashes --requirement "$here/requirements.txt" --target "$tools" >&2 ||
        fail "pip cannot install the compilers that requirements.txt names (see above)"
    cp "$here/requirements.txt" "$stamp"
}

build_c() {
    ZIG_GLOBAL_CACHE_DIR=$out/zig-cache PYTHONPATH=$tools "$python" -m ziglang cc \
        --target=wasm32-wasi -O2 -s -Wall -Werror -o "$out/wc.wasm" "$here/c/wc.c" >&2 ||
        fail "zig cannot build c/wc.c (see above)"
    echo "$out/wc.wasm"
}

build_python() {
    PYTHONPATH=$tools "$tools/bin/componentize-py" --quiet --wit-path "$here/../../wit" \
        --world wasi:cli/command@0.2.12 componentize --python-path "$here/python" app --output "$out/app.wasm" >&2 ||
        fail "componentize-py cannot build python/app.py (see above)"
    echo "$out/app.wasm"
}

[[ $# -gt 0 ]] || set -- c python
for program in "$@"; do
    [[ $program == c || $program == python ]] || fail "there is no program '$program'; usage: build.sh [c] [python]"
done
for tool in "$python" flock cmp; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done
"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip: install it (Debian: python3-pip)"
mkdir -p "$out"
out=$(cd "$out" && pwd)
tools=$out/tools
install_tools
for program in "$@"; do
    "build_$program"
done
