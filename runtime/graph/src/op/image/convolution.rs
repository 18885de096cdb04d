//! Convolution of floats, and its transpose, with what may follow them.
//!
//! Operands: images, weights (results, channels of a group, y, x; of a transposed one channels, results of a group, y,
//! x), perhaps a bias, perhaps a residual of the result's shape.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use poai_numerics::{Axis, ConvolutionEpilogue, Direction, Filter, Following, Unary, Window, convolution_places};

use super::frame::{Frame, Padding, sizes, span, window};
use super::layout::{Images, Layout};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, given, needed};
use crate::op::{Leading, Own};
use crate::{Cost, Cpu, DType, Dim, Fact, Kernel, KernelError, OpError, Tensor};

/// Rows of weights that are turned together: a line of the result.
const ROWS: usize = 16;

/// A convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// How the weights slide.
    pub frame: Frame,
    /// Channels in so many groups, each convolved by itself.
    pub groups: usize,
    /// Of a transposed convolution.
    pub spread: Option<Spread>,
    /// What is done to each element of the result, after bias and residual.
    pub activation: Option<Unary>,
    /// How images, residual and result lie in memory.
    pub layout: Layout,
}

/// What only a transposed convolution has. Lists have a number a side, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// Added behind each side.
    pub extra: Vec<usize>,
    /// The result's sides; padding follows from them.
    pub sides: Vec<usize>,
}

/// A side of a convolution: its axis, what is added behind, and how many places it has.
struct Side {
    axis: Axis,
    extra: usize,
    places: usize,
}

/// A convolution of f32 that gathers, channels last, as it is to be computed.
pub struct Gathering<'a> {
    /// How the weights slide over the images.
    pub window: Window,
    /// The window's places, down and across.
    pub places: [usize; 2],
    /// Channels of the result.
    pub results: usize,
    /// The images.
    pub pixels: Tensor,
    /// Added, a number for each channel.
    pub bias: Option<Cow<'a, [f32]>>,
    /// Added, a number for each element.
    pub residual: Option<Tensor>,
    /// Comes last.
    pub activation: Option<Unary>,
    /// The result's shape, and its parts, in the convolution's own layout.
    shape: Vec<usize>,
    layout: Layout,
    images: Images<usize>,
}

impl Gathering<'_> {
    /// Whether the result has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The result in the convolution's own layout, from its elements, channels last.
    ///
    /// # Errors
    /// If they are not as many as the result has.
    pub fn laid(&self, cpu: &Cpu, elements: &Tensor) -> Result<Tensor, OpError> {
        if self.layout.has_channels_last(&self.images) {
            return elements.reshaped(&self.shape);
        }
        let mut result = cpu.allocate(DType::F32, &self.shape)?;
        let elements: &[f32] = elements.slice()?;
        self.layout.write_channels_last(&self.images, result.slice_mut(), |out| {
            out.copy_from_slice(elements);
            Ok(())
        })?;
        Ok(result.freeze())
    }
}

/// How operands meet: the result's shape, the parts of images and result, and the window between them.
struct Met {
    shape: Vec<usize>,
    images: Images<usize>,
    results: Images<usize>,
    window: Window,
    direction: Direction,
}

/// Operands, channels last, and how they meet.
struct Laid<'a> {
    /// The result's shape, in the convolution's own layout.
    shape: Vec<usize>,
    results: Images<usize>,
    window: Window,
    direction: Direction,
    pixels: Cow<'a, [f32]>,
    bias: Option<Cow<'a, [f32]>>,
    residual: Option<Cow<'a, [f32]>>,
}

/// Weights laid out (y · x, channel of a group, result).
pub(super) struct Turned<T> {
    pub taps: usize,
    pub channels: usize,
    pub results: usize,
    pub values: Vec<T>,
}

/// Reads Conv.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    read(source, None, None)
}

/// Reads ConvTranspose.
pub(super) fn import_transposed(source: &mut Source<'_>) -> Result<Image, OpError> {
    let extra = sizes("output_padding", 0, &source.ints("output_padding")?.unwrap_or_default())?;
    let sides = sizes("output_shape", 0, &source.ints("output_shape")?.unwrap_or_default())?;
    read(source, Some(Spread { extra, sides }), None)
}

