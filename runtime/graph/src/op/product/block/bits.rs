//! com.microsoft's MatMulNBits: weights of 4 or 8 bits in blocks of any size.

use std::borrow::Cow;

use poai_numerics::{BLOCK_LIMIT, BlockWeights, Epilogue, Matrices, Packed, PackedBlocks};

use crate::device::KernelError;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, given, needed, same_type};
use crate::{Cost, Cpu, DType, Dim, Fact, Kernel, Node, OpError, Tensor};

/// `x · w + bias`. Operands: x, quants, scales, zero points, an order of groups (unsupported), bias.
///
/// The product is that with *dequantised* weights of docs/numerics.md, in which x is not rounded; or the *block dot*, if
/// the file allows x to be rounded to 8 bits and blocks are such that it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitsMatMul {
    /// Bits of a weight: 4 or 8.
    pub bits: u32,
    /// Weights of a block.
    pub block: usize,
    /// Weights of a column.
    pub depth: usize,
    /// Columns of the result.
    pub columns: usize,
    /// Whether x may be rounded to 8 bits.
    pub rounds: bool,
}

/// Places of operands.
const QUANTS: usize = 1;
const SCALES: usize = 2;
const ZEROS: usize = 3;
const ORDER: usize = 4;
const BIAS: usize = 5;

/// Weights, ready to be multiplied.
enum Weights {
    Floats(Packed),
    Blocks(PackedBlocks),
}

