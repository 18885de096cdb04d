//! Numbers that lie where the hazards do: the same ones always.

/// `SplitMix64`: a counter, mixed.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.word() % end
    }

    /// ± a number whose exponent lies in `least..=most`. A third have few bits, so that sums and products are ties;
    /// a third have almost all, so that roundings carry.
    pub(super) fn between(&mut self, least: i32, most: i32) -> f32 {
        let span = u32::try_from(most - least + 1).expect("a range has a beginning before its end");
        let exponent = u32::try_from(127 + least).expect("exponents are those of normal numbers") + self.below(span);
        let bits = self.word();
        let fraction = match self.below(3) {
            0 => bits & 0x007f_ffff,
            1 => bits & 0x0070_0001,
            _ => (bits | 0x007f_fff0) & 0x007f_ffff,
        };
        f32::from_bits((self.word() & 0x8000_0000) | (exponent << 23) | fraction)
    }
}

/// Bit patterns at every edge: zeros, subnormals, floors, infinities, NaN of both signs.
pub(super) fn edges() -> Vec<u32> {
    let sizes = [
        0,
        1,
        0x0000_0fff,
        0x007f_ffff,
        0x0080_0000,
        0x0080_0001,
        0x0d7f_ffff, // below 2⁻¹⁰⁰
        0x0d80_0000,
        0x2b7f_ffff, // below 2⁻⁴⁰
        0x2b80_0000,
        0x3f7f_ffff,
        0x3f80_0000,
        0x3f80_0001,
        0x4b7f_ffff,
        0x4b80_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0x7f80_0001,
        0x7fc0_0000,
        0x7fff_ffff,
    ];
    sizes.into_iter().flat_map(|size: u32| [size, size | 0x8000_0000]).collect()
}

pub(super) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// The bits of a result, its NaN made the one NaN.
pub(super) fn canonical(number: f32) -> u32 {
    poai_numerics::step::canonical(number).to_bits()
}
