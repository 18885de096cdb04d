//! AMX: products of tiles of bytes, and the permission that they need.
#![expect(unsafe_code, reason = "instructions that have no safe or stable form")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _MM_HINT_T0, _mm_prefetch, _xgetbv};
use std::sync::OnceLock;

/// Rows, and columns, of what [`multiply`] computes at a time: two tiles of 16.
pub(crate) const SIDE: usize = 32;
/// Steps along k of one tile.
pub(crate) const DEPTH: usize = 64;

/// Whether this process may use the tiles. Set by [`prepare`] alone.
static PERMITTED: OnceLock<bool> = OnceLock::new();

/// Asks the operating system for the tiles' registers, once.
pub(crate) fn prepare() {
    PERMITTED.get_or_init(|| exists() && permitted());
}

/// Whether the tiles may be used.
pub(crate) fn available() -> bool {
    PERMITTED.get().copied().unwrap_or(false)
}

/// The processor has AMX for bytes, and the operating system keeps its registers.
fn exists() -> bool {
    /// In leaf 7, EDX: tiles, and their products of bytes.
    const TILES: u32 = (1 << 24) | (1 << 25);
    /// In leaf 1, ECX: the operating system uses XSAVE, so that XGETBV exists.
    const XSAVE: u32 = 1 << 27;
    /// In XCR0: the tiles' configuration and data.
    const STATES: u64 = (1 << 17) | (1 << 18);
    if __cpuid_count(0, 0).eax < 7 || __cpuid_count(1, 0).ecx & XSAVE == 0 {
        return false;
    }
    // SAFETY: the instruction exists where XSAVE is used.
    let states = unsafe { enabled_states() };
    __cpuid_count(7, 0).edx & TILES == TILES && states & STATES == STATES
}

/// # Safety
/// The operating system uses XSAVE.
#[target_feature(enable = "xsave")]
unsafe fn enabled_states() -> u64 {
    // SAFETY: the caller's promise.
    unsafe { _xgetbv(0) }
}

/// Linux gives a process the large registers when it asks.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XTILEDATA: usize = 18;
    let outcome: isize;
    // SAFETY: the call changes nothing but what registers the process may use.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => outcome,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    outcome == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Eight tiles of 16 rows and 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static WHOLE_TILES: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The tiles of this thread, ready while this lives.
pub(crate) struct Tiles(());

impl Tiles {
    /// # Safety
    /// The tiles are [`available`].
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: the caller's promise; the configuration is a valid one.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE_TILES, options(nostack, readonly)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the tiles were configured, so they exist. Without data in them, switching threads is cheap again.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// [`SIDE`] × [`SIDE`] sums to make: `out[r][c] = initial[r][c] + Σ left[r][k] · right[k][c]`, modulo 2³².
pub(crate) struct Square {
    /// For each half of the rows, tiles one behind the other: 16 rows of [`DEPTH`] unsigned bytes.
    pub left: [*const u8; 2],
    /// For each half of the columns, tiles one behind the other: 16 groups of four k, of 16 columns.
    pub right: [*const i8; 2],
    /// How many tiles along k.
    pub steps: usize,
    pub initial: *const i32,
    /// Sums from a row to the next; 0 where all rows begin with the same.
    pub initial_stride: usize,
    pub out: *mut i32,
    /// Sums from a row to the next.
    pub out_stride: usize,
}

/// Makes the sums.
///
/// # Safety
/// The square's pointers are good for its sizes, and the tiles are ready.
#[inline(always)]
pub(crate) unsafe fn multiply(_: &Tiles, square: &Square) {
    let initial_below = square.initial.wrapping_add(16 * square.initial_stride);
    let out_below = square.out.wrapping_add(16 * square.out_stride);
    // The lines to be written are fetched while the products are made.
    for row in 0..SIDE {
        let line = square.out.wrapping_add(row * square.out_stride);
        // SAFETY: a prefetch of any address is harmless.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(16).cast());
        }
    }
    // SAFETY: the caller's promise. Nothing but these three blocks uses the tiles' registers, which compilers leave alone.
    unsafe {
        asm!(
            "tileloadd tmm0, [{initial} + {stride}*4]",
            "tileloadd tmm1, [{initial} + {stride}*4 + 64]",
            "tileloadd tmm2, [{initial_below} + {stride}*4]",
            "tileloadd tmm3, [{initial_below} + {stride}*4 + 64]",
            initial = in(reg) square.initial,
            initial_below = in(reg) initial_below,
            stride = in(reg) square.initial_stride,
            options(nostack, readonly),
        );
        asm!(
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm4, [{left} + {row}]",
            "tileloadd tmm6, [{right} + {row}]",
            "tileloadd tmm7, [{beside} + {row}]",
            "tdpbusd tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{below} + {row}]",
            "tdpbusd tmm1, tmm4, tmm7",
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbusd tmm3, tmm5, tmm7",
            "add {left}, 1024",
            "add {below}, 1024",
            "add {right}, 1024",
            "add {beside}, 1024",
            "dec {steps}",
            "jnz 2b",
            "3:",
            left = inout(reg) square.left[0] => _,
            below = inout(reg) square.left[1] => _,
            right = inout(reg) square.right[0] => _,
            beside = inout(reg) square.right[1] => _,
            row = in(reg) DEPTH,
            steps = inout(reg) square.steps => _,
            options(nostack, readonly),
        );
        asm!(
            "tilestored [{out} + {stride}*4], tmm0",
            "tilestored [{out} + {stride}*4 + 64], tmm1",
            "tilestored [{out_below} + {stride}*4], tmm2",
            "tilestored [{out_below} + {stride}*4 + 64], tmm3",
            out = in(reg) square.out,
            out_below = in(reg) out_below,
            stride = in(reg) square.out_stride,
            options(nostack),
        );
    }
}
