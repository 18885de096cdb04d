//! Rows that sum to 1: Softmax, LogSoftmax, Hardmax.

use super::rows::{brought, expect_floats};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, float_result, floats, needed, product};
use crate::{Cost, Cpu, Fact, OpError, Tensor};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// eˣ / Σ eˣ
    Softmax,
    /// ln (eˣ / Σ eˣ)
    LogSoftmax,
    /// 1 for the first of the greatest, 0 for the others.
    Hardmax,
}

/// A row for each index of the other axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// What becomes of a row.
    pub kind: Kind,
    /// The axis that rows lie along, or the first of them.
    pub axis: i64,
    /// Whether all axes from `axis` on make one row, as before operator set 13.
    pub flattened: bool,
}

impl Softmax {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let kind = match source.qualified_operator().as_str() {
            "Softmax" => Kind::Softmax,
            "LogSoftmax" => Kind::LogSoftmax,
            _ => Kind::Hardmax,
        };
        let flattened = source.opset() < 13;
        let axis = source.int("axis")?.unwrap_or(if flattened { 1 } else { -1 });
        Ok(Self { kind, axis, flattened })
    }

    /// The axis within a rank; a flattened one may also be the rank, with rows of one element.
    fn axis(&self, rank: usize) -> Result<usize, OpError> {
        if self.flattened && self.axis == rank as i64 {
            return Ok(rank);
        }
        axis(self.axis, rank)
    }

    /// The length of rows, if they lie one behind the other in a tensor of this shape.
    pub fn row_length(&self, shape: &[usize]) -> Option<usize> {
        let along = self.axis(shape.len()).ok()?;
        let (row, inner) = if self.flattened {
            (&shape[along..], 1)
        } else {
            (&shape[along..=along], product(&shape[along + 1..]).ok()?)
        };
        product(row).ok().filter(|_| inner == 1)
    }

    fn rows(&self, cpu: &Cpu, length: usize, values: &[f32], out: &mut [f32]) -> Result<(), OpError> {
        let processor = cpu.processor();
        match self.kind {
            Kind::Softmax => processor.softmax_from(length, values, out)?,
            Kind::LogSoftmax => {
                out.copy_from_slice(values);
                processor.log_softmax(length, out)?;
            }
            Kind::Hardmax => {
                for (row, out) in values.chunks_exact(length).zip(out.chunks_exact_mut(length)) {
                    out.fill(0.0);
                    out[greatest(row)] = 1.0;
                }
            }
        }
        Ok(())
    }
}

/// The place of the first of the greatest; of the first NaN if there is one.
fn greatest(row: &[f32]) -> usize {
    let mut best = 0;
    for (place, &x) in row.iter().enumerate() {
        if x > row[best] || (x.is_nan() && !row[best].is_nan()) {
            best = place;
        }
    }
    best
}

impl Operation for Softmax {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Softmax => "Softmax",
            Kind::LogSoftmax => "LogSoftmax",
            Kind::Hardmax => "Hardmax",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        expect_floats(data)?;
        if let Some(rank) = data.rank() {
            self.axis(rank)?;
        }
        Ok(vec![Fact { value: None, ..data.clone() }])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over a row, an exponential among them.
        const WEIGHT: u64 = 8;
        let elements = outputs.iter().map(Fact::elements).fold(0, u64::saturating_add);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.is_empty() {
            return Ok(vec![data.clone()]);
        }
        let (shape, values) = (data.shape(), floats(data)?);
        let along = self.axis(shape.len())?;
        let length = if self.flattened { product(&shape[along..])? } else { shape[along] };
        let inner = if self.flattened { 1 } else { product(&shape[along + 1..])? };
        let turned = [values.len() / (length * inner), length, inner];
        let result = float_result(cpu, data.dtype(), shape, |out| {
            if inner == 1 {
                return self.rows(cpu, length, &values, out);
            }
            let mut rows = vec![0.0; values.len()];
            self.rows(cpu, length, &brought(&values, &turned, &[0, 2, 1]), &mut rows)?;
            out.copy_from_slice(&brought(&rows, &[turned[0], inner, length], &[0, 2, 1]));
            Ok(())
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use poai_numerics::oracle;

    use super::*;

    fn run(kind: Kind, axis: i64, flattened: bool, data: &Tensor) -> Vec<f32> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let results = Softmax { kind, axis, flattened }.run(&cpu, &[Some(data)]).unwrap();
        assert_eq!(results[0].shape(), data.shape());
        results[0].slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn rows_lie_along_an_axis_or_along_all_from_it_on() {
        let data = Tensor::new(&[2, 3, 2], &[1f32, 5., 2., 7., 3., 6., 0., 1., -1., 0., 1., 3.]);
        assert_eq!(run(Kind::Hardmax, 1, false, &data), [0., 0., 0., 1., 1., 0., 0., 0., 0., 0., 1., 1.]);
        assert_eq!(run(Kind::Hardmax, 1, true, &data), [0., 0., 0., 1., 0., 0., 0., 0., 0., 0., 0., 1.]);
        assert_eq!(run(Kind::Hardmax, 3, true, &data), [1.0; 12]);
        assert_eq!(run(Kind::Softmax, 1, false, &data)[..2], {
            let columns = [oracle::softmax(&[1., 2., 3.]), oracle::softmax(&[5., 7., 6.])];
            [columns[0][0], columns[1][0]]
        });
        assert_eq!(run(Kind::LogSoftmax, -1, false, &data)[2..4], oracle::log_softmax(&[2., 7.]));
        assert_eq!(run(Kind::Hardmax, 0, false, &Tensor::new(&[4], &[1f32, f32::NAN, 9., 9.])), [0., 1., 0., 0.]);
    }
}
