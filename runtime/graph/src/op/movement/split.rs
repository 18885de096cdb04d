//! A tensor in parts along an axis: Split.

use super::moved;
use super::walk::Walk;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, given, needed, row};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Operands: data, and the sizes of the parts if they are not equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The axis along which the parts lie.
    pub axis: i64,
    /// How many there are.
    pub parts: usize,
    /// Whether the last part may be smaller than the others, where sizes are not given.
    pub uneven: bool,
}

impl Split {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        // Before operator set 13 the sizes were an attribute.
        if let Some(sizes) = source.ints("split")? {
            source.set_input(1, Tensor::new(&[sizes.len()], &sizes));
        }
        let asked = source.int("num_outputs")?;
        let parts = source.output_count();
        if asked.is_some_and(|asked| asked != parts as i64) {
            return Err(OpError::new(format!("{asked:?} parts are asked for, and {parts} are taken")));
        }
        Ok(Self { axis: source.int("axis")?.unwrap_or(0), parts, uneven: asked.is_some() })
    }

    /// The sizes of the parts of an axis of known size.
    fn sizes(&self, size: usize, asked: Option<&[i64]>) -> Result<Vec<usize>, OpError> {
        if let Some(asked) = asked {
            let sizes = asked.iter().map(|&part| usize::try_from(part).ok()).collect::<Option<Vec<_>>>();
            let sizes = sizes.filter(|sizes| sizes.len() == self.parts);
            let sizes = sizes.filter(|sizes| sizes.iter().try_fold(0usize, |sum, &x| sum.checked_add(x)) == Some(size));
            let misfit = || OpError::new(format!("an axis of {size} is not split into {} of {asked:?}", self.parts));
            return sizes.ok_or_else(misfit);
        }
        let part = size.div_ceil(self.parts.max(1));
        let last = self.parts.checked_sub(1).and_then(|others| size.checked_sub(others.checked_mul(part)?));
        let last = last.filter(|&last| self.uneven || last == part);
        let last = last
            .ok_or_else(|| OpError::new(format!("an axis of {size} is not split into {} equal parts", self.parts)))?;
        let mut sizes = vec![part; self.parts];
        sizes[self.parts - 1] = last;
        Ok(sizes)
    }
}

impl Operation for Split {
    fn name(&self) -> &'static str {
        "Split"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype); self.parts]) };
        let along = axis(self.axis, shape.len())?;
        let operand = given(inputs, 1);
        let asked = operand.and_then(|fact| fact.value.as_ref()).map(row).transpose()?;
        let with = |dim: Dim| {
            let mut dims = shape.clone();
            dims[along] = dim;
            Fact::new(data.dtype, dims)
        };
        let (Some(size), true) = (shape[along].size(), operand.is_none() || asked.is_some()) else {
            return Ok(vec![with(Dim::Unknown); self.parts]);
        };
        Ok(self.sizes(size, asked.as_deref())?.into_iter().map(|size| with(Dim::Size(size))).collect())
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let along = axis(self.axis, data.shape().len())?;
        let asked = given(inputs, 1).map(row).transpose()?;
        let mut start = 0;
        let mut parts = Vec::with_capacity(self.parts);
        for size in self.sizes(data.shape()[along], asked.as_deref())? {
            let mut shape = data.shape().to_vec();
            shape[along] = size;
            let walk = if shape.contains(&0) {
                Walk::over(&shape)
            } else {
                Walk::over(data.shape()).sliced(along, start, 1, size)
            };
            parts.push(walk.read(cpu, data, &shape)?);
            start += size;
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_or_as_asked() {
        let even = |parts, uneven| Split { axis: 0, parts, uneven };
        assert_eq!(even(3, false).sizes(6, None), Ok(vec![2, 2, 2]));
        assert!(even(3, false).sizes(7, None).is_err());
        assert_eq!(even(3, true).sizes(7, None), Ok(vec![3, 3, 1]));
        assert_eq!(even(2, true).sizes(0, None), Ok(vec![0, 0]));
        // The fourth part of five would have less than nothing.
        assert!(even(4, true).sizes(5, None).is_err());
        assert!(even(0, true).sizes(5, None).is_err());
        assert_eq!(even(2, false).sizes(5, Some(&[5, 0])), Ok(vec![5, 0]));
        for asked in [&[5i64][..], &[6, -1], &[2, 2], &[i64::MAX, i64::MAX]] {
            assert!(even(2, false).sizes(5, Some(asked)).is_err(), "{asked:?}");
        }
    }

    #[test]
    fn parts_are_taken_along_the_axis() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[2, 3], &[1u8, 2, 3, 4, 5, 6]);
        let sizes = Tensor::new(&[2], &[1i64, 2]);
        let parts = Split { axis: -1, parts: 2, uneven: false }.run(&cpu, &[Some(&data), Some(&sizes)]).unwrap();
        assert_eq!(parts, [Tensor::new(&[2, 1], &[1u8, 4]), Tensor::new(&[2, 2], &[2u8, 3, 5, 6])]);
    }
}
