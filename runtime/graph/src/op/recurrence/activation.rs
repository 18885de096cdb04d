//! The functions that gates end in.

use poai_numerics::{Binary, Processor, Strided, Unary};

use crate::OpError;
use crate::onnx::Source;

/// A function of a gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// A function that numerics has.
    Unary(Unary),
    /// `alpha · x`, then `+ beta`: two roundings.
    Affine {
        /// Multiplies.
        alpha: f32,
        /// Is added.
        beta: f32,
    },
    /// `alpha · tanh(beta · x)`, each step rounded.
    ScaledTanh {
        /// Multiplies the result.
        alpha: f32,
        /// Multiplies what is read.
        beta: f32,
    },
}

impl Activation {
    /// ONNX's function of this name; `alpha` and `beta` give the next parameter, or this default.
    fn named(name: &str, mut alpha: impl FnMut(f32) -> f32, mut beta: impl FnMut(f32) -> f32) -> Result<Self, OpError> {
        Ok(Self::Unary(match name.to_ascii_lowercase().as_str() {
            "relu" => Unary::Relu,
            "tanh" => Unary::Tanh,
            "sigmoid" => Unary::Sigmoid,
            "softsign" => Unary::Softsign,
            "softplus" => Unary::Softplus,
            "leakyrelu" => Unary::LeakyRelu(alpha(0.01)),
            "thresholdedrelu" => Unary::ThresholdedRelu(alpha(1.0)),
            "elu" => Unary::Elu(alpha(1.0)),
            "hardsigmoid" => Unary::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
            "affine" => return Ok(Self::Affine { alpha: alpha(1.0), beta: beta(0.0) }),
            "scaledtanh" => return Ok(Self::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) }),
            _ => return Err(OpError::new(format!("there is no activation {name}"))),
        }))
    }

    /// `out = f(input)`, element by element.
    pub(super) fn apply(self, processor: &Processor, input: &[f32], out: &mut [f32]) -> Result<(), OpError> {
        let with = |operation, input: &[f32], number: f32, out: &mut [f32]| {
            let input = Strided { data: input, strides: &[1] };
            processor.binary(operation, &[out.len()], input, Strided { data: &[number], strides: &[0] }, out)
        };
        match self {
            Self::Unary(function) => processor.unary(function, input, out)?,
            Self::Affine { alpha, beta } => {
                let mut scaled = vec![0.0; input.len()];
                with(Binary::Mul, input, alpha, &mut scaled)?;
                with(Binary::Add, &scaled, beta, out)?;
            }
            Self::ScaledTanh { alpha, beta } => {
                let mut scaled = vec![0.0; input.len()];
                with(Binary::Mul, input, beta, out)?;
                processor.unary(Unary::Tanh, out, &mut scaled)?;
                with(Binary::Mul, &scaled, alpha, out)?;
            }
        }
        Ok(())
    }
}

/// Reads the functions of all directions. Parameters are taken in order by those functions that have any; functions for
/// which none are left have ONNX's defaults.
pub(super) fn read(source: &mut Source<'_>, defaults: &[&str], directions: usize) -> Result<Vec<Activation>, OpError> {
    let count = defaults.len() * directions;
    let names = match source.texts("activations")? {
        Some(names) => names,
        None => defaults.iter().copied().cycle().take(count).map(str::to_owned).collect(),
    };
    if names.len() != count {
        return Err(OpError::new(format!("it has {} activations instead of {count}", names.len())));
    }
    let mut alphas = source.floats("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = source.floats("activation_beta")?.unwrap_or_default().into_iter();
    let mut read =
        |name: &String| Activation::named(name, |or| alphas.next().unwrap_or(or), |or| betas.next().unwrap_or(or));
    names.iter().map(&mut read).collect()
}
