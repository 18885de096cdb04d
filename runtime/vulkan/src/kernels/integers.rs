use poai_graph::op::product::ByteWeights;
use poai_numerics::{Bytes, Range};

use super::{columns_of_rows, groups, terms_of};

/// Words before the zero points of rows.
const HEADER: usize = 8;
/// What makes a signed byte an unsigned one: its sign is turned.
const LIFT: i32 = 128;

/// How kernels read a matrix of bytes: a word a column for four rows, without signs, and the zero points behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integers {
    depth: u32,
    columns: u32,
}

/// What is made of the sums, where they do not stay what they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales<'a> {
    /// One for all, or one for each column.
    pub scales: &'a [f32],
    /// Added, a number for each column.
    pub bias: Option<&'a [f32]>,
}

impl Integers {
    /// The weights' layout and the product's second binding. None beyond `limit` words.
    #[must_use]
    pub fn new(weights: &ByteWeights<'_>, limit: usize) -> Option<(Self, Vec<u32>)> {
        let ByteWeights { depth, columns, bytes, ref zeros } = *weights;
        let groups = depth.div_ceil(4);
        groups.checked_add(1)?.checked_mul(columns).filter(|&words| words <= limit)?;
        let lift = lift(matches!(bytes, Bytes::Signed(_)));
        let zero = |column: usize| zeros[if zeros.len() == 1 { 0 } else { column }];
        let byte = |k: usize, column: usize| {
            let byte = if k < depth { bytes.at(k * columns + column) } else { zero(column) };
            (byte + lift).cast_unsigned()
        };
        let word = |first: usize, column: usize| (0..4).fold(0, |word, i| word | byte(first + i, column) << (8 * i));
        let mut words: Vec<u32> =
            (0..groups).flat_map(|group| (0..columns).map(move |column| word(4 * group, column))).collect();
        words.extend((0..columns).map(|column| (zero(column) + lift).cast_unsigned()));
        let length = |length: usize| u32::try_from(length).ok();
        Some((Self { depth: length(depth)?, columns: length(columns)? }, words))
    }

    /// One byte.
    pub(crate) const ONE: Self = Self { depth: 1, columns: 1 };

    /// The words that the product of so many rows is told. Zero points are one, or one a row.
    #[must_use]
    pub fn words(&self, rows: u32, signed: bool, zeros: &[i32], scales: Option<Scales<'_>>) -> Vec<u32> {
        let lift = lift(signed);
        let mask = if signed { 0x8080_8080 } else { 0 };
        let short = |length: usize| u32::try_from(length).expect("all sizes lie within a buffer");
        let form = scales.map_or(0, |scales| 1 + u32::from(scales.bias.is_some()));
        let own = scales.map_or(&[][..], |scales| scales.scales);
        let at = short(HEADER + zeros.len());
        let mut words = vec![rows, self.depth, self.columns, mask, short(zeros.len()), form, at, short(own.len())];
        words.extend(zeros.iter().map(|zero| (zero + lift).cast_unsigned()));
        let bias = scales.and_then(|scales| scales.bias);
        words.extend(own.iter().chain(bias.into_iter().flatten()).map(|number| number.to_bits()));
        words
    }

    /// Terms of the product's sums.
    #[must_use]
    pub fn work(&self, rows: u32) -> u64 {
        terms_of([rows, self.depth, self.columns])
    }

    /// Workgroups. None beyond what every device of Vulkan takes.
    #[must_use]
    pub fn groups(&self, rows: u32) -> Option<[u32; 3]> {
        columns_of_rows(rows, self.columns)
    }
}

fn lift(signed: bool) -> i32 {
    if signed { LIFT } else { 0 }
}

/// Numbers that become bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantised<'a> {
    /// Floats, divided by a scale.
    Floats(f32),
    /// Sums, multiplied by a scale for all, or for each column of rows.
    Sums(&'a [f32]),
}

impl Quantised<'_> {
    /// Whether devices take such scales: a subnormal one could show.
    #[must_use]
    pub fn taken(&self) -> bool {
        match self {
            Self::Floats(scale) => !scale.is_subnormal(),
            Self::Sums(scales) => !scales.iter().any(|scale| scale.is_subnormal()),
        }
    }

    /// The second binding's words, for so many numbers.
    #[must_use]
    pub fn words(&self, numbers: u32, zero: i32, range: Range) -> Vec<u32> {
        let (form, scales) = match self {
            Self::Floats(scale) => (0, std::slice::from_ref(scale)),
            Self::Sums(scales) => (1, *scales),
        };
        let [low, high] = if range == Range::Signed { [-128, 127] } else { [0, 255] };
        let [zero, low, high] = [zero, low, high].map(i32::cast_unsigned);
        let count = u32::try_from(scales.len()).expect("all sizes lie within a buffer");
        let mut words = vec![numbers, form, zero, low, high, count];
        words.extend(scales.iter().map(|scale| scale.to_bits()));
        words
    }

    /// Workgroups, for so many numbers.
    #[must_use]
    pub fn groups(numbers: u32) -> [u32; 3] {
        groups(numbers.div_ceil(4).div_ceil(64))
    }
}
