use crate::arithmetic::{Binary, Ternary, Unary};

/// An operation that is a function of its name, from words to a word, as `poai_compute::arithmetic` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Of one word.
    Unary(Unary),
    /// Of two.
    Binary(Binary),
    /// Of three.
    Ternary(Ternary),
}

impl Operation {
    /// The function's name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Unary(op) => format!("{op:?}"),
            Self::Binary(op) => format!("{op:?}"),
            Self::Ternary(op) => format!("{op:?}"),
        }
    }

    /// A call of it, or what WGSL has for it.
    pub(super) fn text(self, operands: &[String]) -> Text {
        let own = match (self, operands) {
            (Self::Unary(op), [a]) => unary(op, a),
            (Self::Binary(op), [a, b]) => binary(op, a, b),
            (Self::Ternary(Ternary::Select), [a, b, c]) => Some(format!("select({b}, {c}, {a} != 0u)")),
            _ => None,
        };
        own.map_or_else(|| Text::Call(format!("{}({})", self.name(), operands.join(", "))), Text::Own)
    }
}

/// An operation in words of WGSL.
pub(super) enum Text {
    /// WGSL has it.
    Own(String),
    /// It is a function.
    Call(String),
}

/// What WGSL says of integers for all of them, with one meaning. Never `min` or `max`: a driver was seen to lose their
/// results in loops that invocations leave apart.
fn unary(op: Unary, a: &str) -> Option<String> {
    Some(match op {
        Unary::Not => format!("select(0u, 1u, {a} == 0u)"),
        Unary::Complement => format!("~{a}"),
        Unary::NegateInteger => format!("(0u - {a})"),
        Unary::IntegerToBool => format!("select(0u, 1u, {a} != 0u)"),
        Unary::BoolToFloat => format!("select(0u, 0x3f800000u, {a} != 0u)"),
        _ => return None,
    })
}

fn binary(op: Binary, a: &str, b: &str) -> Option<String> {
    let signed = |x: &str| format!("bitcast<i32>({x})");
    let truth = |text: String| format!("select(0u, 1u, {text})");
    Some(match op {
        Binary::AddInteger => format!("({a} + {b})"),
        Binary::SubtractInteger => format!("({a} - {b})"),
        Binary::MultiplyInteger => format!("({a} * {b})"),
        Binary::And => format!("({a} & {b})"),
        Binary::Or => format!("({a} | {b})"),
        Binary::ExclusiveOr => format!("({a} ^ {b})"),
        Binary::ShiftLeft => format!("({a} << ({b} & 31u))"),
        Binary::ShiftRightUnsigned => format!("({a} >> ({b} & 31u))"),
        Binary::ShiftRightSigned => format!("bitcast<u32>({} >> ({b} & 31u))", signed(a)),
        Binary::EqualWords => truth(format!("{a} == {b}")),
        Binary::UnequalWords => truth(format!("{a} != {b}")),
        Binary::LessUnsigned => truth(format!("{a} < {b}")),
        Binary::LessOrEqualUnsigned => truth(format!("{a} <= {b}")),
        Binary::LessSigned => truth(format!("{} < {}", signed(a), signed(b))),
        Binary::LessOrEqualSigned => truth(format!("{} <= {}", signed(a), signed(b))),
        Binary::MinUnsigned => format!("select({b}, {a}, {a} < {b})"),
        Binary::MaxUnsigned => format!("select({a}, {b}, {a} < {b})"),
        Binary::MinSigned => format!("select({b}, {a}, {} < {})", signed(a), signed(b)),
        Binary::MaxSigned => format!("select({a}, {b}, {} < {})", signed(a), signed(b)),
        _ => return None,
    })
}