/// Reads com.microsoft's FusedConv: the fourth operand is a residual.
pub(super) fn import_fused(source: &mut Source<'_>) -> Result<Image, OpError> {
    let name = source.text("activation")?.unwrap_or_default();
    let parameters = source.floats("activation_params")?.unwrap_or_default();
    let activation = match (&name[..], &parameters[..]) {
        ("", []) => None,
        ("Relu", []) => Some(Unary::Relu),
        ("Sigmoid", []) => Some(Unary::Sigmoid),
        ("Tanh", []) => Some(Unary::Tanh),
        ("LeakyRelu", &[alpha]) => Some(Unary::LeakyRelu(alpha)),
        ("Clip", &[low, high]) => Some(Unary::Clip { low, high }),
        ("HardSigmoid", &[alpha, beta]) => Some(Unary::HardSigmoid { alpha, beta }),
        (name, parameters) => {
            return Err(OpError::unsupported(format!("activation {name} with {} parameters", parameters.len())));
        }
    };
    read(source, None, activation)
}

fn read(source: &mut Source<'_>, spread: Option<Spread>, activation: Option<Unary>) -> Result<Image, OpError> {
    let convolution = Convolution::import(source)?;
    Ok(Image::Convolution(Convolution { spread, activation, ..convolution }))
}

impl Convolution {
    /// The place of the bias among the operands.
    pub const BIAS: usize = 2;
    /// The place of the residual among the operands.
    pub const RESIDUAL: usize = 3;

