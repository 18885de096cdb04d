//! Lists of numerics' operations.

use poai_numerics::{Binary, Unary};

/// Every operation on one number, with some parameters: what proofs and tests go through.
pub const UNARY: [Unary; 39] = [
    Unary::Identity,
    Unary::Neg,
    Unary::Abs,
    Unary::Sign,
    Unary::Floor,
    Unary::Ceil,
    Unary::Round,
    Unary::Sqrt,
    Unary::Reciprocal,
    Unary::Exp,
    Unary::Log,
    Unary::Sin,
    Unary::Cos,
    Unary::Tan,
    Unary::Asin,
    Unary::Acos,
    Unary::Atan,
    Unary::Sinh,
    Unary::Cosh,
    Unary::Tanh,
    Unary::Asinh,
    Unary::Acosh,
    Unary::Atanh,
    Unary::Sigmoid,
    Unary::Erf,
    Unary::Gelu,
    Unary::GeluTanh,
    Unary::Silu,
    Unary::Softplus,
    Unary::Mish,
    Unary::Softsign,
    Unary::Relu,
    Unary::LeakyRelu(0.01),
    Unary::Elu(1.5),
    Unary::Selu { alpha: 1.673_263_2, gamma: 1.050_701 },
    Unary::Celu(0.75),
    Unary::Shrink { lambda: 0.5, bias: 0.25 },
    Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Unary::HardSwish,
];

/// Every operation on two numbers.
pub const BINARY: [Binary; 9] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::Pow,
    Binary::Prelu,
    Binary::Remainder,
];
