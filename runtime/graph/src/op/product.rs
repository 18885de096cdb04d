//! Matrix products of floats, integers and block weights, and attention.

mod attention; // queries, keys and values
mod block; // weights in blocks of few bits
mod einsum; // sums over named indices
mod integer; // products of bytes: MatMulInteger and what is built on it
mod matmul; // MatMul and Gemm
mod rotary; // places, as angles
mod scalar; // products of the other types of numbers
mod sizes; // how two operands meet in a product

use super::operand::countable;
use super::{Op, Operation};
use crate::onnx::Source;
use crate::{Cost, Cpu, Fact, Kernel, OpError, Tensor};

pub use attention::{Attention, GroupQuery, MultiHead, Shown};
pub use block::{BLOCK, BitsMatMul, BlockFormat, BlockMatMul, BlockRows};
pub use einsum::Einsum;
pub use integer::{ByteRows, ByteWeights, IntegerForm, IntegerMatMul, Made};
pub use matmul::{MatMul, MatMulForm, Multiplication};
pub use rotary::Rotary;

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Product {
    /// MatMul, Gemm, and what follows them.
    MatMul(MatMul),
    /// MatMulInteger and its kin.
    Integer(IntegerMatMul),
    /// Einsum.
    Einsum(Einsum),
    /// Attention.
    Attention(Attention),
    /// MultiHeadAttention.
    MultiHead(MultiHead),
    /// GroupQueryAttention.
    GroupQuery(GroupQuery),
    /// RotaryEmbedding.
    Rotary(Rotary),
    /// Products with the blocks of GGUF files.
    BlockMatMul(BlockMatMul),
    /// Rows of such blocks.
    BlockRows(BlockRows),
    /// MatMulNBits.
    Bits(BitsMatMul),
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    let product = match source.qualified_operator().as_str() {
        "MatMul" => Product::MatMul(MatMul::default()),
        "Gemm" => Product::MatMul(MatMul::gemm(source)?),
        "com.microsoft.FusedMatMul" => Product::MatMul(MatMul::fused(source)?),
        "Einsum" => Product::Einsum(Einsum::read(source)?),
        "Attention" => Product::Attention(Attention::read(source)?),
        "com.microsoft.MultiHeadAttention" => Product::MultiHead(MultiHead::read(source)?),
        "com.microsoft.GroupQueryAttention" => Product::GroupQuery(GroupQuery::read(source)?),
        "RotaryEmbedding" | "com.microsoft.RotaryEmbedding" => Product::Rotary(Rotary::read(source)?),
        "com.microsoft.MatMulNBits" => Product::Bits(BitsMatMul::read(source)?),
        operator => match IntegerForm::named(operator) {
            Some(form) => Product::Integer(IntegerMatMul { form }),
            None => return Ok(None),
        },
    };
    Ok(Some(product.into()))
}

impl Product {
    fn operation(&self) -> &dyn Operation {
        match self {
            Self::MatMul(op) => op,
            Self::Integer(op) => op,
            Self::Einsum(op) => op,
            Self::Attention(op) => op,
            Self::MultiHead(op) => op,
            Self::GroupQuery(op) => op,
            Self::Rotary(op) => op,
            Self::BlockMatMul(op) => op,
            Self::BlockRows(op) => op,
            Self::Bits(op) => op,
        }
    }
}

impl Operation for Product {
    fn name(&self) -> &'static str {
        self.operation().name()
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        inputs.iter().flatten().try_for_each(|fact| countable(fact))?;
        let results = self.operation().infer(inputs)?;
        results.iter().try_for_each(countable)?;
        Ok(results)
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        self.operation().cost(inputs, outputs)
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        self.operation().prepare(cpu, constants)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        self.operation().run(cpu, inputs)
    }
}

#[cfg(test)]
pub(crate) mod trial; // how operators are tried
