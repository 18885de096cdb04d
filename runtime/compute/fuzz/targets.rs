//! The way in which a stranger's kernel reaches this crate, as a plain function.
//!
//! It takes any bytes and panics only if a law is broken. `cargo test -p poai-compute` runs it on the corpus and on
//! mutations of it; `cargo +nightly fuzz run fuzz_kernel` searches for more.

use poai_compute::{Access, Binding, DispatchError, Kernel, KernelError};

/// Bytes that no error is longer than: what naga quotes of a source, and a reason.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// What a dispatch may cost.
const BUDGET: u64 = 1 << 16;
/// Words of each buffer.
const WORDS: usize = 96;
/// Workgroups of a dispatch.
const WORKGROUPS: [u32; 3] = [2, 1, 1];

/// Bytes are no kernel with an entry point `main`, or one that ends in the same way every time, on however many threads, at
/// the same cost, and not with less. One that is proven for devices neither races nor diverges, nor
/// shows the order of its atomic operations.
pub fn fuzz_kernel(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let kernel = match Kernel::parse(source, "main") {
        Ok(kernel) => kernel,
        Err(error) => {
            assert!(error.to_string().len() <= MAX_ERROR_BYTES);
            let is_ours = matches!(error, KernelError::TooLarge { what: KernelError::COMPILER, .. });
            assert!(!is_ours, "the compiler panicked");
            return;
        }
    };
    let (first, second) = (dispatch(&kernel, 1, BUDGET), dispatch(&kernel, 2, BUDGET));
    assert_eq!(first, second, "the same every time");
    let (done, left, _) = &first;
    let parts = matches!(done, Err(DispatchError::Race | DispatchError::Mixture | DispatchError::Divergence));
    assert!(kernel.lowered().is_err() || !parts, "what is proven does not happen");
    match done {
        Ok(()) if *left < BUDGET => {
            let exact = dispatch(&kernel, 1, BUDGET - left);
            assert_eq!((&exact.0, exact.1, &exact.2), (&Ok(()), 0, &first.2), "what it costs is enough");
            let short = dispatch(&kernel, 1, BUDGET - left - 1);
            assert_eq!((short.0, short.1), (Err(DispatchError::OutOfFuel), 0), "less is not");
        }
        Err(DispatchError::OutOfFuel) => assert_eq!(*left, 0),
        _ => assert!(*left <= BUDGET),
    }
}

/// How a dispatch ends, what it leaves of its budget, and what is in the buffers then.
fn dispatch(kernel: &Kernel, threads: usize, budget: u64) -> (Result<(), DispatchError>, u64, Vec<Vec<u32>>) {
    let mut buffers: Vec<Vec<u32>> = kernel
        .accesses()
        .zip(0..)
        .map(|(_, seed)| (seed..).take(WORDS).map(|word| u32::wrapping_mul(word, 0x1234_5677)).collect())
        .collect();
    let mut bindings: Vec<Binding<'_>> =
        kernel.accesses().zip(&mut buffers).map(|(access, words)| bind(access, words)).collect();
    let mut left = budget;
    let threads = threads.try_into().expect("there is one at least");
    let done = kernel.dispatch_on(threads, &mut bindings, WORKGROUPS, &mut left);
    (done, left, buffers)
}

fn bind(access: Access, words: &mut [u32]) -> Binding<'_> {
    match access {
        Access::Read => Binding::Read(words),
        Access::ReadWrite => Binding::ReadWrite { words, stride: 4 },
        Access::Atomic => Binding::ReadWrite { words, stride: 0 },
    }
}
