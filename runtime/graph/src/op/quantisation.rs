//! Between floats and integers.
//!
//! Scales are for a whole tensor, for the places along an axis, or for blocks along one. What is computed stands in
//! docs/numerics.md, section 4.

mod between; // from integers to integers
mod granularity; // which elements share a scale
mod linear; // floats to integers and back
#[cfg(test)]
mod tests;

use poai_numerics::Unary;

use super::operand::{given, needed};
use super::{Op, Operation, elementwise};
use crate::onnx::Source;
use crate::{Cpu, DType, Fact, OpError, Tensor};

pub use between::Between;
use granularity::{Granularity, Parameters};

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantisation {
    /// x, scale, zero point: floats to integers.
    Quantise(Scaling),
    /// x, scale, zero point: integers to floats.
    Dequantise(Scaling),
    /// Floats to bytes, with the scale and the zero point that fit them.
    DynamicQuantise,
    /// Operators from integers to integers.
    Between(Between),
}

/// How scales lie over a tensor, and the type that it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// The axis that scales lie along, unless there is only one.
    pub axis: i64,
    /// How many elements along the axis share a scale; 0 if there are no blocks.
    pub block: usize,
    /// The type of the result, if operands do not say it.
    pub to: Option<DType>,
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    let op = match source.qualified_operator().as_str() {
        "QuantizeLinear" | "com.microsoft.QuantizeLinear" => {
            // Only of floats of 8 bits.
            source.int("saturate")?;
            let precision = source.dtype_unless_0("precision")?;
            if precision.is_some_and(|precision| precision != DType::F32) {
                return Err(OpError::unsupported("a division of other than 32 bits"));
            }
            Quantisation::Quantise(scaling(source)?)
        }
        "DequantizeLinear" | "com.microsoft.DequantizeLinear" => Quantisation::Dequantise(scaling(source)?),
        "DynamicQuantizeLinear" => Quantisation::DynamicQuantise,
        "com.microsoft.QLinearAdd" => Quantisation::Between(Between::Arithmetic(elementwise::Arithmetic::Add)),
        "com.microsoft.QLinearMul" => Quantisation::Between(Between::Arithmetic(elementwise::Arithmetic::Mul)),
        "com.microsoft.QLinearSigmoid" => Quantisation::Between(Between::Function(Unary::Sigmoid)),
        "com.microsoft.QLinearLeakyRelu" => {
            let alpha = source.float("alpha")?.unwrap_or(0.01);
            Quantisation::Between(Between::Function(Unary::LeakyRelu(alpha)))
        }
        "com.microsoft.QLinearSoftmax" => Quantisation::Between(Between::Softmax {
            axis: source.int("axis")?.unwrap_or(-1),
            flat: source.int("opset")?.ok_or_else(|| OpError::new("attribute opset is missing"))? < 13,
        }),
        "com.microsoft.QLinearGlobalAveragePool" => {
            Quantisation::Between(Between::GlobalAveragePool { channels_last: source.flag("channels_last")? })
        }
        "com.microsoft.QLinearConcat" => {
            let axis = source.int("axis")?.ok_or_else(|| OpError::new("attribute axis is missing"))?;
            Quantisation::Between(Between::Concat { axis })
        }
        _ => return Ok(None),
    };
    Ok(Some(op.into()))
}

fn scaling(source: &mut Source<'_>) -> Result<Scaling, OpError> {
    let block = source.int("block_size")?.unwrap_or(0);
    let block = usize::try_from(block).map_err(|_| OpError::new(format!("blocks of {block} elements")))?;
    Ok(Scaling { axis: source.int("axis")?.unwrap_or(1), block, to: source.dtype_unless_0("output_dtype")? })
}

impl Operation for Quantisation {
    fn name(&self) -> &'static str {
        match self {
            Self::Quantise(_) => "QuantizeLinear",
            Self::Dequantise(_) => "DequantizeLinear",
            Self::DynamicQuantise => "DynamicQuantizeLinear",
            Self::Between(between) => between.name(),
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        match self {
            Self::Quantise(scaling) => {
                let (x, zero) = (needed(inputs, 0, "x")?, given(inputs, 2).map(|zero| zero.dtype));
                if !x.dtype.is_computed_as_f32() && x.dtype != DType::I32 {
                    return Err(OpError::new(format!("{} elements are quantised", x.dtype)));
                }
                let to = scaling.quantised(zero)?;
                linear::check_quantised(to)?;
                Ok(vec![scaling.infer(to, x, inputs)?])
            }
            Self::Dequantise(scaling) => {
                let (x, scale) = (needed(inputs, 0, "x")?, needed(inputs, 1, "x_scale")?);
                linear::check_dequantised(x.dtype)?;
                if let Some(zero) = given(inputs, 2).filter(|zero| zero.dtype != x.dtype) {
                    return Err(OpError::new(format!("{} elements have a zero point of {}", x.dtype, zero.dtype)));
                }
                let to = scaling.to.unwrap_or(scale.dtype);
                if !to.is_computed_as_f32() {
                    return Err(OpError::new(format!("integers are dequantised to {to}")));
                }
                Ok(vec![scaling.infer(to, x, inputs)?])
            }
            Self::DynamicQuantise => {
                let x = needed(inputs, 0, "x")?;
                if x.dtype != DType::F32 {
                    return Err(OpError::new(format!("{} elements are quantised", x.dtype)));
                }
                let bytes = Fact { dtype: DType::U8, shape: x.shape.clone(), value: None };
                let single = |dtype| Fact::new(dtype, [0usize; 0]);
                Ok(vec![bytes, single(DType::F32), single(DType::U8)])
            }
            Self::Between(between) => Ok(vec![between.infer(inputs)?]),
        }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let x = || needed(inputs, 0, "x");
        let zero = given(inputs, 2);
        match self {
            Self::Quantise(scaling) => {
                let to = scaling.quantised(zero.map(Tensor::dtype))?;
                Ok(vec![linear::to_integers(cpu, x()?, &scaling.parameters(x()?, inputs)?, to)?])
            }
            Self::Dequantise(scaling) => {
                let to = scaling.to.unwrap_or(needed(inputs, 1, "x_scale")?.dtype());
                Ok(vec![linear::to_floats(cpu, x()?, &scaling.parameters(x()?, inputs)?, to)?])
            }
            Self::DynamicQuantise => linear::dynamic(cpu, x()?),
            Self::Between(between) => Ok(vec![between.run(cpu, inputs)?]),
        }
    }
}

impl Scaling {
    /// What floats become: the zero point's type, or the attribute's, or bytes.
    fn quantised(&self, zero: Option<DType>) -> Result<DType, OpError> {
        match (zero, self.to) {
            (Some(zero), Some(to)) if zero != to => {
                Err(OpError::new(format!("the zero point is {zero}, and the result {to}")))
            }
            (zero, to) => Ok(zero.or(to).unwrap_or(DType::U8)),
        }
    }

    fn infer(&self, dtype: DType, x: &Fact, inputs: &[Option<&Fact>]) -> Result<Fact, OpError> {
        let scale = needed(inputs, 1, "scale")?;
        if let (Some(shape), Some(scale)) = (x.sizes(), scale.sizes()) {
            Granularity::of(&shape, &scale, self.axis, self.block)?;
        }
        Ok(Fact { dtype, shape: x.shape.clone(), value: None })
    }

    fn parameters<'a>(&self, x: &Tensor, inputs: &[Option<&'a Tensor>]) -> Result<Parameters<'a>, OpError> {
        Parameters::of(x.shape(), (needed(inputs, 1, "scale")?, given(inputs, 2)), self.axis, self.block)
    }
}