    /// Reads what all convolutions have.
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let groups = sizes("group", 1, &[source.int("group")?.unwrap_or(1)])?[0];
        let frame = Frame::import(source)?;
        Ok(Self { frame, groups, spread: None, activation: None, layout: Layout::ChannelsFirst })
    }

    fn side(&self, index: usize, input: usize, kernel: usize) -> Result<Side, OpError> {
        match &self.spread {
            None => {
                let axis = self.frame.axis(index, input, kernel)?;
                Ok(Side { axis, extra: 0, places: axis.places()? })
            }
            Some(spread) => self.spread_side(spread, self.frame.bare(index, input, kernel)?, index),
        }
    }

    /// A side of a transposed convolution: as ONNX says, a wanted size takes its padding off evenly, and what the taps
    /// do not reach is added behind.
    fn spread_side(&self, spread: &Spread, bare: Axis, index: usize) -> Result<Side, OpError> {
        let extra = spread.extra.get(index).copied().unwrap_or(0);
        let whole = bare.input.saturating_sub(1) * bare.stride + span(&bare) + extra;
        let wanted = match (spread.sides.get(index), &self.frame.padding) {
            (Some(&size), _) => size,
            (None, Padding::Explicit(pads)) => {
                let [before, behind] = pads.get(index).copied().unwrap_or_default();
                let axis = Axis { before, behind, ..bare };
                return Ok(Side { axis, extra, places: axis.spread(extra)? });
            }
            (None, _) => bare.input * bare.stride,
        };
        // Unless SAME_UPPER is asked for, an odd element is taken off before.
        let [behind, before] = match self.frame.padding {
            Padding::SameUpper => Padding::SameLower,
            _ => Padding::SameUpper,
        }
        .halves(whole.saturating_sub(wanted));
        let axis = Axis { before, behind, ..bare };
        let extra = extra + wanted.saturating_sub(whole);
        Ok(Side { axis, extra, places: axis.spread(extra)? })
    }

    /// Channels that weights take and results that they give; unknown where the weights' sizes are.
    fn channels(&self, weights: &[Dim]) -> Result<(Dim, Dim), OpError> {
        let times = |dim: &Dim| match dim {
            Dim::Size(size) => size.checked_mul(self.groups).map(Dim::Size),
            _ if self.groups == 1 => Some(dim.clone()),
            _ => Some(Dim::Unknown),
        };
        let (whole, each) = (&weights[0], times(&weights[1]));
        let each = each.ok_or_else(|| OpError::new("its channels are beyond any memory"))?;
        if whole.size().is_some_and(|size| !size.is_multiple_of(self.groups)) {
            return Err(OpError::new(format!("{whole} channels are no multiple of {} groups", self.groups)));
        }
        Ok(if self.spread.is_some() { (whole.clone(), each) } else { (each, whole.clone()) })
    }

    fn check_kernel(&self, kernel: &[Dim]) -> Result<(), OpError> {
        let same = self.frame.kernel.iter().zip(kernel).all(|(&said, dim)| dim.size().is_none_or(|size| size == said));
        if same { Ok(()) } else { Err(OpError::new("kernel_shape is not that of the weights")) }
    }

    /// The result's dimensions.
    pub(super) fn places(&self, images: &Images<Dim>, weights: &[Dim]) -> Result<Images<Dim>, OpError> {
        self.frame.check(images.sides.len(), 2)?;
        if weights.len() != images.sides.len() + 2 {
            let rank = weights.len();
            return Err(OpError::new(format!("weights of rank {rank} meet images of {} sides", images.sides.len())));
        }
        self.check_kernel(&weights[2..])?;
        let (channels, results) = self.channels(weights)?;
        if let (Dim::Size(channels), Dim::Size(found)) = (&channels, &images.channels)
            && channels != found
        {
            return Err(OpError::new(format!("weights for {channels} channels meet images of {found}")));
        }
        let sides = images.sides.iter().zip(&weights[2..]).enumerate().map(|(index, sizes)| match sizes {
            (Dim::Size(input), Dim::Size(kernel)) => Ok(Dim::Size(self.side(index, *input, *kernel)?.places)),
            _ => Ok(Dim::Unknown),
        });
        Ok(Images { count: images.count.clone(), channels: results, sides: sides.collect::<Result<_, OpError>>()? })
    }

    /// The window over such images, and which way it works.
    pub(super) fn window(&self, images: &Images<usize>, kernel: &[usize]) -> Result<(Window, Direction), OpError> {
        let sides = images.sides.iter().zip(kernel).enumerate();
        let sides: Vec<Side> =
            sides.map(|(index, (&input, &kernel))| self.side(index, input, kernel)).collect::<Result<_, _>>()?;
        let axes: Vec<Axis> = sides.iter().map(|side| side.axis).collect();
        let direction = match (&self.spread, &sides[..]) {
            (None, _) => Direction::Gather,
            (Some(_), [across]) => Direction::Spread { extra: [0, across.extra] },
            (Some(_), sides) => Direction::Spread { extra: [sides[0].extra, sides[1].extra] },
        };
        Ok((window(images, &axes), direction))
    }

    /// What images and weights cost: each result is a chain over all weights that lead to it; transposed, each pixel over
    /// all that leave it.
    pub(super) fn products(&self, images: Option<&Fact>, weights: Option<&Fact>, result: &Fact) -> Cost {
        let (images, all) = (images.map_or(0, Fact::elements), weights.map_or(0, Fact::elements));
        let first = weights.and_then(Fact::sizes).map_or(1, |sizes| sizes[0].max(1) as u64);
        let ends = if self.spread.is_some() { images } else { result.elements() };
        Cost { multiply_adds: ends.saturating_mul(all / first), elements: images.saturating_add(result.elements()) }
    }

    /// Packs weights.
    fn filter(&self, weights: &Tensor) -> Result<Filter, OpError> {
        let Turned { taps, channels, results, values } = self.turned(weights.shape(), &floats(weights)?)?;
        Ok(Filter::new(taps, channels, results, self.groups, &values)?)
    }

    /// Weights as filters take them.
    pub(super) fn turned<T: Copy + Default>(&self, shape: &[usize], values: &[T]) -> Result<Turned<T>, OpError> {
        let [first, second, kernel @ ..] = shape else {
            return Err(OpError::new(format!("rank {} is no rank of weights", shape.len())));
        };
        let taps = kernel.iter().fold(1usize, |taps, &size| taps.saturating_mul(size));
        let (channels, results) = match self.spread {
            None => (second.saturating_mul(self.groups), *first),
            Some(_) => (*first, second.saturating_mul(self.groups)),
        };
        let each = channels / self.groups;
        if self.spread.is_some() && each * self.groups != *first {
            return Err(OpError::new(format!("{first} channels are no multiple of {} groups", self.groups)));
        }
        // The channel within its group, and the result counted over all groups, of the weights at two places.
        let place = |outer: usize, inner: usize| match self.spread {
            None => (inner, outer),
            Some(_) => (outer % each, outer / each * second + inner),
        };
        let mut turned = vec![T::default(); values.len()];
        // Some rows side by side, so that both sides of the copy stay in the cache.
        for begin in (0..*first).step_by(ROWS) {
            for inner in 0..*second {
                for tap in 0..taps {
                    for outer in begin..(begin + ROWS).min(*first) {
                        let (channel, result) = place(outer, inner);
                        turned[(tap * each + channel) * results + result] =
                            values[(outer * second + inner) * taps + tap];
                    }
                }
            }
        }
        Ok(Turned { taps, channels, results, values: turned })
    }

    /// The weights of f32 as a matrix, (tap, channel of a group) × results, if the convolution is a product of patches for
    /// each group: not transposed.
    pub fn matrix(&self, weights: &Tensor) -> Option<Vec<f32>> {
        if self.spread.is_some() {
            return None;
        }
        Some(self.turned(weights.shape(), weights.get::<f32>()?).ok()?.values)
    }

    /// How the result of operands of f32 is computed, for whoever else gathers to the same bits.
    ///
    /// # Errors
    /// If no such operands could be convolved, or are of another type.
    pub fn gathering<'a>(&self, inputs: &[Option<&'a Tensor>]) -> Result<Gathering<'a>, OpError> {
        let pixels = needed(inputs, 0, "X")?;
        let Met { shape, images, results, window, direction } = self.met(needed(inputs, 1, "W")?.shape(), inputs)?;
        let turned = |tensor: &Tensor, images: &Images<usize>| -> Result<Tensor, OpError> {
            if self.layout.has_channels_last(images) {
                return Ok(tensor.clone());
            }
            let elements = self.layout.to_channels_last(images, Cow::Borrowed(tensor.slice::<f32>()?));
            Ok(Tensor::new(&[elements.len()], &elements[..]))
        };
        Ok(Gathering {
            window,
            places: if shape.contains(&0) { [0; 2] } else { convolution_places(&window, direction)? },
            results: results.channels,
            pixels: turned(pixels, &images)?,
            bias: given(inputs, Self::BIAS).map(floats).transpose()?,
            residual: given(inputs, Self::RESIDUAL).map(|residual| turned(residual, &results)).transpose()?,
            activation: self.activation,
            shape,
            layout: self.layout,
            images: results,
        })
    }

    /// Computes the result with packed weights, which were of this shape.
    fn compute(
        &self,
        cpu: &Cpu,
        (filter, weights): (&Filter, &[usize]),
        inputs: &[Option<&Tensor>],
        following: Option<&Following<'_>>,
    ) -> Result<Tensor, OpError> {
        let laid = self.laid(weights, inputs)?;
        let epilogue = match following {
            Some(_) => ConvolutionEpilogue { following, ..ConvolutionEpilogue::default() },
            None => laid.epilogue(self),
        };
        float_result(cpu, needed(inputs, 0, "X")?.dtype(), &laid.shape, |out| {
            self.layout.write_channels_last(&laid.results, out, |out| {
                let (window, direction) = (&laid.window, laid.direction);
                Ok(cpu.processor().convolve(window, direction, filter, epilogue, &laid.pixels, out)?)
            })
        })
    }

    /// The result's shape.
    fn shape(&self, weights: &[usize], inputs: &[Option<&Tensor>]) -> Result<Vec<usize>, OpError> {
        let input = needed(inputs, 0, "X")?;
        let mut facts: Vec<_> = inputs.iter().map(|tensor| tensor.map(Fact::of)).collect();
        facts[1] = Some(Fact::new(input.dtype(), weights.iter().copied()));
        let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
        Ok(self.infer(&facts)?[0].sizes().expect("operands are known, so their convolution is"))
    }

    /// With its weights packed, if they are constant.
    pub(crate) fn leading(
        &self,
        cpu: &Cpu,
        constants: &[Option<&Tensor>],
    ) -> Result<Option<Box<dyn Leading>>, OpError> {
        let Some(weights) = given(constants, 1) else { return Ok(None) };
        Ok(Some(Box::new(self.prepared(cpu, weights)?)))
    }

    fn prepared(&self, cpu: &Cpu, weights: &Tensor) -> Result<Prepared, OpError> {
        let (filter, weights) = (self.filter(weights)?, weights.shape().to_vec());
        Ok(Prepared { cpu: cpu.clone(), convolution: self.clone(), filter, weights })
    }

    /// How operands meet whose weights are of this shape.
    fn met(&self, weights: &[usize], inputs: &[Option<&Tensor>]) -> Result<Met, OpError> {
        let input = needed(inputs, 0, "X")?;
        let images = self.layout.split(input.shape())?;
        let shape = self.shape(weights, inputs)?;
        let results = self.layout.split(&shape)?;
        let (window, direction) = self.window(&images, &weights[2..])?;
        Ok(Met { shape, images, results, window, direction })
    }

    /// The operands, channels last.
    fn laid<'a>(&self, weights: &[usize], inputs: &[Option<&'a Tensor>]) -> Result<Laid<'a>, OpError> {
        let Met { shape, images, results, window, direction } = self.met(weights, inputs)?;
        let pixels = self.layout.to_channels_last(&images, floats(needed(inputs, 0, "X")?)?);
        let bias = given(inputs, Self::BIAS).map(floats).transpose()?;
        let residual = given(inputs, Self::RESIDUAL).map(floats).transpose()?;
        let residual = residual.map(|values| self.layout.to_channels_last(&results, values));
        Ok(Laid { shape, results, window, direction, pixels, bias, residual })
    }
}

