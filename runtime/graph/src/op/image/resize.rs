//! Resize, and Upsample.
//!
//! Operands: anything of any rank, a region, scales, sizes; all but the first may be left out. Each axis that changes is
//! computed by itself, the last first. Nearest elements are copied, whatever their type. Lines are numerics' resizing.
//! Cubics, and curves that are made wider against aliases, are chains over the elements in order, weights as the other
//! operand, terms of weight 0 left out.

mod coordinates; // where places lie in the input, and what they take
mod passes; // one axis after the other

use super::{Image, Layout, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{axes, float_result, floats, given, integers, needed};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

use coordinates::Stretch;
pub use coordinates::{Coordinates, Nearest};
use passes::{fill_outside, gathered};

/// Resizing.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// What a place takes from its neighbours.
    pub interpolation: Interpolation,
    /// Where places lie.
    pub coordinates: Coordinates,
    /// Weights of what lies outside of the input go to what lies inside.
    pub exclude_outside: bool,
    /// What places outside of the input are, where that counts.
    pub extrapolation: f32,
    /// Curves are made wider where an axis shrinks.
    pub antialias: bool,
    /// What region, scales and sizes speak of; all axes if not given.
    pub axes: Option<Vec<i64>>,
    /// What sizes mean.
    pub fit: Fit,
    /// How operand and result lie in memory. Region, scales, sizes and axes speak of them channels first.
    pub layout: Layout,
}

/// What a place takes from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// The nearest.
    Nearest(Nearest),
    /// What lies on the line between two.
    Linear,
    /// What lies on a cubic through four, of this coefficient.
    Cubic(f32),
}

/// What sizes mean: ONNX's keep_aspect_ratio_policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The sizes themselves.
    Stretch,
    /// One scale for all, the largest that exceeds none of the sizes.
    NotLarger,
    /// One scale for all, the smallest that stays below none.
    NotSmaller,
}

/// Reads Resize of operator set 10 and later.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    if source.opset() < 11 {
        return import_upsample(source);
    }
    let nearest = Nearest::named(source.text("nearest_mode")?.as_deref().unwrap_or("round_prefer_floor"))?;
    let cubic = source.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let coordinates = source.text("coordinate_transformation_mode")?;
    let fit = match source.text("keep_aspect_ratio_policy")?.as_deref() {
        None | Some("stretch") => Fit::Stretch,
        Some("not_larger") => Fit::NotLarger,
        Some("not_smaller") => Fit::NotSmaller,
        Some(other) => return Err(OpError::new(format!("keep_aspect_ratio_policy is {other}"))),
    };
    Ok(Image::Resize(Resize {
        interpolation: interpolation(source, nearest, cubic)?,
        coordinates: Coordinates::named(coordinates.as_deref().unwrap_or("half_pixel"))?,
        exclude_outside: source.flag("exclude_outside")?,
        extrapolation: source.float("extrapolation_value")?.unwrap_or(0.0),
        antialias: source.flag("antialias")?,
        axes: source.ints("axes")?,
        fit,
        layout: Layout::ChannelsFirst,
    }))
}

/// Reads Upsample, and Resize of operator set 10: scales alone, and one way to compute coordinates.
pub(super) fn import_upsample(source: &mut Source<'_>) -> Result<Image, OpError> {
    match source.floats("scales")? {
        Some(scales) => source.set_input(2, Tensor::new(&[scales.len()], &scales)),
        None if source.input_count() == 2 => source.inputs.insert(1, None),
        None => return Err(OpError::new("its scales are missing")),
    }
    let interpolation = interpolation(source, Nearest::FloorOrCeil, -0.75)?;
    Ok(Image::Resize(Resize { interpolation, coordinates: Coordinates::Asymmetric, ..Resize::NEAREST }))
}

fn interpolation(source: &mut Source<'_>, nearest: Nearest, cubic: f32) -> Result<Interpolation, OpError> {
    match source.text("mode")?.as_deref() {
        None | Some("nearest") => Ok(Interpolation::Nearest(nearest)),
        Some("linear" | "bilinear") => Ok(Interpolation::Linear),
        Some("cubic") => Ok(Interpolation::Cubic(cubic)),
        Some(other) => Err(OpError::new(format!("mode is {other}"))),
    }
}

/// The places of the operands.
const REGION: usize = 1;
const SCALES: usize = 2;
const SIZES: usize = 3;

