//! The control word of the floating-point unit: default rounding, nothing flushed.
#![expect(unsafe_code, reason = "the control word has no safe access")]

/// Sets this thread to what IEEE 754 and this crate assume: to nearest even, subnormals kept, no traps.
///
/// A thread inherits the word of the thread that started it, which may be anyone's.
pub fn reset() {
    #[cfg(target_arch = "x86_64")]
    {
        /// All exceptions masked, all else off.
        const DEFAULT: u32 = 0x1f80;
        // SAFETY: the instruction reads four bytes of a constant; the value is the one that every ABI begins with.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &DEFAULT, options(nostack, readonly)) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: zero is the value that every ABI begins with.
    unsafe {
        std::arch::asm!("msr fpcr, {}", in(reg) 0u64, options(nostack, nomem));
    }
}
