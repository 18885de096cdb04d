use poai_numerics::Reduction;

use super::groups;

/// Results of a workgroup.
const RESULTS: u32 = 4;
/// The longest axis: its length is exact as f32.
const LONGEST: u32 = 1 << 24;

/// Elements as outer × axis × inner, of which the middle is reduced to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduced {
    code: u32,
    results: u32,
    axis: u32,
    inner: u32,
}

impl Reduced {
    /// None of reductions or lengths that devices do not take.
    #[must_use]
    pub fn new(reduction: Reduction, [outer, axis, inner]: [u32; 3]) -> Option<Self> {
        let code = match reduction {
            Reduction::Sum => 0,
            Reduction::Mean => 1,
            Reduction::SumOfSizes => 2,
            Reduction::SumOfSquares => 3,
            Reduction::Norm => 4,
            Reduction::Product => 5,
            Reduction::Max => 6,
            Reduction::Min => 7,
            Reduction::LogSum | Reduction::LogSumExp => return None,
        };
        let results = outer.checked_mul(inner).filter(|&results| results > 0)?;
        results.checked_mul(axis)?;
        (1..LONGEST).contains(&axis).then_some(Self { code, results, axis, inner })
    }

    /// How many.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.results
    }

    /// The second binding's words.
    #[must_use]
    pub fn words(&self) -> [u32; 4] {
        [self.code, self.results, self.axis, self.inner]
    }

    /// Elements.
    #[must_use]
    pub fn work(&self) -> u64 {
        u64::from(self.results) * u64::from(self.axis)
    }

    /// Workgroups.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        groups(self.results.div_ceil(RESULTS))
    }
}
