//! Operators as sequences of numerics' operations, for whoever computes several of them at once.

use poai_numerics::{Binary, Source, Step, Unary};

use super::{Arithmetic, Elementwise, Fold};
use crate::Tensor;

impl Elementwise {
    /// The operations that this is, of operands of f32 that all are given: they read its operands, and its own earlier
    /// steps. None if it is no such sequence, or would be one of unknown bounds.
    pub(crate) fn steps(&self, constants: &[Option<&Tensor>]) -> Option<Vec<Step>> {
        let first = Source::Operand(0);
        let both = [first, Source::Operand(1)];
        Some(match self {
            Self::Function(function) => vec![Step::Unary(*function, first)],
            Self::Biased(function) if constants.len() == 2 => {
                vec![Step::Binary(Binary::Add, both), Step::Unary(*function, Source::Step(0))]
            }
            Self::Swish(1.0) => vec![Step::Unary(Unary::Silu, first)],
            Self::SwiGlu(1.0) => {
                vec![Step::Unary(Unary::Silu, first), Step::Binary(Binary::Mul, [Source::Step(0), both[1]])]
            }
            // A second operation follows there.
            Self::Arithmetic(Arithmetic::Modulo) => return None,
            Self::Arithmetic(operation) => vec![Step::Binary(operation.of_floats(), both)],
            Self::Fold(fold) => fold.steps(constants.len())?,
            Self::Clip => {
                let bound = |index: usize, none: f32| match constants.get(index) {
                    None => Some(none),
                    Some(constant) => constant
                        .and_then(Tensor::get)
                        .and_then(|bound| <[f32; 1]>::try_from(bound).ok())
                        .map(|[bound]| bound),
                };
                vec![Step::Unary(
                    Unary::Clip { low: bound(1, f32::NEG_INFINITY)?, high: bound(2, f32::INFINITY)? },
                    first,
                )]
            }
            _ => return None,
        })
    }
}

impl Fold {
    fn steps(self, operands: usize) -> Option<Vec<Step>> {
        // A mean is divided in the end, and one operand stays as it is.
        if self == Self::Mean || operands < 2 {
            return None;
        }
        let folded = |place: usize| if place == 0 { Source::Operand(0) } else { Source::Step(place - 1) };
        let step = |place| Step::Binary(self.step().of_floats(), [folded(place), Source::Operand(place + 1)]);
        Some((0..operands - 1).map(step).collect())
    }
}
