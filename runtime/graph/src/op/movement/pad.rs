//! More around a tensor, or less: Pad, CenterCropPad.

use bytemuck::Pod as Bits;

use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, given, needed, row, same_type, strides};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// What stands in the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A constant, 0 if none is given.
    Constant,
    /// The elements mirrored at the first and the last, which are not repeated.
    Reflect,
    /// The first and the last.
    Edge,
    /// The elements again and again.
    Wrap,
}

impl Mode {
    /// Which element stands at `place`, counted from the first, in an axis of `size` elements; none where a constant does.
    fn source(self, place: i64, size: usize) -> Option<usize> {
        let length = size as i64;
        let within = (0..length).contains(&place);
        match self {
            _ if within => Some(place as usize),
            Self::Constant => None,
            Self::Edge => Some(place.clamp(0, length - 1) as usize),
            Self::Wrap => Some(place.rem_euclid(length) as usize),
            Self::Reflect if length == 1 => Some(0),
            Self::Reflect => {
                let turn = place.rem_euclid(2 * (length - 1));
                Some(if turn < length { turn } else { 2 * (length - 1) - turn } as usize)
            }
        }
    }
}

/// Elements put in front of an axis and behind it, or cut off where negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Margin {
    before: i64,
    after: i64,
}

impl Margin {
    fn padded(self, size: usize) -> Result<usize, OpError> {
        let length = (size as i64).checked_add(self.before).and_then(|length| length.checked_add(self.after));
        let padded = length.and_then(|length| usize::try_from(length).ok());
        padded.ok_or_else(|| {
            OpError::new(format!("{size} elements cannot have {} before and {} behind", self.before, self.after))
        })
    }
}

/// Operands: data, pads, the constant, and the axes that are meant if not all.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// What stands in the padding.
    pub mode: Mode,
}

impl Pad {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let mode = match source.text("mode")?.as_deref() {
            None | Some("constant") => Mode::Constant,
            Some("reflect") => Mode::Reflect,
            Some("edge") => Mode::Edge,
            Some("wrap") => Mode::Wrap,
            Some(other) => return Err(OpError::new(format!("mode is {other}"))),
        };
        // Before operator set 11 both were attributes, of floats.
        if let Some(pads) = source.ints("pads")? {
            source.set_input(1, Tensor::new(&[pads.len()], &pads));
        }
        if let Some(value) = source.float("value")? {
            let constant = match source.fact(0).map_or(DType::F32, |fact| fact.dtype) {
                DType::F32 => Tensor::scalar(value),
                DType::F64 => Tensor::scalar(f64::from(value)),
                DType::F16 => Tensor::scalar(half::f16::from_f32(value)),
                other => return Err(OpError::new(format!("{other} elements are padded with a float"))),
            };
            source.set_input(2, constant);
        }
        Ok(Self { mode })
    }

    fn margins(rank: usize, pads: &Tensor, chosen: Option<&Tensor>) -> Result<Vec<Margin>, OpError> {
        let pads = row(pads)?;
        let all: Vec<i64> = (0..rank as i64).collect();
        let chosen = axes(&chosen.map_or(Ok(all), row)?, rank)?;
        if pads.len() != 2 * chosen.len() {
            return Err(OpError::new(format!("{} pads are given for {} axes", pads.len(), chosen.len())));
        }
        let mut margins = vec![Margin::default(); rank];
        for (i, &axis) in chosen.iter().enumerate() {
            margins[axis] = Margin { before: pads[i], after: pads[chosen.len() + i] };
        }
        Ok(margins)
    }

    /// Which element stands at each place of an axis: what is cut off is no longer there to be mirrored.
    fn sources(&self, size: usize, margin: Margin) -> Result<Vec<Option<usize>>, OpError> {
        let padded = margin.padded(size)? as i64;
        let cut = usize::try_from(margin.before.min(0).saturating_neg()).unwrap_or(usize::MAX);
        let cut_behind = usize::try_from(margin.after.min(0).saturating_neg()).unwrap_or(usize::MAX);
        let left = size.saturating_sub(cut).saturating_sub(cut_behind);
        if left == 0 && self.mode != Mode::Constant && padded > 0 {
            return Err(OpError::new("there is nothing to pad with"));
        }
        let before = margin.before.max(0);
        Ok((0..padded).map(|place| self.mode.source(place - before, left).map(|place| place + cut)).collect())
    }
}

