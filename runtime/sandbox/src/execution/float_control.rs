//! The processor's floating-point modes: a host that flushes subnormals would change a guest's results.
#![expect(unsafe_code, reason = "the control registers have no safe interface")]

use std::arch::asm;

/// Rounding to nearest, subnormals kept, no exception trapped: what WebAssembly means.
#[cfg(target_arch = "x86_64")]
pub(crate) fn reset() {
    const DEFAULT: u32 = 0x1f80;
    // SAFETY: 0x1f80 is the register's documented value after reset; `ldmxcsr` reads 4 bytes that live across it.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &DEFAULT, options(nostack, readonly)) };
}

/// Rounding to nearest, subnormals kept, no exception trapped: what WebAssembly means.
#[cfg(target_arch = "aarch64")]
pub(crate) fn reset() {
    // SAFETY: 0 is the register's documented value after reset, and changes nothing but arithmetic's modes.
    unsafe { asm!("msr fpcr, {}", in(reg) 0_u64, options(nomem, nostack)) };
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_switched_on_is_switched_off() {
        const FLUSH: u32 = 0x9fc0;
        let half = |number: f32| std::hint::black_box(number) / std::hint::black_box(2.0);
        // SAFETY: the register's flush-to-zero and denormals-are-zero bits are set; this thread is the test's own.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &FLUSH, options(nostack, readonly)) };
        let flushed = half(f32::MIN_POSITIVE);
        reset();
        assert_eq!((flushed, half(f32::MIN_POSITIVE).to_bits()), (0.0, 0x0040_0000));
    }
}
