use super::groups;

/// Words before the scale.
const HEADER: usize = 8;
/// Rows of a workgroup.
const ROWS: u32 = 4;
/// The longest row: its length is exact as f32.
const LONGEST: u32 = 1 << 24;
/// The least that devices add to a variance: with less, a mean that is subnormal could show.
const LEAST_EPSILON: f32 = 8.881_784e-16;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Row<'a> {
    /// Its softmax.
    Softmax,
    /// The logarithm of that.
    LogSoftmax,
    /// Its layer norm, or root mean square norm, scaled and shifted.
    Norm {
        /// Whether the mean is taken off.
        centred: bool,
        /// Added to the variance.
        epsilon: f32,
        /// A number for each element of a row.
        scale: Option<&'a [f32]>,
        /// The same; only with a scale.
        shift: Option<&'a [f32]>,
    },
}

/// Rows that lie one behind the other, and what becomes of each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    /// What.
    pub row: Row<'a>,
    /// How many.
    pub count: u32,
    /// Elements of each.
    pub length: u32,
}

impl Rows<'_> {
    /// Whether devices take such rows.
    #[must_use]
    pub fn taken(&self) -> bool {
        let fits = |numbers: Option<&[f32]>| numbers.is_none_or(|numbers| numbers.len() == self.length as usize);
        let row = match self.row {
            Row::Softmax | Row::LogSoftmax => true,
            Row::Norm { epsilon, scale, shift, .. } => {
                epsilon >= LEAST_EPSILON && fits(scale) && fits(shift) && (scale.is_some() || shift.is_none())
            }
        };
        row && (1..LONGEST).contains(&self.length)
    }

    /// The second binding's words.
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let (code, epsilon, scale, shift) = match self.row {
            Row::Softmax => (0, 0.0, None, None),
            Row::LogSoftmax => (1, 0.0, None, None),
            Row::Norm { centred: true, epsilon, scale, shift } => (2, epsilon, scale, shift),
            Row::Norm { centred: false, epsilon, scale, shift } => (3, epsilon, scale, shift),
        };
        let given = [scale, shift].map(|numbers| u32::from(numbers.is_some()));
        let mut words = vec![code, self.count, self.length, epsilon.to_bits(), given[0], given[1]];
        words.resize(HEADER, 0);
        words.extend([scale, shift].into_iter().flatten().flatten().map(|number| number.to_bits()));
        words
    }

    /// Workgroups.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        groups(self.count.div_ceil(ROWS))
    }
}
