//! Exact convolution of bytes: patches, with zero points where there is padding, times the filter as a matrix.

use super::{Bytes, PackedIntegers, ZeroPoints};
use crate::error::{NumericsError, count, expect_length, expect_positive};
use crate::processor::Processor;
use crate::window::Window;

/// Pixels whose patches are laid out at a time.
const PATCHES: usize = 512;

/// A filter of bytes, packed.
#[derive(Clone)]
pub struct IntegerFilter {
    groups: Vec<PackedIntegers>,
    taps: usize,
    channels: usize,
    results: usize,
}

impl IntegerFilter {
    /// Packs weights laid out (kh·kw, c_in of a group, c_out), with the zero points of the results.
    pub fn new(
        taps: usize,
        channels: usize,
        results: usize,
        groups: usize,
        weights: Bytes<'_>,
        zeros: ZeroPoints<'_>,
    ) -> Result<Self, NumericsError> {
        expect_positive("the number of groups", groups)?;
        for (what, value) in [("the number of channels", channels), ("the number of results", results)] {
            if value == 0 || value % groups != 0 {
                return Err(NumericsError::Parameter { what, value, rule: "is no multiple of the groups" });
            }
        }
        let depth = count("the filter", &[taps, channels / groups])?;
        expect_length("the filter", weights.len(), count("the filter", &[depth, results])?)?;
        zeros.check("the filter's zero points", results)?;
        let each = results / groups;
        let packed = (0..groups).map(|group| {
            let places = (0..depth * each).map(|i| i / each * results + group * each + i % each);
            let zeros: Vec<i32> = (0..each).map(|result| zeros.at(group * each + result)).collect();
            let zeros = ZeroPoints::Each(&zeros);
            match weights {
                Bytes::Unsigned(bytes) => {
                    let own: Vec<u8> = places.map(|place| bytes[place]).collect();
                    PackedIntegers::new(depth, each, Bytes::Unsigned(&own), zeros)
                }
                Bytes::Signed(bytes) => {
                    let own: Vec<i8> = places.map(|place| bytes[place]).collect();
                    PackedIntegers::new(depth, each, Bytes::Signed(&own), zeros)
                }
            }
        });
        Ok(Self { groups: packed.collect::<Result<_, _>>()?, taps, channels, results })
    }
}

impl Processor {
    /// ConvInteger, and the sums of QLinearConv: `input` (images, height, width, channels) into `out` (images, places,
    /// results). Padding counts as the zero point, so that it adds nothing.
    pub fn convolve_integer(
        &self,
        window: &Window,
        filter: &IntegerFilter,
        input: Bytes<'_>,
        zero: i32,
        out: &mut [i32],
    ) -> Result<(), NumericsError> {
        let places = [window.height.places()?, window.width.places()?];
        expect_length("the filter's taps", filter.taps, window.taps())?;
        expect_length("the filter's channels", filter.channels, window.channels)?;
        expect_length("the images", input.len(), window.elements()?)?;
        let pixels = count("the result", &[window.images, places[0], places[1]])?;
        expect_length("the result", out.len(), count("the result", &[pixels, filter.results])?)?;
        let range = if input.lift() == 0 { 0..=255 } else { -128..=127 };
        if !range.contains(&zero) {
            let value = zero.unsigned_abs() as usize;
            return Err(NumericsError::Parameter { what: "the zero point", value, rule: "is no value of the input" });
        }
        let (groups, each) = (filter.groups.len(), filter.results / filter.groups.len());
        let depth = filter.groups[0].depth();
        let (mut patches, mut sums) = (Vec::new(), Vec::new());
        for first in (0..pixels).step_by(PATCHES) {
            let rows = (pixels - first).min(PATCHES);
            for (group, packed) in filter.groups.iter().enumerate() {
                patches.clear();
                for pixel in first..first + rows {
                    lay_out(window, places, input, zero, (pixel, group, groups), &mut patches);
                }
                debug_assert_eq!(patches.len(), rows * depth);
                sums.resize(rows * each, 0);
                let left_zero = ZeroPoints::One(zero + input.lift());
                self.matmul_integer(rows, Bytes::Unsigned(&patches), left_zero, packed, &mut sums)?;
                let results = out[first * filter.results..].chunks_mut(filter.results);
                for (sums, results) in sums.chunks(each).zip(results) {
                    results[group * each..(group + 1) * each].copy_from_slice(sums);
                }
            }
        }
        Ok(())
    }
}

/// Appends the patch of one pixel and group, as unsigned bytes.
fn lay_out(
    window: &Window,
    places: [usize; 2],
    input: Bytes<'_>,
    zero: i32,
    (pixel, group, groups): (usize, usize, usize),
    patches: &mut Vec<u8>,
) {
    let (x, y, image) = (pixel % places[1], pixel / places[1] % places[0], pixel / (places[0] * places[1]));
    let channels = window.channels / groups;
    let padding = (zero + input.lift()) as u8;
    for (down, across) in (0..window.height.kernel).flat_map(|d| (0..window.width.kernel).map(move |a| (d, a))) {
        let start = patches.len();
        patches.resize(start + channels, padding);
        if let Some((y, x)) = window.height.gathered(y, down).zip(window.width.gathered(x, across)) {
            let pixel = (image * window.height.input + y) * window.width.input + x;
            input.lift_to(pixel * window.channels + group * channels, &mut patches[start..]);
        }
    }
}
