//! Products with weights in blocks.

use poai_numerics::{Epilogue, PackedBlocks};

use super::BlockFormat;
use crate::device::KernelError;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, given, needed};
use crate::{Cost, Cpu, DType, Dim, Fact, Kernel, OpError, Tensor};

/// `x · wᵀ` with weights in blocks: what language models in GGUF files are made of.
///
/// Operands: x, and rows of blocks (bytes), one for each column of the result. It is the *block dot* of docs/numerics.md,
/// in which x is rounded too, block by block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMatMul {
    /// What the weights' blocks are.
    pub format: BlockFormat,
}

impl BlockMatMul {
    /// The weights, packed.
    ///
    /// # Errors
    /// If they are no such blocks.
    pub fn packed(&self, weights: &Tensor) -> Result<PackedBlocks, OpError> {
        let sizes = self.format.matrix(&Fact::of(weights))?;
        let [columns, _] = sizes.ok_or_else(|| OpError::new("blocks have no shape"))?;
        Ok(self.format.packed(columns, weights.slice()?)?)
    }

    fn compute(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], weights: &PackedBlocks) -> Result<Tensor, OpError> {
        let x = needed(inputs, 0, "x")?;
        let (&depth, outer) = x.shape().split_last().ok_or_else(|| OpError::new("x has no dimensions"))?;
        if depth != weights.depth() {
            return Err(OpError::new(format!("rows of {depth} do not fit weights of {}", weights.depth())));
        }
        let shape: Vec<usize> = outer.iter().copied().chain([weights.columns()]).collect();
        let (values, rows) = (floats(x)?, outer.iter().product());
        float_result(cpu, x.dtype(), &shape, |out| {
            Ok(cpu.processor().matmul_blocks(rows, &values, weights, &Epilogue::default(), out)?)
        })
    }
}

impl Operation for BlockMatMul {
    fn name(&self) -> &'static str {
        "BlockMatMul"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (x, weights) = (needed(inputs, 0, "x")?, needed(inputs, 1, "weights")?);
        if !matches!(x.dtype, DType::F32 | DType::F16 | DType::Bf16) {
            return Err(OpError::new(format!("x is {}, and must be f32, f16 or bf16", x.dtype)));
        }
        let sizes = self.format.matrix(weights)?;
        let Some(shape) = &x.shape else { return Ok(vec![Fact::of_type(x.dtype)]) };
        let (depth, outer) = shape.split_last().ok_or_else(|| OpError::new("x has no dimensions"))?;
        if let (Some(depth), Some([_, expected])) = (depth.size(), sizes)
            && depth != expected
        {
            return Err(OpError::new(format!("rows of {depth} do not fit weights of {expected}")));
        }
        let columns = sizes.map_or(Dim::Unknown, |[columns, _]| columns.into());
        Ok(vec![Fact::new(x.dtype, outer.iter().cloned().chain([columns]))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let sizes = given(inputs, 1).and_then(|weights| self.format.matrix(weights).ok().flatten());
        let depth = sizes.map_or(0, |[_, depth]| depth as u64);
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: elements.saturating_mul(depth), elements }
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let Some(weights) = given(constants, 1) else { return Ok(None) };
        let weights = self.packed(weights)?;
        Ok(Some(Box::new(PackedMatMul { cpu: cpu.clone(), op: self.clone(), weights })))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let weights = self.packed(needed(inputs, 1, "weights")?)?;
        Ok(vec![self.compute(cpu, inputs, &weights)?])
    }
}

/// A product with constant weights, packed.
struct PackedMatMul {
    cpu: Cpu,
    op: BlockMatMul,
    weights: PackedBlocks,
}

impl Kernel for PackedMatMul {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.op.compute(&self.cpu, inputs, &self.weights)?])
    }

    fn needs_constant(&self, operand: usize) -> bool {
        operand != 1
    }
}

#[cfg(test)]
mod tests {
    use half::f16;
    use poai_numerics::oracle;

