use poai_numerics::{Axis, Pooling, Window};

use super::groups;

/// The most taps: as f32 their number is exact.
const TAPS: u32 = 1 << 24;

/// A window that slides over images, and what is made of what lies under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pools {
    words: [u32; 18],
}

impl Pools {
    /// Pools with so many places down and across, of images whose channels come first or last. None of sizes that devices
    /// do not take.
    #[must_use]
    pub fn new(pooling: Pooling, window: &Window, places: [usize; 2], channels_first: bool) -> Option<Self> {
        let Window { images, channels, height, width } = *window;
        let code = match pooling {
            Pooling::Max => 0,
            Pooling::Average => 1,
            Pooling::AverageWithPadding => 2,
        };
        let count = |lengths: &[usize]| {
            let product = lengths.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
            u32::try_from(product).ok()
        };
        count(&[images, height.input, width.input, channels])?;
        let results = count(&[images, places[0], places[1], channels])?;
        let taps = count(&[height.kernel, width.kernel]).filter(|taps| (1..TAPS).contains(taps));
        let both = |of: fn(&Axis) -> Option<usize>| Some([word(of(&height)?)?, word(of(&width)?)?]);
        // What a window that begins at the last place reaches, with the padding: nothing comes near 2³².
        for (axis, places) in [(height, places[0]), (width, places[1])] {
            let span = axis.kernel.checked_mul(axis.dilation)?.checked_add(places.checked_mul(axis.stride)?)?;
            word(span)?;
        }
        let pairs = [
            both(|axis| Some(axis.input))?,
            both(|axis| Some(axis.kernel))?,
            both(|axis| Some(axis.stride))?,
            both(|axis| Some(axis.dilation))?,
            both(|axis| Some(axis.before))?,
            [word(places[0])?, word(places[1])?],
            both(|axis| axis.before.checked_add(axis.input)?.checked_add(axis.behind))?,
        ];
        let mut words =
            [code, results, word(channels)?, u32::from(channels_first), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        words[4..].copy_from_slice(pairs.as_flattened());
        (taps.is_some() && results > 0).then_some(Self { words })
    }

    /// Results.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.words[1]
    }

    /// The second binding's words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Taps of all results.
    #[must_use]
    pub fn work(&self) -> u64 {
        u64::from(self.results()).saturating_mul(u64::from(self.words[6]) * u64::from(self.words[7]))
    }

    /// Workgroups.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        groups(self.results().div_ceil(64))
    }
}

/// A length; none beyond 2³¹, so that sums and differences of two of them are told apart.
fn word(length: usize) -> Option<u32> {
    u32::try_from(length).ok().filter(|&length| length < 1 << 31)
}
