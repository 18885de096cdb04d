//! Weights that gather the frequencies of a spectrogram into bands of equal width on the mel scale.
//!
//! Operands: the number of bands, the transform's length, the sampling rate, the lowest and the highest frequency. The
//! mel scale is `2595 / ln 10 · ln(1 + f / 700)`, by numerics' logarithm and exponential, each operation as one of its
//! own.

use poai_numerics::{Binary, Unary};

use super::{Operation, length, length_of};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, needed};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// MelWeightMatrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Mel;

const BANDS: usize = 0;
const LENGTH: usize = 1;
const RATE: usize = 2;

/// Mels of a factor of e.
const MELS_BY_E: f32 = 1_126.994_6;
/// Where the scale begins to be logarithmic.
const CORNER_HERTZ: f32 = 700.0;

impl Mel {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        match source.int("output_datatype")?.unwrap_or(1) {
            1 => Ok(Self),
            other => Err(OpError::unsupported(format!("weights of elements of type {other}"))),
        }
    }
}

fn mels(hertz: f32) -> f32 {
    let share = Binary::Add.of(1.0, Binary::Div.of(hertz, CORNER_HERTZ));
    Binary::Mul.of(MELS_BY_E, Unary::Log.of(share))
}

fn hertz(mels: f32) -> f32 {
    let share = Unary::Exp.of(Binary::Div.of(mels, MELS_BY_E));
    Binary::Mul.of(CORNER_HERTZ, Binary::Sub.of(share, 1.0))
}

/// The frequency bins where bands begin, culminate and end, one after the other.
fn corners(bands: usize, length: usize, rate: usize, [low, high]: [f32; 2]) -> Result<Vec<usize>, OpError> {
    let (low, high) = (mels(low), mels(high));
    let step = Binary::Div.of(Binary::Sub.of(high, low), (bands + 2) as f32);
    let bins = length / 2 + 1;
    let corner = |place: usize| {
        let frequency = hertz(Binary::Add.of(Binary::Mul.of(place as f32, step), low));
        let bin = (length as f64 + 1.0) * f64::from(frequency) / rate as f64;
        // A number that is none, or negative, is no bin either.
        let bin = if bin >= 0.0 { bin.floor() as usize } else { usize::MAX };
        if bin < bins { Ok(bin) } else { Err(OpError::new(format!("{frequency} Hz lie in none of {bins} bins"))) }
    };
    (0..bands + 2).map(corner).collect()
}

impl Operation for Mel {
    fn name(&self) -> &'static str {
        "MelWeightMatrix"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let bands = length(inputs, BANDS, "num_mel_bins")?.map_or(Dim::Unknown, Dim::Size);
        let bins = length(inputs, LENGTH, "dft_length")?.map_or(Dim::Unknown, |length| Dim::Size(length / 2 + 1));
        Ok(vec![Fact::new(DType::F32, [bins, bands])])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let size = |index, what| length_of(needed(inputs, index, what)?, what);
        let (bands, length) = (size(BANDS, "num_mel_bins")?, size(LENGTH, "dft_length")?);
        let rate = size(RATE, "sample_rate")?;
        let edge = |index, what| {
            let edge = floats(needed(inputs, index, what)?)?;
            edge.first().copied().ok_or_else(|| OpError::new(format!("{what} has no element")))
        };
        let edges = [edge(3, "lower_edge_hertz")?, edge(4, "upper_edge_hertz")?];
        let corners = corners(bands, length, rate, edges)?;
        let weights = float_result(cpu, DType::F32, &[length / 2 + 1, bands], |out| {
            out.fill(0.0);
            for (band, corners) in corners.windows(3).enumerate() {
                fill_band(corners, |bin, weight| out[bin * bands + band] = weight);
            }
            Ok(())
        })?;
        Ok(vec![weights])
    }
}

/// A triangle over the bins.
fn fill_band(corners: &[usize], mut set: impl FnMut(usize, f32)) {
    let &[first, middle, last] = corners else { unreachable!("three corners make a triangle") };
    if first == middle {
        set(middle, 1.0);
    }
    let share = |part: usize, whole: usize| Binary::Div.of(part as f32, whole as f32);
    (first..=middle).filter(|_| first < middle).for_each(|bin| set(bin, share(bin - first, middle - first)));
    (middle..last).for_each(|bin| set(bin, share(last - bin, last - middle)));
}