    use super::*;
    use crate::op::product::trial::{noise, result, values};
    use crate::op::product::{BlockRows, Product};

    /// Two rows of two blocks whose quants are 0, 1, 2, … modulo 16.
    fn rows(format: BlockFormat) -> Tensor {
        let mut bytes = Vec::new();
        for block in 0..4u8 {
            bytes.extend(f16::from_f32(0.5 + f32::from(block)).to_le_bytes());
            if format == BlockFormat::Q4_1 {
                bytes.extend(f16::from_f32(-0.25).to_le_bytes());
            }
            match format {
                // Byte j has weight j below and weight j + 16 above.
                BlockFormat::Q4_0 | BlockFormat::Q4_1 => bytes.extend((0..16u8).map(|j| j | (j << 4))),
                BlockFormat::Q8_0 => bytes.extend((0..32u8).map(|k| k % 16)),
            }
        }
        Tensor::new(&[2, 2 * format.bytes()], &bytes)
    }

    #[test]
    fn rows_are_dequantised() {
        for (format, first) in [
            (BlockFormat::Q4_0, [-4.0f32, -3.5, -3.0]),
            (BlockFormat::Q4_1, [-0.25, 0.25, 0.75]),
            (BlockFormat::Q8_0, [0.0, 0.5, 1.0]),
        ] {
            let found =
                result(Product::BlockRows(BlockRows { format }), &[&rows(format), &Tensor::new(&[2, 1], &[1i64, 0])]);
            let found = found.unwrap();
            assert_eq!(found.shape(), [2, 1, 64]);
            let found = values(&found);
            assert_eq!(found[64..67], first, "{format:?}");
            // The last weight of the first block has quant 15, as the one in the middle has; scale 2.5 in row 1.
            let zero = if format == BlockFormat::Q4_0 { 8.0 } else { 0.0 };
            let minimum = if format == BlockFormat::Q4_1 { -0.25 } else { 0.0 };
            assert_eq!([found[15], found[31], found[63]], [2.5, 2.5, 3.5].map(|scale| (15.0 - zero) * scale + minimum));
        }
    }

    #[test]
    fn products_are_block_dots() {
        let x = noise(&[3, 64], 9);
        for format in [BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q8_0] {
            let zero = if format == BlockFormat::Q4_0 { 8 } else { 0 };
            let expected: Vec<f32> = (values(&x).chunks(64))
                .flat_map(|row| {
                    [[0.5f32, 1.5], [2.5, 3.5]].map(|scales| {
                        let quants: Vec<i32> = (0..64).map(|k| k % 16 - zero).collect();
                        if format != BlockFormat::Q4_1 {
                            return oracle::block_dot(row, 32, &quants, &scales);
                        }
                        // Each block is followed by one of ones.
                        let twice: Vec<f32> = row.chunks(32).flat_map(|block| [block, block].concat()).collect();
                        let quants: Vec<i32> = quants.chunks(32).flat_map(|block| [block, &[1; 32]].concat()).collect();
                        oracle::block_dot(&twice, 32, &quants, &[scales[0], -0.25, scales[1], -0.25])
                    })
                })
                .collect();
            let found = result(Product::BlockMatMul(BlockMatMul { format }), &[&x, &rows(format)]).unwrap();
            assert_eq!(found, Tensor::new(&[3, 2], &expected), "{format:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let op = |format| Product::BlockMatMul(BlockMatMul { format });
        let weights = rows(BlockFormat::Q8_0);
        assert!(result(op(BlockFormat::Q8_0), &[&noise(&[3, 32], 1), &weights]).is_err(), "a depth");
        assert!(result(op(BlockFormat::Q4_0), &[&noise(&[3, 64], 1), &weights]).is_err(), "other blocks");
        let rows = Product::BlockRows(BlockRows { format: BlockFormat::Q8_0 });
        assert!(result(rows, &[&weights, &Tensor::scalar(2i64)]).is_err(), "a row that is not there");
    }
}