impl Laid<'_> {
    fn epilogue(&self, of: &Convolution) -> ConvolutionEpilogue<'_> {
        let (bias, residual) = (self.bias.as_deref(), self.residual.as_deref());
        ConvolutionEpilogue { bias, residual, activation: of.activation, following: None }
    }
}

impl Operation for Convolution {
    fn name(&self) -> &'static str {
        if self.spread.is_some() { "ConvTranspose" } else { "Conv" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (input, weights) = (needed(inputs, 0, "X")?, needed(inputs, 1, "W")?);
        float_type(input.dtype)?;
        for other in inputs.iter().skip(1).flatten() {
            crate::op::operand::same_type(input, other)?;
        }
        let (Some(shape), Some(kernel)) = (&input.shape, &weights.shape) else {
            return Ok(vec![Fact::of_type(input.dtype)]);
        };
        let places = self.places(&self.layout.split(shape)?, kernel)?;
        if let (Some(bias), Dim::Size(results)) = (given(inputs, Self::BIAS).and_then(Fact::sizes), &places.channels)
            && bias != [*results]
        {
            return Err(OpError::new(format!("a bias of shape {bias:?} meets {results} results")));
        }
        let shape = self.layout.join(&places);
        let result = Fact::new(input.dtype, shape);
        if let (Some(residual), Some(sizes)) = (given(inputs, Self::RESIDUAL).and_then(Fact::sizes), result.sizes())
            && residual != sizes
        {
            return Err(OpError::new(format!("a residual of shape {residual:?} meets a result of {sizes:?}")));
        }
        Ok(vec![result])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let residual = given(inputs, Self::RESIDUAL).map_or(0, Fact::elements);
        let cost = self.products(given(inputs, 0), given(inputs, 1), &outputs[0]);
        Cost { elements: cost.elements.saturating_add(residual), ..cost }
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let Some(weights) = given(constants, 1) else { return Ok(None) };
        Ok(Some(Box::new(self.prepared(cpu, weights)?)))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let weights = needed(inputs, 1, "W")?;
        Ok(vec![self.compute(cpu, (&self.filter(weights)?, weights.shape()), inputs, None)?])
    }
}

/// A convolution with its weights packed.
struct Prepared {
    cpu: Cpu,
    convolution: Convolution,
    filter: Filter,
    /// The weights' shape.
    weights: Vec<usize>,
}

impl Kernel for Prepared {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.lead(inputs, None)?])
    }

    fn needs_constant(&self, operand: usize) -> bool {
        operand != 1
    }
}

impl Leading for Prepared {
    fn shape(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<usize>, OpError> {
        self.convolution.shape(&self.weights, inputs)
    }

    fn own(&self) -> Own {
        Own {
            bias: Some(Convolution::BIAS),
            residual: Some(Convolution::RESIDUAL),
            activation: self.convolution.activation,
        }
    }

    fn lead(&self, inputs: &[Option<&Tensor>], following: Option<&Following<'_>>) -> Result<Tensor, OpError> {
        self.convolution.compute(&self.cpu, (&self.filter, &self.weights), inputs, following)
    }
}