impl BitsMatMul {
    /// Reads MatMulNBits.
    pub(in crate::op::product) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        /// The level of accuracy at which x may be rounded to 8 bits.
        const EIGHT_BITS: i64 = 4;
        let mut number = |name: &str, or: Option<i64>| {
            let value = source.int(name)?.or(or).and_then(|value| usize::try_from(value).ok());
            value.ok_or_else(|| OpError::new(format!("attribute {name} is missing, or below zero")))
        };
        let (depth, columns) = (number("K", None)?, number("N", None)?);
        let (bits, block) = (number("bits", Some(4))?, number("block_size", None)?);
        if !(bits == 4 || bits == 8) {
            return Err(OpError::unsupported(format!("weights of {bits} bits")));
        }
        if block < 16 || !block.is_power_of_two() {
            return Err(OpError::new(format!("blocks of {block} weights")));
        }
        let rounds = source.int("accuracy_level")? == Some(EIGHT_BITS);
        Ok(Self { bits: bits as u32, block, depth, columns, rounds })
    }

    fn blocks(&self) -> usize {
        self.depth.div_ceil(self.block)
    }

    /// Bytes of a column's zero points.
    fn zero_bytes(&self) -> usize {
        self.blocks().saturating_mul(self.bits as usize).div_ceil(8)
    }

    /// Errors unless an operand has as many elements as it needs, as far as its shape is known.
    fn check(&self, inputs: &[Option<&Fact>]) -> Result<(), OpError> {
        let product = |sizes: [usize; 3]| sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let quants = product([self.columns, self.blocks(), self.block / 8 * self.bits as usize]);
        let (scales, zeros) =
            (product([self.columns, self.blocks(), 1]), product([self.columns, self.zero_bytes(), 1]));
        let lengths = [
            (QUANTS, "B", quants),
            (SCALES, "scales", scales),
            (ZEROS, "zero_points", zeros),
            (BIAS, "bias", Some(self.columns)),
        ];
        for (index, what, length) in lengths {
            let Some(sizes) = given(inputs, index).and_then(Fact::sizes) else { continue };
            if length.is_none() || sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size)) != length {
                let Self { depth, columns, .. } = self;
                return Err(OpError::new(format!("{what} has shape {sizes:?} for weights of {depth} by {columns}")));
            }
        }
        Ok(())
    }

    /// Where a bias stands among the operands.
    pub const BIAS: usize = BIAS;

    /// The weights of a block dot, for other devices; none if they are not constant, or dequantised.
    pub fn constant_blocks(&self, node: &Node, constants: &[Option<&Tensor>]) -> Option<PackedBlocks> {
        if !self.are_constant(node, constants) || !self.is_block_dot(constants) {
            return None;
        }
        match self.weights(constants).ok()? {
            Weights::Blocks(weights) => Some(weights),
            Weights::Floats(_) => None,
        }
    }

    /// The weights that are dequantised, column by column, for other devices; none if they are not constant, or those of
    /// a block dot.
    pub fn constant_floats(&self, node: &Node, constants: &[Option<&Tensor>]) -> Option<Vec<f32>> {
        if !self.are_constant(node, constants) || self.is_block_dot(constants) {
            return None;
        }
        self.source(constants, |weights| Ok(weights.dequantised(self.depth, self.columns)?)).ok()
    }

    fn are_constant(&self, node: &Node, constants: &[Option<&Tensor>]) -> bool {
        let is_constant = |&place: &usize| given(constants, place).is_some();
        let has_zeros = node.inputs.get(ZEROS).copied().flatten().is_some();
        [QUANTS, SCALES].iter().all(is_constant) && (!has_zeros || is_constant(&ZEROS))
    }

    /// Whether x is rounded: it may be, and its blocks are such that it can.
    fn is_block_dot(&self, inputs: &[Option<&Tensor>]) -> bool {
        self.rounds && self.block <= BLOCK_LIMIT && (self.bits == 4 || given(inputs, ZEROS).is_none())
    }

    fn weights(&self, inputs: &[Option<&Tensor>]) -> Result<Weights, OpError> {
        let Self { depth, columns, .. } = *self;
        self.source(inputs, |weights| {
            Ok(if self.is_block_dot(inputs) {
                Weights::Blocks(PackedBlocks::new(depth, columns, weights)?)
            } else {
                Weights::Floats(weights.packed(depth, columns)?)
            })
        })
    }

    /// What is made of the weights as they are given.
    fn source<T>(
        &self,
        inputs: &[Option<&Tensor>],
        made: impl FnOnce(BlockWeights<'_>) -> Result<T, OpError>,
    ) -> Result<T, OpError> {
        let (quants, scales) = (needed(inputs, QUANTS, "B")?, floats(needed(inputs, SCALES, "scales")?)?);
        let zeros = match given(inputs, ZEROS) {
            Some(zeros) => Some(self.zeros(zeros.slice()?)),
            None => None,
        };
        let Self { bits, block, .. } = *self;
        made(BlockWeights { bits, block, quants: quants.slice()?, scales: &scales, zeros: zeros.as_deref() })
    }

    /// Zero points, a byte each: those of 4 bits stand two to a byte, each column in bytes of its own.
    fn zeros<'a>(&self, zeros: &'a [u8]) -> Cow<'a, [u8]> {
        if self.bits == 8 {
            return Cow::Borrowed(zeros);
        }
        let columns = zeros.chunks_exact(self.zero_bytes().max(1));
        columns.flat_map(|own| (0..self.blocks()).map(|block| (own[block / 2] >> (block % 2 * 4)) & 15)).collect()
    }

    fn compute(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], weights: &Weights) -> Result<Tensor, OpError> {
        let x = needed(inputs, 0, "A")?;
        let Some((&depth, outer)) = x.shape().split_last().filter(|&(&depth, _)| depth == self.depth) else {
            return Err(OpError::new(format!("A has shape {:?}, and depth {}", x.shape(), self.depth)));
        };
        let bias = given(inputs, BIAS).map(floats).transpose()?;
        let epilogue = Epilogue { bias: bias.as_deref(), ..Epilogue::default() };
        let shape: Vec<usize> = outer.iter().copied().chain([self.columns]).collect();
        let (values, rows) = (floats(x)?, outer.iter().product());
        float_result(cpu, x.dtype(), &shape, |out| {
            match weights {
                Weights::Blocks(weights) => cpu.processor().matmul_blocks(rows, &values, weights, &epilogue, out)?,
                Weights::Floats(weights) => {
                    let left = Matrices::one(&values, depth);
                    cpu.processor().matmul_packed(rows, left, weights, &epilogue, out)?;
                }
            }
            Ok(())
        })
    }
}

