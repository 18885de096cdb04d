//! Numbers that find mistakes, and the processors to try them on.

use poai_numerics::{Kernels, Processor};
use proptest::prelude::*;

/// Every choice of kernels that this machine has, with one thread and with three.
pub(crate) fn processors() -> Vec<Processor> {
    poai_numerics::prepare();
    let choices = Kernels::available();
    choices.iter().flat_map(|&kernels| [1, 3].map(|threads| Processor::new(kernels, threads).unwrap())).collect()
}

/// Floats of every kind; most are ordinary, so that sums stay finite often enough.
pub(crate) fn float() -> impl Strategy<Value = f32> {
    prop_oneof![
        40 => -4.0f32..4.0,
        4 => any::<u32>().prop_map(f32::from_bits),
        2 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE]),
        2 => (any::<bool>(), -45i32..-35).prop_map(|(sign, e)| if sign { -(e as f32).exp2() } else { (e as f32).exp2() }),
        1 => prop::sample::select(vec![1e-45, -1e-40, 3e38, -3e38, f32::MAX, f32::MIN]),
    ]
}

/// Rarely also what poisons a sum.
pub(crate) fn wild() -> impl Strategy<Value = f32> {
    prop_oneof![
        60 => float(),
        1 => prop::sample::select(vec![f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0xffc0_1234)]),
    ]
}

/// A reproducible stream for large buffers, faster than a strategy.
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    pub(crate) fn bits(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Mostly ordinary numbers; one in sixteen of any bits at all but NaN and huge ones.
    pub(crate) fn adversarial(&mut self) -> f32 {
        let bits = self.bits();
        match bits & 15 {
            0 => Some(f32::from_bits((bits >> 32) as u32)).filter(|x| x.abs() < 1e15).unwrap_or(-0.0),
            _ => self.unit(),
        }
    }

    /// Ordinary numbers; one in eight is 0.
    pub(crate) fn calm(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| if self.bits() & 7 == 0 { 0.0 } else { self.unit() }).collect()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.bits() as u8).collect()
    }

    pub(crate) fn floats(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| self.adversarial()).collect()
    }
}

/// Fails at the first element that differs.
pub(crate) fn assert_bits(found: &[f32], expected: &[f32], what: impl std::fmt::Display) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (f, e) = (found.to_bits(), expected.to_bits());
        assert_eq!(f, e, "{what}: element {i} is {found:e} ({f:08x}), not {expected:e} ({e:08x})");
    }
}
