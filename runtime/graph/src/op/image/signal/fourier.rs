//! The discrete Fourier transform along an axis: a product with a matrix of rotations.
//!
//! Operands: a signal whose last axis has one number (real) or two (complex), perhaps the transform's length (what is
//! missing of the signal is 0, what is beyond is cut off), perhaps the axis.

use poai_numerics::{Binary, Epilogue, Matrices, Strided};

use super::super::{Operation, float_type};
use super::rotation::Transform;
use super::{length, length_of};
use crate::onnx::Source;
use crate::op::operand::{axis, float_result, floats, given, integer, needed};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// DFT.
#[derive(Clone, Debug, PartialEq)]
pub struct Fourier {
    /// From frequencies to a signal.
    pub inverse: bool,
    /// Only half of the frequencies: the others are their conjugates.
    pub one_sided: bool,
}

const LENGTH: usize = 1;
const AXIS: usize = 2;

impl Fourier {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let (inverse, one_sided) = (source.flag("inverse")?, source.flag("onesided")?);
        if source.opset() < 20 {
            let axis = source.int("axis")?.unwrap_or(1);
            source.set_input(AXIS, Tensor::scalar(axis));
        }
        Ok(Self { inverse, one_sided })
    }

    fn axis(value: Option<&Tensor>, rank: usize) -> Result<usize, OpError> {
        let along = axis(value.map_or(Ok(-2), integer)?, rank)?;
        if along + 1 == rank {
            return Err(OpError::new("the axis of the transform is that of real and imaginary parts"));
        }
        Ok(along)
    }

    /// The transform of an axis of `size` elements.
    fn transform(&self, size: usize, complex: bool, length: Option<usize>) -> Result<Transform, OpError> {
        let half = self.one_sided && self.inverse;
        let length = length.unwrap_or(if half { size.saturating_sub(1) * 2 } else { size });
        if length == 0 {
            return Err(OpError::new("a Fourier transform of no elements"));
        }
        if self.one_sided && !self.inverse && complex {
            return Err(OpError::new("half of the frequencies do not say all of a complex signal"));
        }
        let given = size.min(if half { length / 2 + 1 } else { length });
        let wanted = if self.one_sided && !self.inverse { length / 2 + 1 } else { length };
        Ok(Transform { length, given, wanted, complex: [complex, !half], inverse: self.inverse, half_given: half })
    }
}

fn is_complex(parts: usize) -> Result<bool, OpError> {
    match parts {
        1 => Ok(false),
        2 => Ok(true),
        other => Err(OpError::new(format!("elements of {other} numbers are neither real nor complex"))),
    }
}