impl Operation for BitsMatMul {
    fn name(&self) -> &'static str {
        "MatMulNBits"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (x, quants) = (needed(inputs, 0, "A")?, needed(inputs, QUANTS, "B")?);
        if !matches!(x.dtype, DType::F32 | DType::F16 | DType::Bf16) || quants.dtype != DType::U8 {
            return Err(OpError::new(format!("A is {}, and B {}", x.dtype, quants.dtype)));
        }
        same_type(x, needed(inputs, SCALES, "scales")?)?;
        given(inputs, BIAS).map_or(Ok(()), |bias| same_type(x, bias))?;
        if given(inputs, ORDER).is_some() {
            return Err(OpError::unsupported("weights whose groups are in another order"));
        }
        if let Some(zeros) = given(inputs, ZEROS).filter(|zeros| zeros.dtype != DType::U8) {
            return Err(OpError::unsupported(format!("zero points of {}", zeros.dtype)));
        }
        self.check(inputs)?;
        let Some(shape) = &x.shape else { return Ok(vec![Fact::of_type(x.dtype)]) };
        let (depth, outer) = shape.split_last().ok_or_else(|| OpError::new("A has no dimensions"))?;
        if depth.size().is_some_and(|depth| depth != self.depth) {
            return Err(OpError::new(format!("A has depth {depth}, and the weights {}", self.depth)));
        }
        Ok(vec![Fact::new(x.dtype, outer.iter().cloned().chain([Dim::Size(self.columns)]))])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: elements.saturating_mul(self.depth as u64), elements }
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let (Some(_), Some(_)) = (given(constants, QUANTS), given(constants, SCALES)) else { return Ok(None) };
        let zeros = given(constants, ZEROS).cloned();
        let weights = self.weights(constants)?;
        Ok(Some(Box::new(PackedMatMul { cpu: cpu.clone(), op: self.clone(), zeros, weights })))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![self.compute(cpu, inputs, &self.weights(inputs)?)?])
    }
}

/// A product with constant weights, packed with the zero points that were constant, or none.
struct PackedMatMul {
    cpu: Cpu,
    op: BitsMatMul,
    zeros: Option<Tensor>,
    weights: Weights,
}

impl Kernel for PackedMatMul {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if given(inputs, ZEROS) != self.zeros.as_ref() {
            return Ok(self.op.run(&self.cpu, inputs)?);
        }
        Ok(vec![self.op.compute(&self.cpu, inputs, &self.weights)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::product::Product;
    use crate::op::product::trial::{computed, values};

    /// Columns of ones and of 0, 1, 2, …, each of two blocks of which the last is cut short, with zero points 1 and 0.
    #[test]
    fn weights_of_four_and_eight_bits() {
        let x: Vec<f32> = (0..20).map(|k| k as f32).collect();
        let x = Tensor::new(&[1, 20], &x);
        let quant = |column: usize, k: usize| if column == 0 { 2 } else { k % 16 };
        // Scales 0.5 and 2 for the first column, 1 and 1 for the second.
        let scales = Tensor::new(&[4], &[0.5f32, 2.0, 1.0, 1.0]);
        let bias = Tensor::new(&[2], &[0.0f32, 1.0]);
        // Σ k below 16 is 120, the other four are 70: (2 - 1)·0.5·120 + 1·2·70, and Σ k² - … of the second.
        let second: usize = (0..20).map(|k| k * (k % 16)).sum();
        let expected = [200.0, second as f32 + 1.0];
        for bits in [4, 8] {
            let quants: Vec<u8> = (0..2)
                .flat_map(|column| {
                    let all: Vec<u8> = (0..32).map(|k| quant(column, k) as u8).collect();
                    if bits == 8 { all } else { all.chunks(2).map(|two| two[0] | (two[1] << 4)).collect() }
                })
                .collect();
            let zeros: &[u8] = if bits == 8 { &[1, 1, 0, 0] } else { &[0x11, 0x00] };
            let (quants, zeros) = (Tensor::new(&[2, 2, quants.len() / 4], &quants), Tensor::new(&[zeros.len()], zeros));
            let op = BitsMatMul { bits, block: 16, depth: 20, columns: 2, rounds: false };
            let inputs = [Some(&x), Some(&quants), Some(&scales), Some(&zeros), None, Some(&bias)];
            let found = computed(Product::Bits(op.clone()), &inputs).unwrap();
            assert_eq!(values(&found[0]), expected, "{bits} bits");
            let short = BitsMatMul { depth: 40, ..op };
            assert!(computed(Product::Bits(short), &inputs).is_err(), "{bits} bits of another depth");
        }
    }
}
