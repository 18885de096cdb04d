#!/usr/bin/env bash
# Two independent software drivers of Vulkan for the tests: Mesa's lavapipe and SwiftShader, with the loader and the
# validation layer. Nothing is installed and no root is needed: Debian's packages are fetched by version and SHA-256
# and unpacked into FOLDER. What is there already is kept.
#
#   runtime/vulkan/scripts/drivers.sh [FOLDER]     (default: target/vulkan-drivers)
#
# Prints the environment that finds them, a variable a line; so in a shell:
#   export $(runtime/vulkan/scripts/drivers.sh)
# Needs: curl, ar, tar, xz, ldd, flock, sha256sum; an x86-64 Linux with glibc of Debian 12 (2.36) or newer.
set -euo pipefail

folder=${1:-$(dirname "$0")/../../../target/vulkan-drivers}

# The same paths on both: a release that is no longer supported moves from the first to the second.
mirrors=(https://deb.debian.org/debian https://archive.debian.org/debian)

# Package's path in the archive, and SHA-256. bookworm's own Mesa, 22.3.6, ends loops at 65,535 turns: so backports'.
loader='v/vulkan-loader/libvulkan1_1.3.239.0-1 622f28b807ba55a1f5ad1622ff83aa2c5b11fedbec074850e04c10a8f28b43d3'
lavapipe='m/mesa/mesa-vulkan-drivers_25.0.7-2~bpo12+1 3899f1800424c60a05df5d6913076a526ca8fdbabec43672cd397563d1ca3263'
# Chromium carries SwiftShader, and a validation layer that is younger than Debian's own.
swiftshader='c/chromium/chromium-common_150.0.7871.100-1~deb12u1 31326f6b71ce20a52e7bea9792bf7135d4ff802e1cdbc250960b1b46729998d2'

# What lavapipe links, fetched only where the machine lacks it: library, path, SHA-256.
libraries='
libLLVM-15.so.1 l/llvm-toolchain-15/libllvm15_15.0.6-4+b1 9f0751109ba89e65b1313a4f3e34a29977a0db6fa30ed475e2c6bd555fa9e866
libX11-xcb.so.1 libx/libx11/libx11-xcb1_1.8.4-2+deb12u2 f5da45e1d881a793250a96613f28c471a248877f1a0f18a5c90e2a620a76c898
libXau.so.6 libx/libxau/libxau6_1.0.9-1 679db1c4579ec7c61079adeaae8528adeb2e4bf5465baa6c56233b995d714750
libXdmcp.so.6 libx/libxdmcp/libxdmcp6_1.1.2-3 ecb8536f5fb34543b55bb9dc5f5b14c9dbb4150a7bddb3f2287b7cab6e9d25ef
libbsd.so.0 libb/libbsd/libbsd0_0.11.7-2 bb31cc8b40f962a85b2cec970f7f79cc704a1ae4bad24257a822055404b2c60b
libdrm.so.2 libd/libdrm/libdrm2_2.4.123-1~bpo12+1 9cc2f341964286295124a32d3625edb76730500625e54a1e682761f883064d7b
libedit.so.2 libe/libedit/libedit2_3.1-20221030-2 1cf14abf2716d3279db12d0657a5737cf70074a1e71d3bdf73206625e3c89ce6
libexpat.so.1 e/expat/libexpat1_2.5.0-1+deb12u2 2255e62fc22a86d2c544b8a3f516da9aee19383ad5742722ab4ce7f66a30dbc8
libffi.so.8 libf/libffi/libffi8_3.4.4-1 6d9f6c25c30efccce6d4bceaa48ea86c329a3432abb360a141f76ac223a4c34a
libicudata.so.72 i/icu/libicu72_72.1-3+deb12u1 f7f6f99c6d7b025914df2447fc93e11d22c44c0c8bdd8b6f36691c9e7ddcef88
libicuuc.so.72 i/icu/libicu72_72.1-3+deb12u1 f7f6f99c6d7b025914df2447fc93e11d22c44c0c8bdd8b6f36691c9e7ddcef88
libmd.so.0 libm/libmd/libmd0_1.0.4-2 03539fd30c509e27101d13a56e52eda9062bdf1aefe337c07ab56def25a13eab
libtinfo.so.6 n/ncurses/libtinfo6_6.4-4 072d908f38f51090ca28ca5afa3b46b2957dc61fe35094c0b851426859a49a51
libwayland-client.so.0 w/wayland/libwayland-client0_1.21.0-1 1f002d028b8b79eec9847c636d8886d10dfe8c884cc2bebe18086b1391c5a28d
libxcb.so.1 libx/libxcb/libxcb1_1.15-1 fdc61332a3892168f3cc9cfa1fe9cf11a91dc3e0acacbc47cbc50ebaa234cc71
libxcb-dri3.so.0 libx/libxcb/libxcb-dri3-0_1.15-1 02699b144b9467de8636d27a76984b8f4e7b66e2d25d96df2b9677be86ee9a29
libxcb-present.so.0 libx/libxcb/libxcb-present0_1.15-1 89383e627a4d17b9390d609b2459481bfd2029566367b43068586769e418b6e5
libxcb-randr.so.0 libx/libxcb/libxcb-randr0_1.15-1 f86e3d8ff8622871008833e9d064919b7a6237399c903c59fc330ff00f199ff5
libxcb-shm.so.0 libx/libxcb/libxcb-shm0_1.15-1 c1afcef29dc78b95c475159b181b28b1dedaf1d5aa06efd2fa6d90c73bfbe0e5
libxcb-sync.so.1 libx/libxcb/libxcb-sync1_1.15-1 3366ce715220d38dd0148b78a8e738137bade25ef7eec0698850c6f66800844f
libxcb-xfixes.so.0 libx/libxcb/libxcb-xfixes0_1.15-1 d744a7ebad2cbcf301c96cd6a1ab3ee856e436fc7be5cff5b7c28ac2ac181a64
libxml2.so.2 libx/libxml2/libxml2_2.9.14+dfsg-1.3~deb12u6 4460e39dda10a815881374217cde08474747cfa018358cd8612c14b390eff53b
libxshmfence.so.1 libx/libxshmfence/libxshmfence1_1.3-1 1a38142e40e3d32dc4f9a326bf5617363b7d9b4bb762fdcdd262f2192092024d
libz3.so.4 z/z3/libz3-4_4.8.12-3.1 6221ca25ad5abcfbe1965801029d85a88b4775320384b4b716de8fab7a4d2f7a
'

die() { echo "drivers.sh: $*" >&2; exit 1; }

# Unpacks the package at PATH, of SHA-256 SUM, into the folder `packages/NAME`.
bring() {
  local path=$1 sum=$2 into mirror
  into=packages/$(basename "$path")
  [[ -d $into ]] && return
  for mirror in "${mirrors[@]}"; do
    if curl --silent --show-error --fail --location --retry 3 --output package.deb "$mirror/pool/main/${path}_amd64.deb"; then
      echo "$sum  package.deb" | sha256sum --check --quiet || die "$path from $mirror is not the package that is pinned"
      rm -rf unpacked && mkdir -p unpacked packages
      ar p package.deb data.tar.xz | tar --extract --xz --directory unpacked
      mv unpacked "$into" && rm package.deb
      return
    fi
  done
  die "no mirror has $path"
}

# Fetches what lavapipe links and the machine lacks, until nothing is lacking.
bring_libraries() {
  local missing library path sum
  while missing=$(LD_LIBRARY_PATH=$PWD/lib ldd lib/libvulkan_lvp.so | awk '/not found/ { print $1; exit }'); [[ -n $missing ]]; do
    path=
    while read -r library path sum; do [[ $library == "$missing" ]] && break; done <<<"$libraries"
    [[ -n $path ]] || die "lavapipe needs $missing, which this machine lacks and no pinned package has"
    bring "$path" "$sum"
    find "packages/$(basename "$path")" -name '*.so.*' -exec cp --no-dereference {} lib/ \;
    [[ -e lib/$missing ]] || die "$path has no $missing"
  done
}

[[ $(uname -s)-$(uname -m) == Linux-x86_64 ]] || die "only x86-64 Linux is served, not $(uname -s) on $(uname -m)"
for tool in curl ar tar xz ldd flock sha256sum; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done
mkdir -p "$folder" && cd "$folder"
exec 9>lock && flock 9

# Another version of this script may have left other packages.
version=$(sha256sum <<<"$loader $lavapipe $swiftshader $libraries")
if [[ ! -e complete || $(cat complete) != "$version" ]]; then
  rm -rf complete lib layers packages && mkdir -p lib layers
  for package in "$loader" "$lavapipe" "$swiftshader"; do bring $package; done
  cp --no-dereference packages/libvulkan1_*/usr/lib/x86_64-linux-gnu/libvulkan.so.1* lib/
  cp packages/mesa-*/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so lib/
  cp packages/chromium-*/usr/lib/chromium/lib{vk_swiftshader,VkLayer_khronos_validation}.so lib/
  cp packages/mesa-*/usr/share/vulkan/icd.d/lvp_icd.json lavapipe.json
  sed "s|\./libvk_swiftshader.so|libvk_swiftshader.so|" packages/chromium-*/usr/lib/chromium/vk_swiftshader_icd.json >swiftshader.json
  cat >layers/validation.json <<'MANIFEST'
{"file_format_version": "1.1.2", "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",
  "library_path": "libVkLayer_khronos_validation.so", "api_version": "1.3.239", "implementation_version": "1",
  "description": "Khronos validation layer"}}
MANIFEST
  bring_libraries
  rm -rf packages
  echo "$version" >complete
fi

echo "VK_DRIVER_FILES=$PWD/lavapipe.json:$PWD/swiftshader.json"
echo "VK_LAYER_PATH=$PWD/layers"
echo "LD_LIBRARY_PATH=$PWD/lib"
