//! The power of a norm.

use poai_numerics::{Binary, Strided, Unary};

use crate::onnx::Source;
use crate::{Cpu, OpError};

/// The p of a norm: `(Σ |x|ᵖ)^(1/p)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power(f32);

/// Reads the attribute p of a norm.
pub(super) fn import_power(source: &mut Source<'_>) -> Result<Power, OpError> {
    match source.int("p")?.unwrap_or(2) {
        power @ 1..=1024 => Ok(Power(power as f32)),
        other => Err(OpError::new(format!("a norm of power {other} is outside of 1 to 1024"))),
    }
}

impl Power {
    #[cfg(test)]
    pub(super) fn new(power: f32) -> Self {
        Self(power)
    }

    pub(super) fn is(self, power: f32) -> bool {
        self.0 == power
    }

    /// |x|ᵖ for each.
    pub(super) fn raised(self, cpu: &Cpu, values: &[f32]) -> Result<Vec<f32>, OpError> {
        let mut sizes = vec![0.0; values.len()];
        cpu.processor().unary(Unary::Abs, values, &mut sizes)?;
        self.to_the(cpu, self.0, &mut sizes)?;
        Ok(sizes)
    }

    /// The root of each.
    pub(super) fn take_root(self, cpu: &Cpu, values: &mut [f32]) -> Result<(), OpError> {
        if self.is(2.0) {
            let squares = values.to_vec();
            return Ok(cpu.processor().unary(Unary::Sqrt, &squares, values)?);
        }
        self.to_the(cpu, 1.0 / self.0, values)
    }

    fn to_the(self, cpu: &Cpu, exponent: f32, values: &mut [f32]) -> Result<(), OpError> {
        if exponent == 1.0 {
            return Ok(());
        }
        let bases = values.to_vec();
        let (base, exponent) = (Strided { data: &bases, strides: &[1] }, Strided { data: &[exponent], strides: &[0] });
        Ok(cpu.processor().binary(Binary::Pow, &[bases.len()], base, exponent, values)?)
    }
}