impl Operation for Fourier {
    fn name(&self) -> &'static str {
        "DFT"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "input")?;
        float_type(input.dtype)?;
        let Some(shape) = &input.shape else { return Ok(vec![Fact::of_type(input.dtype)]) };
        let mut result = vec![Dim::Unknown; shape.len()];
        let axis_is_known = given(inputs, AXIS).is_none_or(|fact| fact.value.is_some());
        let length_is_known = given(inputs, LENGTH).is_none_or(|fact| fact.value.is_some());
        if axis_is_known && !shape.is_empty() {
            let along = Self::axis(given(inputs, AXIS).and_then(|fact| fact.value.as_ref()), shape.len())?;
            result.clone_from(shape);
            (result[along], result[shape.len() - 1]) = (Dim::Unknown, Dim::Unknown);
            let length = length(inputs, LENGTH, "dft_length")?;
            if let (Dim::Size(size), Dim::Size(parts), true) = (&shape[along], &shape[shape.len() - 1], length_is_known)
            {
                let transform = self.transform(*size, is_complex(*parts)?, length)?;
                transform.numbers()?;
                result[along] = Dim::Size(transform.wanted);
                result[shape.len() - 1] = Dim::Size(if transform.complex[1] { 2 } else { 1 });
            }
        }
        Ok(vec![Fact::new(input.dtype, result)])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        // Each number of the result is a chain over an axis, which is no longer than the operand or the result.
        let read = inputs[0].map_or(0, Fact::elements);
        let longest = inputs[0].and_then(Fact::sizes).unwrap_or_default().into_iter().max().unwrap_or(1) as u64;
        let chain = longest.saturating_mul(2);
        let result = outputs[0].elements();
        Cost { multiply_adds: result.saturating_mul(chain), elements: read.saturating_add(result) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "input")?;
        let shape = input.shape();
        let along = Self::axis(given(inputs, AXIS), shape.len())?;
        let length = given(inputs, LENGTH).map(|value| length_of(value, "dft_length")).transpose()?;
        let parts = shape[shape.len() - 1];
        let transform = self.transform(shape[along], is_complex(parts)?, length)?;
        let outer: usize = shape[..along].iter().product();
        let inner: usize = shape[along + 1..shape.len() - 1].iter().product();
        let values = floats(input)?;
        let rows = lines([outer, transform.given, inner, parts], shape[along], &values);
        let mut found = transformed(cpu, &transform, outer * inner, &rows)?;
        if self.inverse {
            divide(cpu, &mut found, transform.length as f32)?;
        }
        let to = if transform.complex[1] { 2 } else { 1 };
        let mut result = shape.to_vec();
        (result[along], result[shape.len() - 1]) = (transform.wanted, to);
        let result = float_result(cpu, input.dtype(), &result, |out| {
            for (line, found) in found.chunks_exact((transform.wanted * to).max(1)).enumerate() {
                let (block, place) = (line / inner, line % inner);
                for (i, number) in found.chunks_exact(to).enumerate() {
                    out[((block * transform.wanted + i) * inner + place) * to..][..to].copy_from_slice(number);
                }
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

/// The elements along an axis of `size`, up to `given`, side by side for each line.
fn lines([outer, given, inner, parts]: [usize; 4], size: usize, values: &[f32]) -> Vec<f32> {
    let mut lines = Vec::with_capacity(outer * given * inner * parts);
    for line in 0..outer * inner {
        let (block, place) = (line / inner, line % inner);
        for i in 0..given {
            lines.extend_from_slice(&values[((block * size + i) * inner + place) * parts..][..parts]);
        }
    }
    lines
}

/// The transform of each row.
pub(super) fn transformed(cpu: &Cpu, transform: &Transform, rows: usize, values: &[f32]) -> Result<Vec<f32>, OpError> {
    let [depth, columns] = transform.numbers()?;
    let mut found = vec![0.0; rows * columns];
    let left = Matrices::one(values, depth);
    cpu.processor().matmul_packed(rows, left, &transform.matrix()?, &Epilogue::default(), &mut found)?;
    Ok(found)
}

fn divide(cpu: &Cpu, values: &mut [f32], divisor: f32) -> Result<(), OpError> {
    let dividends = values.to_vec();
    let (left, right) = (Strided { data: &dividends, strides: &[1] }, Strided { data: &[divisor], strides: &[0] });
    Ok(cpu.processor().binary(Binary::Div, &[dividends.len()], left, right, values)?)
}

#[cfg(test)]
mod tests {
    use super::super::super::trial::results_of;
    use super::*;

    fn run(fourier: &Fourier, input: &Tensor, length: Option<i64>, axis: i64) -> Tensor {
        let (length, axis) = (length.map(Tensor::scalar), Tensor::scalar(axis));
        results_of(fourier, &[Some(input), length.as_ref(), Some(&axis)]).unwrap().remove(0)
    }

    const FORWARD: Fourier = Fourier { inverse: false, one_sided: false };

    /// Quarters of a turn are exact, so transforms of four elements are.
    #[test]
    fn four_elements_by_hand() {
        let signal = Tensor::new::<f32>(&[1, 4, 1], &[1., 2., 3., 5.]);
        let expected = [11., 0., -2., 3., -3., 0., -2., -3.];
        let found = run(&FORWARD, &signal, None, 1);
        assert_eq!(found, Tensor::new::<f32>(&[1, 4, 2], &expected));
        let half = run(&Fourier { one_sided: true, ..FORWARD }, &signal, None, -2);
        assert_eq!(half, Tensor::new::<f32>(&[1, 3, 2], &expected[..6]));
        let back = run(&Fourier { inverse: true, ..FORWARD }, &found, None, 1);
        assert_eq!(back, Tensor::new::<f32>(&[1, 4, 2], &[1., 0., 2., 0., 3., 0., 5., 0.]));
        let real = run(&Fourier { inverse: true, one_sided: true }, &half, Some(4), 1);
        assert_eq!(real, signal);
    }

    #[test]
    fn other_axes_and_lengths() {
        // Along the first of two axes; cut off to two elements, and made four by zeros.
        let signal = Tensor::new::<f32>(&[3, 2, 1], &[1., 10., 2., 20., 9., 9.]);
        assert_eq!(
            run(&FORWARD, &signal, Some(2), 0),
            Tensor::new::<f32>(&[2, 2, 2], &[3., 0., 30., 0., -1., 0., -10., 0.])
        );
        let short = Tensor::new::<f32>(&[2, 1], &[1., 2.]);
        let expected = [3., 0., 1., -2., -1., 0., 1., 2.];
        assert_eq!(run(&FORWARD, &short, Some(4), 0), Tensor::new::<f32>(&[4, 2], &expected));
    }

    #[test]
    fn nonsense_is_refused() {
        let fact = |shape: [usize; 2]| Fact::new(crate::DType::F32, shape);
        assert!(FORWARD.infer(&[Some(&fact([4, 3]))]).is_err());
        assert!(FORWARD.infer(&[Some(&fact([0, 1]))]).is_err());
        assert!(matches!(FORWARD.infer(&[Some(&fact([1 << 20, 1]))]), Err(OpError::Unsupported(_))));
    }
}