impl Operation for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, pads) = (needed(inputs, 0, "data")?, needed(inputs, 1, "pads")?);
        given(inputs, 2).map_or(Ok(()), |constant| same_type(data, constant))?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let chosen = given(inputs, 3);
        let unknown = Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; shape.len()])]);
        let Some(pads) = &pads.value else { return unknown };
        if chosen.is_some_and(|axes| axes.value.is_none()) {
            return unknown;
        }
        let margins = Self::margins(shape.len(), pads, chosen.and_then(|axes| axes.value.as_ref()))?;
        let padded = shape.iter().zip(margins).map(|(dim, margin)| match dim {
            Dim::Size(size) => margin.padded(*size).map(Dim::Size),
            dim if margin == Margin::default() => Ok(dim.clone()),
            _ => Ok(Dim::Unknown),
        });
        Ok(vec![Fact::new(data.dtype, padded.collect::<Result<Vec<Dim>, OpError>>()?)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, pads) = (needed(inputs, 0, "data")?, needed(inputs, 1, "pads")?);
        let margins = Self::margins(data.shape().len(), pads, given(inputs, 3))?;
        let sized = data.shape().iter().zip(&margins);
        let to = sized.map(|(&size, margin)| margin.padded(size)).collect::<Result<Vec<_>, _>>()?;
        if to.contains(&0) {
            return Ok(vec![cpu.allocate(data.dtype(), &to)?.freeze()]);
        }
        let sized = data.shape().iter().zip(&margins);
        let sources = sized.map(|(&size, &margin)| self.sources(size, margin)).collect::<Result<Vec<_>, _>>()?;
        let mut result = cpu.allocate(data.dtype(), &to)?;
        with_width!(data.dtype(), T => {
            let constant = given(inputs, 2).and_then(|constant| bytemuck::cast_slice::<_, T>(constant.bytes()).first().copied());
            let from = Padding {
                values: bytemuck::cast_slice::<_, T>(data.bytes()),
                constant: constant.unwrap_or_default(),
                steps: &strides(data.shape()),
                sources: &sources,
            };
            from.write(0, Some(0), bytemuck::cast_slice_mut(result.bytes_mut()));
        });
        Ok(vec![result.freeze()])
    }
}

/// Elements, and where each of an axis of the result comes from.
struct Padding<'a, T> {
    values: &'a [T],
    constant: T,
    steps: &'a [usize],
    sources: &'a [Vec<Option<usize>>],
}

impl<T: Bits> Padding<'_, T> {
    /// Writes all axes from `axis` on, whose elements begin at `begin`; none if they are padding.
    fn write(&self, axis: usize, begin: Option<usize>, to: &mut [T]) {
        let Some(begin) = begin else { return to.fill(self.constant) };
        let Some(sources) = self.sources.get(axis) else { return to.fill(self.values[begin]) };
        if axis + 1 == self.sources.len() {
            for (to, source) in to.iter_mut().zip(sources) {
                *to = source.map_or(self.constant, |source| self.values[begin + source]);
            }
            return;
        }
        let part = to.len() / sources.len();
        for (to, source) in to.chunks_exact_mut(part).zip(sources) {
            self.write(axis + 1, source.map(|source| begin + source * self.steps[axis]), to);
        }
    }
}

/// Operands: data, and the sizes of some axes: what is larger is cut on both sides, what is smaller is padded with 0.
#[derive(Clone, Debug, PartialEq)]
pub struct CenterCropPad {
    /// The axes that are meant; all if not given.
    pub axes: Option<Vec<i64>>,
}

impl CenterCropPad {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axes: source.ints("axes")? })
    }

    /// The size that is wanted of each axis; none of one that stays.
    fn wanted(&self, rank: usize, sizes: &Tensor) -> Result<Vec<Option<usize>>, OpError> {
        let all: Vec<i64> = (0..rank as i64).collect();
        let chosen = axes(self.axes.as_deref().unwrap_or(&all), rank)?;
        let sizes = super::repetition::sizes(&row(sizes)?)?;
        if sizes.len() != chosen.len() {
            return Err(OpError::new(format!("{} sizes are given for {} axes", sizes.len(), chosen.len())));
        }
        let mut wanted = vec![None; rank];
        for (axis, size) in chosen.into_iter().zip(sizes) {
            wanted[axis] = Some(size);
        }
        Ok(wanted)
    }
}

