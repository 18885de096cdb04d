//! Tensors one behind the other: Concat.

use super::{carried, moved};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, dims, product};
use crate::tensor::Block;
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor, TensorMut};

/// Bytes below which a second thread is not worth waking.
const PIECE: usize = 1 << 16;

/// Operands of the same dimensions but along one axis, one behind the other along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis along which they stand.
    pub axis: i64,
}

impl Concat {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let axis = source.int("axis")?.ok_or_else(|| OpError::new("attribute axis is missing"))?;
        Ok(Self { axis })
    }

    /// The dimensions of all operands together.
    fn joined(&self, shapes: &[&[Dim]]) -> Result<Vec<Dim>, OpError> {
        let (first, others) = shapes.split_first().ok_or_else(|| OpError::new("it has no operands"))?;
        let along = axis(self.axis, first.len())?;
        let mut joined = first.to_vec();
        for shape in others {
            if shape.len() != first.len() {
                return Err(OpError::new(format!("ranks {} and {} stand side by side", first.len(), shape.len())));
            }
            for (place, (joined, dim)) in joined.iter_mut().zip(*shape).enumerate() {
                *joined = match (&*joined, dim) {
                    (Dim::Size(left), Dim::Size(right)) if place == along => {
                        let sum = left.checked_add(*right);
                        Dim::Size(sum.ok_or_else(|| OpError::new("its axis is longer than any memory"))?)
                    }
                    _ if place == along => Dim::Unknown,
                    (Dim::Size(left), Dim::Size(right)) if left != right => {
                        return Err(OpError::new(format!("sizes {left} and {right} differ along axis {place}")));
                    }
                    (Dim::Size(size), _) | (_, Dim::Size(size)) => Dim::Size(*size),
                    (Dim::Named(name), _) | (_, Dim::Named(name)) => Dim::Named(name.clone()),
                    _ => Dim::Unknown,
                };
            }
        }
        Ok(joined)
    }

    /// How many times operands of these shapes take turns in the result, and its shape.
    ///
    /// # Errors
    /// If they do not stand side by side.
    pub fn turns(&self, shapes: &[&[usize]]) -> Result<(usize, Vec<usize>), OpError> {
        let shapes: Vec<Vec<Dim>> = shapes.iter().map(|shape| dims(shape)).collect();
        let joined = self.joined(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let joined: Vec<usize> = joined.iter().filter_map(Dim::size).collect();
        let along = axis(self.axis, joined.len())?;
        Ok((product(&joined[..along])?, joined))
    }
}

/// Writes rows of the result, from the `first` one on: the row of each operand, of which all have `rows`.
fn write(operands: &[&Tensor], rows: usize, first: usize, to: &mut [u8]) {
    let parts = operands.iter().map(|operand| operand.bytes()).map(|bytes| (bytes, bytes.len() / rows));
    let parts: Vec<(&[u8], usize)> = parts.filter(|(_, size)| *size > 0).collect();
    let row: usize = parts.iter().map(|(_, size)| size).sum();
    for (index, mut to) in to.chunks_exact_mut(row).enumerate() {
        for (bytes, size) in &parts {
            let (part, rest) = to.split_at_mut(*size);
            part.copy_from_slice(&bytes[(first + index) * size..][..*size]);
            to = rest;
        }
    }
}

/// All operands; none may be left out.
fn all<'a, T>(inputs: &[Option<&'a T>]) -> Result<Vec<&'a T>, OpError> {
    inputs.iter().map(|input| input.ok_or_else(|| OpError::new("one of its operands is missing"))).collect()
}

impl Operation for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let facts = all(inputs)?;
        let first = facts.first().ok_or_else(|| OpError::new("it has no operands"))?;
        if let Some(other) = facts.iter().find(|fact| fact.dtype != first.dtype) {
            return Err(OpError::new(format!("{} and {} stand side by side", first.dtype, other.dtype)));
        }
        let shapes: Option<Vec<&[Dim]>> = facts.iter().map(|fact| fact.shape.as_deref()).collect();
        let Some(shapes) = shapes else {
            let rank = facts.iter().find_map(|fact| fact.rank());
            let unknown =
                rank.map_or(Fact::of_type(first.dtype), |rank| Fact::new(first.dtype, vec![Dim::Unknown; rank]));
            return Ok(vec![unknown]);
        };
        let mut fact = Fact::new(first.dtype, self.joined(&shapes)?);
        let values: Option<Vec<&Tensor>> = facts.iter().map(|fact| fact.value.as_ref()).collect();
        if let (Some(values), Some(sizes)) = (values, fact.sizes())
            && carried(fact.dtype, &sizes)
        {
            let mut value = TensorMut::of(fact.dtype, &sizes, Block::zeros(product(&sizes)? * fact.dtype.bytes()));
            if !value.bytes_mut().is_empty() {
                let rows = product(&sizes[..axis(self.axis, sizes.len())?])?;
                write(&values, rows, 0, value.bytes_mut());
            }
            fact.value = Some(value.freeze());
        }
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let operands = all(inputs)?;
        if let [only] = operands[..] {
            return Ok(vec![only.clone()]);
        }
        let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape()).collect();
        let (rows, sizes) = self.turns(&shapes)?;
        let mut result = cpu.allocate(operands[0].dtype(), &sizes)?;
        let bytes = result.bytes_mut();
        let row = bytes.len() / rows.max(1);
        cpu.processor().lines(bytes, row, PIECE, |first, to| write(&operands, rows, first, to));
        Ok(vec![result.freeze()])
    }
}
