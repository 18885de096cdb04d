//! Rows of weights in blocks, as floats: embeddings of tokens.

use super::BlockFormat;
use crate::op::Operation;
use crate::op::operand::{integers, needed};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Operands: rows of blocks (bytes), and indices. Each index stands for that row, as floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRows {
    /// What the blocks are.
    pub format: BlockFormat,
}

impl Operation for BlockRows {
    fn name(&self) -> &'static str {
        "BlockRows"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (weights, indices) = (needed(inputs, 0, "weights")?, needed(inputs, 1, "indices")?);
        if !matches!(indices.dtype, DType::I32 | DType::I64) {
            return Err(OpError::new(format!("{} elements are no indices", indices.dtype)));
        }
        let depth = self.format.matrix(weights)?.map_or(Dim::Unknown, |[_, depth]| depth.into());
        let Some(shape) = &indices.shape else { return Ok(vec![Fact::of_type(DType::F32)]) };
        Ok(vec![Fact::new(DType::F32, shape.iter().cloned().chain([depth]))])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        Cost { multiply_adds: 0, elements: outputs.first().map_or(0, Fact::elements).saturating_mul(2) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (weights, indices) = (needed(inputs, 0, "weights")?, needed(inputs, 1, "indices")?);
        let &[rows, row_bytes] = weights.shape() else { return Err(OpError::new("blocks have no rows")) };
        let depth = self.format.depth(row_bytes)?;
        let bytes = weights.slice::<u8>()?;
        let shape: Vec<usize> = indices.shape().iter().copied().chain([depth]).collect();
        let mut result = cpu.allocate(DType::F32, &shape)?;
        if depth > 0 {
            for (index, out) in integers(indices)?.into_iter().zip(result.slice_mut().chunks_exact_mut(depth)) {
                let row = usize::try_from(index).ok().filter(|&row| row < rows);
                let row = row.ok_or_else(|| OpError::new(format!("there is no row {index} of {rows}")))?;
                self.format.dequantised(&bytes[row * row_bytes..(row + 1) * row_bytes], out);
            }
        }
        Ok(vec![result.freeze()])
    }
}