impl Operation for CenterCropPad {
    fn name(&self) -> &'static str {
        "CenterCropPad"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, sizes) = (needed(inputs, 0, "data")?, needed(inputs, 1, "shape")?);
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let Some(sizes) = &sizes.value else { return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; shape.len()])]) };
        let wanted = self.wanted(shape.len(), sizes)?;
        let dims = shape.iter().zip(wanted).map(|(dim, wanted)| wanted.map_or(dim.clone(), Dim::Size));
        Ok(vec![Fact::new(data.dtype, dims)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, sizes) = (needed(inputs, 0, "data")?, needed(inputs, 1, "shape")?);
        let wanted = self.wanted(data.shape().len(), sizes)?;
        let sized = data.shape().iter().zip(wanted);
        let margins: Vec<[i64; 2]> = sized.map(|(&size, wanted)| centred(size, wanted.unwrap_or(size))).collect();
        let pads = [0, 1].map(|side| margins.iter().map(|margin| margin[side]).collect::<Vec<_>>()).concat();
        Pad { mode: Mode::Constant }.run(cpu, &[Some(data), Some(&Tensor::new(&[pads.len()], &pads))])
    }
}

/// What an axis has more in front and behind when it has `wanted` elements, the same ones in the middle: the smaller
/// half of what is missing, or of what is too much, in front.
fn centred(size: usize, wanted: usize) -> [i64; 2] {
    if wanted >= size {
        let missing = (wanted - size) as i64;
        return [missing / 2, missing - missing / 2];
    }
    let surplus = (size - wanted) as i64;
    [-(surplus / 2), -(surplus - surplus / 2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.pad` of [1, 2, 3] with these modes.
    #[test]
    fn modes_are_those_of_numpy() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[3], &[1u8, 2, 3]);
        for (mode, pads, expected) in [
            (Mode::Constant, [1, 2], vec![0u8, 1, 2, 3, 0, 0]),
            (Mode::Reflect, [2, 1], vec![3, 2, 1, 2, 3, 2]),
            (Mode::Reflect, [5, 0], vec![2, 1, 2, 3, 2, 1, 2, 3]),
            (Mode::Edge, [2, 1], vec![1, 1, 1, 2, 3, 3]),
            (Mode::Wrap, [4, 1], vec![3, 1, 2, 3, 1, 2, 3, 1]),
            (Mode::Constant, [-1, 1], vec![2, 3, 0]),
            (Mode::Edge, [-2, 2], vec![3, 3, 3]),
            (Mode::Constant, [-3, 0], vec![]),
        ] {
            let pads = Tensor::new(&[2], &pads.map(i64::from));
            let pad = Pad { mode };
            let inferred = pad.infer(&[Some(&Fact::of(&data)), Some(&Fact::of(&pads))]).unwrap().remove(0);
            assert_eq!(inferred.sizes(), Some(vec![expected.len()]));
            let result = pad.run(&cpu, &[Some(&data), Some(&pads)]).unwrap().remove(0);
            assert_eq!(result, Tensor::new(&[expected.len()], &expected), "{mode:?}");
        }
        for pads in [[-2i64, -2], [i64::MAX, 1], [i64::MIN, i64::MIN]] {
            let pads = Tensor::new(&[2], &pads);
            assert!(Pad { mode: Mode::Edge }.infer(&[Some(&Fact::of(&data)), Some(&Fact::of(&pads))]).is_err());
        }
    }

    #[test]
    fn axes_and_a_constant_are_chosen() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[2, 2], &[1i32, 2, 3, 4]);
        let operands = [data.clone(), Tensor::new(&[2], &[1i64, 0]), Tensor::scalar(9i32), Tensor::new(&[1], &[-1i32])];
        let result = Pad { mode: Mode::Constant }.run(&cpu, &operands.iter().map(Some).collect::<Vec<_>>()).unwrap();
        assert_eq!(result, [Tensor::new(&[2, 3], &[9i32, 1, 2, 9, 3, 4])]);
        let sizes = Tensor::new(&[2], &[1i64, 5]);
        let result = CenterCropPad { axes: None }.run(&cpu, &[Some(&data), Some(&sizes)]).unwrap();
        assert_eq!(result, [Tensor::new(&[1, 5], &[0i32, 1, 2, 0, 0])]);
    }
}
