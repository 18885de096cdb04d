#!/bin/sh
# Boots Debian's kernel in Bochs, an emulator of processors with AVX-512, with the tests as its only program: so any
# machine can see the kernels for AVX-512 give the bits that are pinned. (qemu has no AVX-512.) Takes some minutes.
# Needs (Debian): apt-get install bochs bochs-term bochsbios vgabios cpio genisoimage isolinux syslinux-common.
# Arguments go to the test program, for example a filter; without any, the pinned digests are computed.
set -eu
[ $# -gt 0 ] || set -- pinned
cd "$(dirname "$0")/.."
work=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/avx512
mkdir -p "$work/disk"

# A program that needs no libraries. Optimised less, it has no vectors but those that the kernels ask for: the compiler
# would make gathers of some loops, and Bochs 2.7 refuses those whose index is in a high register.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
program=$(cargo test --package poai-numerics --target x86_64-unknown-linux-gnu --test it --no-run \
    --config 'profile.dev.package.poai-numerics.opt-level=1' --message-format json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')

cd "$work"
if ! [ -e disk/vmlinuz ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: *\(linux-image-[^ ]*\)$/\1/p')
    apt-get download "$package"
    dpkg --extract "$package"_*.deb kernel
    cp kernel/boot/vmlinuz-* disk/vmlinuz
fi
strip -o init "$program"
echo init | cpio --quiet -o -H newc > disk/initrd
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 disk
# The processor that Bochs 2.7 emulates says of itself what is not so, and Linux believes it: compact XSAVE areas (321,
# 323), protection keys (515), and fast short `rep movsb` without the long one (580). When the tests end, so does Linux,
# which resets the machine by a triple fault.
cat > disk/isolinux.cfg <<END
default linux
prompt 0
label linux
  kernel vmlinuz
  append initrd=initrd console=ttyS0 rdinit=/init nokaslr clearcpuid=321,323,515,580 mitigations=off tsc=reliable lpj=1000000 panic=-1 reboot=t -- --nocapture --test-threads=1 $*
END
genisoimage -quiet -o disk.iso -b isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table disk
cat > machine <<END
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_icelake_u, count=1, ips=100000000, reset_on_triple_fault=0
megs: 512
clock: sync=none
ata0-master: type=cdrom, path=disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial
log: log
panic: action=fatal
error: action=ignore
info: action=ignore
END
# Debian's Bochs has its debugger, which waits to be told to go on.
printf 'c\nq\n' > commands
rm -f serial disk.iso.lock
TERM=vt100 timeout 3600 script -qc "bochs -q -f machine -rc commands" /dev/null < /dev/null > screen || true
# The last lines are missing where Linux had not yet sent them when the tests ended; the exit code is not.
tr -d '\r' < serial | sed -n '/^running/,/exitcode=/p'
# Its first program ended, and well; and the kernels for AVX-512 were among those that ran.
grep -q 'exitcode=0x00000000' serial
[ "$*" != pinned ] || grep -q '^avx512 convolution' serial