/// Operands as numbers; what is not known yet is left out.
struct Wanted {
    /// The axes that the numbers are for.
    axes: Vec<usize>,
    scales: Option<Vec<f64>>,
    sizes: Option<Vec<usize>>,
    region: Option<Vec<f64>>,
}

impl Resize {
    /// Resizing as ONNX does it if nothing is said.
    pub const NEAREST: Self = Self {
        interpolation: Interpolation::Nearest(Nearest::RoundPreferFloor),
        coordinates: Coordinates::HalfPixel,
        exclude_outside: false,
        extrapolation: 0.0,
        antialias: false,
        axes: None,
        fit: Fit::Stretch,
        layout: Layout::ChannelsFirst,
    };

    /// Reads the operands' values, for `rank` axes.
    fn wanted(&self, rank: usize, values: [Option<&Tensor>; 3]) -> Result<Wanted, OpError> {
        let axes = self.axes.as_ref().map_or_else(|| Ok((0..rank).collect()), |given| axes(given, rank))?;
        // Older models give operands that are not used no elements.
        let used = |index: usize| values[index].filter(|tensor| !tensor.is_empty());
        let scales = used(1).map(numbers).transpose()?;
        if let Some(scale) = scales.iter().flatten().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return Err(OpError::new(format!("a scale is {scale}")));
        }
        let size = |&size: &i64| usize::try_from(size).map_err(|_| OpError::new(format!("a size is {size}")));
        let sizes =
            used(2).map(|sizes| integers(sizes)?.iter().map(size).collect::<Result<Vec<_>, _>>()).transpose()?;
        let region = used(0).filter(|_| self.coordinates == Coordinates::CropAndResize);
        let region = region.map(numbers).transpose()?;
        let counts = [
            ("scales", scales.as_ref().map(Vec::len), 1),
            ("sizes", sizes.as_ref().map(Vec::len), 1),
            ("numbers of a region", region.as_ref().map(Vec::len), 2),
        ];
        for (what, count, each) in counts {
            if count.is_some_and(|count| count != each * axes.len()) {
                return Err(OpError::new(format!("there are {} {what} for {} axes", count.unwrap_or(0), axes.len())));
            }
        }
        if scales.is_some() && sizes.is_some() {
            return Err(OpError::new("both scales and sizes are given"));
        }
        Ok(Wanted { axes, scales, sizes, region })
    }

    /// How each axis of a tensor in ONNX's order is stretched.
    fn stretches(&self, wanted: &Wanted, shape: &[usize]) -> Result<Vec<Stretch>, OpError> {
        let same =
            |&size: &usize| Stretch { input: size, output: size, scale: 1.0, length: size as f64, region: [0.0, 1.0] };
        let mut stretches: Vec<Stretch> = shape.iter().map(same).collect();
        let common = wanted.sizes.as_ref().and_then(|sizes| self.common_scale(&wanted.axes, sizes, shape));
        for (i, &axis) in wanted.axes.iter().enumerate() {
            let stretch = &mut stretches[axis];
            let input = stretch.input as f64;
            match (&wanted.scales, &wanted.sizes, common) {
                (Some(scales), ..) => {
                    (stretch.scale, stretch.length) = (scales[i], scales[i] * input);
                    stretch.output = whole(stretch.length.floor())?;
                }
                (None, Some(_), Some(scale)) => {
                    (stretch.scale, stretch.length) = (scale, scale * input);
                    stretch.output = whole((stretch.length + 0.5).floor())?;
                }
                (None, Some(sizes), None) => {
                    (stretch.scale, stretch.length) = (sizes[i] as f64 / input, sizes[i] as f64);
                    stretch.output = sizes[i];
                }
                (None, None, _) => return Err(OpError::new("neither scales nor sizes are given")),
            }
            if stretch.input == 0 && stretch.output > 0 {
                return Err(OpError::new(format!("nothing cannot be resized to {}", stretch.output)));
            }
            if let Some(region) = &wanted.region {
                stretch.region = [region[i], region[i + wanted.axes.len()]];
            }
        }
        Ok(stretches)
    }

    /// The scale that keeps the aspect ratio.
    fn common_scale(&self, axes: &[usize], sizes: &[usize], shape: &[usize]) -> Option<f64> {
        let ratios = axes.iter().zip(sizes).map(|(&axis, &size)| size as f64 / shape[axis] as f64);
        match self.fit {
            Fit::Stretch => None,
            Fit::NotLarger => ratios.reduce(f64::min),
            Fit::NotSmaller => ratios.reduce(f64::max),
        }
    }

    /// What is known of the result where not all is known of the operands.
    fn partly(&self, wanted: &Wanted, shape: &[Dim]) -> Vec<Dim> {
        let mut result = shape.to_vec();
        for (i, &axis) in wanted.axes.iter().enumerate() {
            result[axis] = match (&wanted.scales, &wanted.sizes) {
                (Some(scales), _) if scales[i] == 1.0 => continue,
                (_, Some(sizes)) if self.fit == Fit::Stretch => Dim::Size(sizes[i]),
                _ => Dim::Unknown,
            };
        }
        result
    }

    /// An axis' place in memory.
    fn place(&self, axis: usize, rank: usize) -> usize {
        match (self.layout, axis) {
            (Layout::ChannelsFirst, _) | (_, 0) => axis,
            (Layout::ChannelsLast, 1) => rank - 1,
            (Layout::ChannelsLast, _) => axis - 1,
        }
    }

    /// From the order in memory to ONNX's, or back.
    fn reordered<T: Clone>(&self, list: &[T], to_memory: bool) -> Vec<T> {
        let mut reordered = list.to_vec();
        for axis in 0..list.len() {
            let place = self.place(axis, list.len());
            let (from, to) = if to_memory { (axis, place) } else { (place, axis) };
            reordered[to] = list[from].clone();
        }
        reordered
    }
}

