//! Sums and products of all that came before: CumSum, CumProd.

use poai_numerics::Binary;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, float_result, floats, integer, needed, product};
use crate::{Cpu, DType, Element, Fact, OpError, Tensor};

/// Operands: data, axis. Each step adds (or multiplies) one element to what there was, in the order of the axis or
/// backwards, from 0 (or 1) on.
#[derive(Clone, Debug, PartialEq)]
pub struct Cumulative {
    /// Whether it is a product.
    pub product: bool,
    /// Whether an element is left out of its own sum.
    pub exclusive: bool,
    /// Whether it begins at the end.
    pub reverse: bool,
}

impl Cumulative {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self {
            product: source.qualified_operator() == "CumProd",
            exclusive: source.flag("exclusive")?,
            reverse: source.flag("reverse")?,
        })
    }

    /// Along the middle of `… × size × inner` elements.
    fn cumulate<T: Copy>(
        &self,
        [size, inner]: [usize; 2],
        from: &[T],
        to: &mut [T],
        start: T,
        join: impl Fn(T, T) -> T,
    ) {
        if to.is_empty() {
            return;
        }
        let mut totals = vec![start; inner];
        for (from, to) in from.chunks_exact(size * inner).zip(to.chunks_exact_mut(size * inner)) {
            totals.fill(start);
            for step in 0..size {
                let row = inner * if self.reverse { size - 1 - step } else { step };
                for (i, total) in totals.iter_mut().enumerate() {
                    let next = join(*total, from[row + i]);
                    to[row + i] = if self.exclusive { *total } else { next };
                    *total = next;
                }
            }
        }
    }

    fn scalar<T: Element>(
        &self,
        cpu: &Cpu,
        data: &Tensor,
        sizes: [usize; 2],
        [zero, one]: [T; 2],
        add: impl Fn(T, T) -> T,
        multiply: impl Fn(T, T) -> T,
    ) -> Result<Tensor, OpError> {
        let mut result = cpu.allocate(data.dtype(), data.shape())?;
        let (from, to) = (data.slice::<T>()?, result.slice_mut::<T>());
        if self.product {
            self.cumulate(sizes, from, to, one, multiply);
        } else {
            self.cumulate(sizes, from, to, zero, add);
        }
        Ok(result.freeze())
    }
}

fn canonical(x: f64) -> f64 {
    if x.is_nan() { super::fold::CANONICAL_NAN } else { x }
}

impl Operation for Cumulative {
    fn name(&self) -> &'static str {
        if self.product { "CumProd" } else { "CumSum" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, along) = (needed(inputs, 0, "data")?, needed(inputs, 1, "axis")?);
        if let (Some(rank), Some(along)) = (data.rank(), &along.value) {
            axis(integer(along)?, rank)?;
        }
        match data.dtype {
            DType::Bool | DType::I8 | DType::I16 | DType::U8 | DType::U16 => {
                Err(OpError::new(format!("{} elements have no cumulative sums", data.dtype)))
            }
            _ => Ok(vec![Fact { value: None, ..data.clone() }]),
        }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, along) = (needed(inputs, 0, "data")?, integer(needed(inputs, 1, "axis")?)?);
        let along = axis(along, data.shape().len())?;
        let sizes = [data.shape()[along], product(&data.shape()[along + 1..])?];
        let result = match data.dtype() {
            DType::F64 => self.scalar(cpu, data, sizes, [0., 1.], |a, b| canonical(a + b), |a, b| canonical(a * b))?,
            DType::I32 => self.scalar(cpu, data, sizes, [0, 1], i32::wrapping_add, i32::wrapping_mul)?,
            DType::I64 => self.scalar(cpu, data, sizes, [0, 1], i64::wrapping_add, i64::wrapping_mul)?,
            DType::U32 => self.scalar(cpu, data, sizes, [0, 1], u32::wrapping_add, u32::wrapping_mul)?,
            DType::U64 => self.scalar(cpu, data, sizes, [0, 1], u64::wrapping_add, u64::wrapping_mul)?,
            dtype => {
                let (start, join) = if self.product { (1.0, Binary::Mul) } else { (0.0, Binary::Add) };
                let values = floats(data)?;
                float_result(cpu, dtype, data.shape(), |out| {
                    self.cumulate(sizes, &values, out, start, |a, b| join.of(a, b));
                    Ok(())
                })?
            }
        };
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_grow_in_either_direction() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let whole = Tensor::new(&[2, 3], &[1i32, 2, 3, 4, 5, 6]);
        let single = Tensor::new(&[2, 3], &[1f32, 2., 3., 4., 5., 6.]);
        for (product, exclusive, reverse, axis, expected) in [
            (false, false, false, 1, [1, 3, 6, 4, 9, 15]),
            (false, false, false, 0, [1, 2, 3, 5, 7, 9]),
            (false, true, false, -1, [0, 1, 3, 0, 4, 9]),
            (false, false, true, 1, [6, 5, 3, 15, 11, 6]),
            (false, true, true, 1, [5, 3, 0, 11, 6, 0]),
            (true, false, false, 1, [1, 2, 6, 4, 20, 120]),
            (true, true, true, 1, [6, 3, 1, 30, 6, 1]),
        ] {
            let operator = Cumulative { product, exclusive, reverse };
            let run = |data| operator.run(&cpu, &[Some(data), Some(&Tensor::scalar(axis))]).unwrap();
            assert_eq!(run(&whole), [Tensor::new(&[2, 3], &expected)]);
            assert_eq!(run(&single), [Tensor::new(&[2, 3], &expected.map(|x| x as f32))]);
        }
    }
}
