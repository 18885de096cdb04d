//! Where the places of a resized axis lie in the axis that it is made of, and what each takes from its neighbours.
//!
//! Coordinates and weights are computed in f64 by addition, multiplication, division and rounding alone, which are the
//! same everywhere; a weight is rounded to f32 at the end.

use crate::OpError;

/// How a place of the result becomes a coordinate of the input: ONNX's coordinate_transformation_mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Centres of pixels: `(x + ½) / scale - ½`.
    HalfPixel,
    /// The same, around the middle of the axis where the length was rounded.
    HalfPixelSymmetric,
    /// The same; 0 where the result has one element.
    PytorchHalfPixel,
    /// First and last elements meet: `x · (input - 1) / (output - 1)`.
    AlignCorners,
    /// `x / scale`
    Asymmetric,
    /// `(x + ½) / scale`
    TensorflowHalfPixel,
    /// Of a region of the input, given as shares of it, corners aligned.
    CropAndResize,
}

impl Coordinates {
    /// Reads ONNX's name.
    pub(super) fn named(name: &str) -> Result<Self, OpError> {
        match name {
            "half_pixel" => Ok(Self::HalfPixel),
            "half_pixel_symmetric" => Ok(Self::HalfPixelSymmetric),
            "pytorch_half_pixel" => Ok(Self::PytorchHalfPixel),
            "align_corners" => Ok(Self::AlignCorners),
            "asymmetric" => Ok(Self::Asymmetric),
            "tf_half_pixel_for_nn" => Ok(Self::TensorflowHalfPixel),
            "tf_crop_and_resize" => Ok(Self::CropAndResize),
            other => Err(OpError::new(format!("coordinate_transformation_mode is {other}"))),
        }
    }
}

/// Which element is the nearest: ONNX's nearest_mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// Halves go down.
    RoundPreferFloor,
    /// Halves go up.
    RoundPreferCeil,
    /// The one before.
    Floor,
    /// The one behind.
    Ceil,
    /// Before if the axis grows, behind if it shrinks: what operator set 10 did.
    FloorOrCeil,
}

impl Nearest {
    /// Reads ONNX's name.
    pub(super) fn named(name: &str) -> Result<Self, OpError> {
        match name {
            "round_prefer_floor" => Ok(Self::RoundPreferFloor),
            "round_prefer_ceil" => Ok(Self::RoundPreferCeil),
            "floor" => Ok(Self::Floor),
            "ceil" => Ok(Self::Ceil),
            other => Err(OpError::new(format!("nearest_mode is {other}"))),
        }
    }
}

/// A resized axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub input: usize,
    pub output: usize,
    /// The length of the result by that of the input, as it was given or follows from sizes.
    pub scale: f64,
    /// The result's length before it was rounded to a whole number.
    pub length: f64,
    /// The part of the input that counts, as shares of it.
    pub region: [f64; 2],
}

/// What a place takes: elements of the axis with their weights.
pub(super) type Weights = Vec<(usize, f32)>;

impl Stretch {
    /// Nothing changes along the axis.
    pub(super) fn is_identity(&self, coordinates: Coordinates) -> bool {
        let whole = coordinates != Coordinates::CropAndResize || self.region == [0.0, 1.0];
        self.input == self.output && self.scale == 1.0 && whole && coordinates != Coordinates::TensorflowHalfPixel
    }

    /// Where the places lie.
    pub(super) fn coordinates(&self, coordinates: Coordinates) -> Vec<f64> {
        let (last, half) = ((self.input as f64) - 1.0, 0.5);
        let [start, end] = self.region;
        let centre = |x: f64| (x + half) / self.scale - half;
        let coordinate = |x: f64| match coordinates {
            Coordinates::HalfPixel => centre(x),
            Coordinates::HalfPixelSymmetric => {
                let offset = self.input as f64 / 2.0 * (1.0 - self.output as f64 / self.length);
                offset + centre(x)
            }
            Coordinates::PytorchHalfPixel if self.output <= 1 => 0.0,
            Coordinates::PytorchHalfPixel => centre(x),
            Coordinates::AlignCorners if self.length == 1.0 => 0.0,
            Coordinates::AlignCorners => x * last / (self.length - 1.0),
            Coordinates::Asymmetric => x / self.scale,
            Coordinates::TensorflowHalfPixel => (x + half) / self.scale,
            Coordinates::CropAndResize if self.length == 1.0 => start * last + (end - start) * last / 2.0,
            Coordinates::CropAndResize => x * (end - start) * last / (self.length - 1.0) + start * last,
        };
        (0..self.output).map(|place| coordinate(place as f64)).collect()
    }

    /// Places whose coordinate lies outside of the input, where that counts.
    pub(super) fn outside(&self, coordinates: Coordinates, places: &[f64]) -> Vec<usize> {
        if coordinates != Coordinates::CropAndResize {
            return Vec::new();
        }
        let inside = 0.0..=(self.input as f64 - 1.0);
        (0..places.len()).filter(|&place| !inside.contains(&places[place])).collect()
    }

    /// The nearest element to each place.
    pub(super) fn nearest(&self, nearest: Nearest, places: &[f64]) -> Vec<usize> {
        let round = |x: f64| match nearest {
            Nearest::RoundPreferFloor => (x - 0.5).ceil(),
            Nearest::RoundPreferCeil => (x + 0.5).floor(),
            Nearest::Ceil => x.ceil(),
            Nearest::FloorOrCeil if self.scale < 1.0 => x.ceil(),
            Nearest::Floor | Nearest::FloorOrCeil => x.floor(),
        };
        // A conversion from f64 keeps within the type, and makes NaN 0.
        places.iter().map(|&x| (round(x) as usize).min(self.input - 1)).collect()
    }