/// A size that was computed.
fn whole(size: f64) -> Result<usize, OpError> {
    /// Far beyond any memory, and exact in f64.
    const MOST: f64 = (1u64 << 52) as f64;
    if (0.0..=MOST).contains(&size) { Ok(size as usize) } else { Err(OpError::new(format!("a size is {size}"))) }
}

/// Floats of any width.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>, OpError> {
    if let Some(doubles) = tensor.get::<f64>() {
        return Ok(doubles.to_vec());
    }
    Ok(floats(tensor)?.iter().map(|&number| f64::from(number)).collect())
}

impl Operation for Resize {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "X")?;
        if !matches!(self.interpolation, Interpolation::Nearest(_)) {
            float_type(input.dtype)?;
        }
        let Some(shape) = &input.shape else { return Ok(vec![Fact::of_type(input.dtype)]) };
        let shape = self.reordered(shape, false);
        let value = |index: usize| given(inputs, index).and_then(|fact| fact.value.as_ref());
        let wanted = self.wanted(shape.len(), [REGION, SCALES, SIZES].map(value))?;
        let sizes: Option<Vec<usize>> = shape.iter().map(Dim::size).collect();
        let result = match sizes {
            Some(sizes) if wanted.scales.is_some() || wanted.sizes.is_some() => {
                self.stretches(&wanted, &sizes)?.iter().map(|stretch| Dim::Size(stretch.output)).collect()
            }
            _ => self.partly(&wanted, &shape),
        };
        Ok(vec![Fact::new(input.dtype, self.reordered(&result, true))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        // Each of two axes reads up to four neighbours.
        let read = inputs[0].map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_mul(8).saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "X")?;
        let shape = self.reordered(input.shape(), false);
        let wanted = self.wanted(shape.len(), [REGION, SCALES, SIZES].map(|index| given(inputs, index)))?;
        let stretches = self.reordered(&self.stretches(&wanted, &shape)?, true);
        let result: Vec<usize> = stretches.iter().map(|stretch| stretch.output).collect();
        if result.contains(&0) {
            return Ok(vec![cpu.allocate(input.dtype(), &result)?.freeze()]);
        }
        let places: Vec<Vec<f64>> = stretches.iter().map(|stretch| stretch.coordinates(self.coordinates)).collect();
        let outside: Vec<Vec<usize>> =
            stretches.iter().zip(&places).map(|(stretch, places)| stretch.outside(self.coordinates, places)).collect();
        if let Interpolation::Nearest(nearest) = self.interpolation
            && outside.iter().all(Vec::is_empty)
        {
            let indices: Vec<Vec<usize>> =
                stretches.iter().zip(&places).map(|(stretch, places)| stretch.nearest(nearest, places)).collect();
            return Ok(vec![gathered(cpu, input, &indices)?]);
        }
        let values = floats(input)?;
        let resized = float_result(cpu, input.dtype(), &result, |out| {
            self.interpolate(cpu, &stretches, &places, &values, out)?;
            fill_outside(&result, &outside, self.extrapolation, out);
            Ok(())
        })?;
        Ok(vec![resized])
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{results_of, turned};
    use super::*;
    use crate::DType;

    fn image() -> Tensor {
        Tensor::new::<f32>(&[1, 1, 2, 2], &[1., 2., 3., 4.])
    }

    fn scaled(resize: &Resize, input: &Tensor, scales: &[f32]) -> Tensor {
        let scales = Tensor::new(&[scales.len()], scales);
        results_of(resize, &[Some(input), None, Some(&scales)]).unwrap().remove(0)
    }

    /// ONNX's documentation: resize_upsample_scales_nearest, _linear, _linear_align_corners, _cubic (its first row).
    #[test]
    fn results_of_the_documentation() {
        let nearest = scaled(&Resize::NEAREST, &image(), &[1.0, 1.0, 2.0, 3.0]);
        let rows = [[1., 1., 1., 2., 2., 2.]; 2].concat();
        assert_eq!(nearest.get::<f32>().unwrap()[..12], rows);
        let linear = Resize { interpolation: Interpolation::Linear, ..Resize::NEAREST };
        let expected = Tensor::new::<f32>(
            &[1, 1, 4, 4],
            &[1., 1.25, 1.75, 2., 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3., 3.25, 3.75, 4.],
        );
        assert_eq!(scaled(&linear, &image(), &[1.0, 1.0, 2.0, 2.0]), expected);
        let values: Vec<f32> = (1..=16).map(|value| value as f32).collect();
        let cubic = Resize { interpolation: Interpolation::Cubic(-0.75), ..Resize::NEAREST };
        let found = scaled(&cubic, &Tensor::new(&[1, 1, 4, 4], &values), &[1.0, 1.0, 2.0, 2.0]);
        assert_eq!(found.get::<f32>().unwrap()[..4], [0.472_656_25, 0.769_531_25, 1.246_093_8, 1.875]);
    }

    #[test]
    fn layouts_agree_in_every_mode() {
        let values: Vec<f32> = (0..2 * 3 * 4 * 5).map(|i| ((i * 29) % 41) as f32 / 3.0).collect();
        let first = Tensor::new(&[2, 3, 4, 5], &values);
        for interpolation in [Interpolation::Nearest(Nearest::Floor), Interpolation::Linear, Interpolation::Cubic(-0.5)]
        {
            for (antialias, scales) in [(false, [1.0, 1.0, 1.7, 0.6]), (true, [1.0, 1.0, 0.5, 0.4])] {
                let resize = Resize { interpolation, antialias, ..Resize::NEAREST };
                let last = Resize { layout: Layout::ChannelsLast, ..resize.clone() };
                let expected = turned(&scaled(&resize, &first, &scales));
                assert_eq!(scaled(&last, &turned(&first), &scales), expected, "{resize:?}");
            }
        }
    }

    #[test]
    fn sizes_keep_the_aspect_ratio_where_they_are_asked_to() {
        let input = Fact::new(DType::F32, [1, 1, 2, 4]);
        let sizes = Fact::of(&Tensor::new::<i64>(&[2], &[7, 8]));
        for (fit, expected) in [(Fit::Stretch, [7, 8]), (Fit::NotLarger, [4, 8]), (Fit::NotSmaller, [7, 14])] {
            let resize = Resize { fit, axes: Some(vec![2, 3]), ..Resize::NEAREST };
            let found = resize.infer(&[Some(&input), None, None, Some(&sizes)]);
            assert_eq!(found, Ok(vec![Fact::new(DType::F32, [1, 1, expected[0], expected[1]])]), "{fit:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_the_unknown_stays_unknown() {
        let input = Fact::new(DType::F32, [1, 1, 2, 4]);
        for scales in [vec![1.0, 1.0, 0.0, 1.0], vec![1.0, 1.0, f32::INFINITY, 1.0], vec![1.0; 3], vec![1e30; 4]] {
            let scales = Fact::of(&Tensor::new(&[scales.len()], &scales));
            assert!(Resize::NEAREST.infer(&[Some(&input), None, Some(&scales)]).is_err());
        }
        let unknown = Fact::new(DType::F32, [4]);
        let found = Resize::NEAREST.infer(&[Some(&input), None, Some(&unknown)]).unwrap();
        assert_eq!(found[0].shape, Some(vec![Dim::Unknown; 4]));
    }
}