    /// The weights of each place under a curve: as ONNX says, the input is stretched by the curve's own measure, its
    /// edges go on beyond it, and what lies outside does not count where `exclude_outside` says so.
    pub(super) fn weights(&self, curve: Curve, places: &[f64], exclude_outside: bool) -> Vec<Weights> {
        let measure = if curve.antialias { self.scale.min(1.0) } else { 1.0 };
        let reach = (curve.reach() / measure).ceil() as i64;
        let last = self.input as i64 - 1;
        let weigh = |&place: &f64| {
            let base = place.floor();
            let (first, ratio) = (base as i64, place - base);
            let taps =
                (1 - reach..=reach).map(|tap| (first.saturating_add(tap), curve.at((tap as f64 - ratio) * measure)));
            let taps = taps.filter(|(index, _)| !exclude_outside || (0..=last).contains(index));
            let taps: Vec<(i64, f64)> = taps.collect();
            let sum =
                if curve.antialias || exclude_outside { taps.iter().map(|(_, weight)| weight).sum() } else { 1.0 };
            let weight = |(index, weight): (i64, f64)| (index.clamp(0, last) as usize, (weight / sum) as f32);
            taps.into_iter().map(weight).filter(|(_, weight)| *weight != 0.0).collect()
        };
        places.iter().map(weigh).collect()
    }
}

/// How much an element counts, by its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// The cubic's coefficient; none of a line.
    pub cubic: Option<f64>,
    /// The curve is as wide as the input's share in an element of the result, and weights are made to sum up to 1.
    pub antialias: bool,
}

impl Curve {
    /// The distance from which nothing counts.
    fn reach(self) -> f64 {
        if self.cubic.is_some() { 2.0 } else { 1.0 }
    }

    fn at(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.cubic {
            None => (1.0 - x).max(0.0),
            Some(a) if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Some(a) if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Some(_) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(input: usize, output: usize) -> Stretch {
        let (scale, length) = (output as f64 / input as f64, output as f64);
        Stretch { input, output, scale, length, region: [0.0, 1.0] }
    }

    #[test]
    fn coordinates_are_those_of_the_definitions() {
        let shrunk = stretch(4, 2);
        for (mode, expected) in [
            (Coordinates::HalfPixel, [0.5, 2.5]),
            (Coordinates::HalfPixelSymmetric, [0.5, 2.5]),
            (Coordinates::PytorchHalfPixel, [0.5, 2.5]),
            (Coordinates::AlignCorners, [0.0, 3.0]),
            (Coordinates::Asymmetric, [0.0, 2.0]),
            (Coordinates::TensorflowHalfPixel, [1.0, 3.0]),
            (Coordinates::CropAndResize, [0.0, 3.0]),
        ] {
            assert_eq!(shrunk.coordinates(mode), expected, "{mode:?}");
        }
        let cropped = Stretch { region: [0.5, 1.5], ..shrunk };
        let places = cropped.coordinates(Coordinates::CropAndResize);
        assert_eq!(places, [1.5, 4.5]);
        assert_eq!(cropped.outside(Coordinates::CropAndResize, &places), [1]);
        assert_eq!(cropped.outside(Coordinates::HalfPixel, &places), [] as [usize; 0]);
    }

    #[test]
    fn halves_go_as_they_are_asked_to() {
        let places = [-1.0, 0.5, 1.5, 1.6, 9.0, f64::NAN];
        for (nearest, expected) in [
            (Nearest::RoundPreferFloor, [0, 0, 1, 2, 3, 0]),
            (Nearest::RoundPreferCeil, [0, 1, 2, 2, 3, 0]),
            (Nearest::Floor, [0, 0, 1, 1, 3, 0]),
            (Nearest::Ceil, [0, 1, 2, 2, 3, 0]),
            (Nearest::FloorOrCeil, [0, 1, 2, 2, 3, 0]),
        ] {
            assert_eq!(stretch(4, 2).nearest(nearest, &places), expected, "{nearest:?}");
        }
    }

    #[test]
    fn weights_of_a_cubic_in_the_middle() {
        // The well known (-a/8·…) weights of a = -0.75 halfway: -3/32, 19/32, 19/32, -3/32.
        let curve = Curve { cubic: Some(-0.75), antialias: false };
        let weights = stretch(6, 6).weights(curve, &[2.5, 3.0], false);
        assert_eq!(weights[0], [(1, -0.09375), (2, 0.59375), (3, 0.59375), (4, -0.09375)]);
        assert_eq!(weights[1], [(3, 1.0)]);
        // At an edge the outer taps are the edge, or do not count.
        let weights = stretch(6, 6).weights(curve, &[-0.5], true);
        assert_eq!(weights[0], [(0, 1.1875), (1, -0.1875)]);
    }

    #[test]
    fn a_line_against_aliases_covers_what_an_element_is_made_of() {
        let curve = Curve { cubic: None, antialias: true };
        let weights = stretch(4, 2).weights(curve, &[0.5, 2.5], false);
        assert_eq!(weights[0], [(0, 0.125), (0, 0.375), (1, 0.375), (2, 0.125)]);
    }
}
