use naga::{BinaryOperator, Expression, Handle, MathFunction, RelationalFunction, ScalarKind, UnaryOperator};

use super::Compiler;
use super::frame::{Frame, Value};
use crate::KernelError;
use crate::arithmetic::{Binary, Ternary, Unary};
use crate::program::{Op, Reg};
use crate::shape::Kind;
use crate::vocabulary::{Standing, standing};

/// Words in a row of one kind: a scalar, or a vector.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    pub(super) at: Reg,
    pub(super) count: u8,
    pub(super) kind: Kind,
}

impl Compiler<'_> {
    pub(super) fn lanes(&self, frame: &Frame<'_>, expression: Handle<Expression>) -> Result<Lanes, KernelError> {
        let (count, kind) =
            self.shape(frame, expression)?.lanes().ok_or_else(|| KernelError::unsupported("arithmetic of arrays"))?;
        Ok(Lanes { at: frame.words(expression)?, count: count as u8, kind })
    }

    /// As many lanes as asked for.
    pub(super) fn widened(&mut self, lanes: Lanes, count: u8) -> Result<Lanes, KernelError> {
        if lanes.count == count {
            return Ok(lanes);
        }
        Ok(Lanes { at: self.splat(lanes.at, count.into())?, count, ..lanes })
    }

    fn apply(&mut self, op: Unary, a: Lanes) -> Result<Reg, KernelError> {
        let to = self.allocate(a.count.into())?;
        self.push(Op::Unary { op, lanes: a.count, to, a: a.at })?;
        Ok(to)
    }

    fn apply_two(&mut self, op: Binary, a: Lanes, b: Lanes) -> Result<Reg, KernelError> {
        let to = self.allocate(a.count.into())?;
        self.push(Op::Binary { op, lanes: a.count, to, a: a.at, b: b.at })?;
        Ok(to)
    }

    pub(super) fn unary(
        &mut self,
        frame: &Frame<'_>,
        op: UnaryOperator,
        operand: Handle<Expression>,
    ) -> Result<Value, KernelError> {
        let a = self.lanes(frame, operand)?;
        let op = match (op, a.kind) {
            (UnaryOperator::Negate, Kind::F32) => Unary::Negate,
            (UnaryOperator::Negate, _) => Unary::NegateInteger,
            (UnaryOperator::LogicalNot, _) => Unary::Not,
            (UnaryOperator::BitwiseNot, _) => Unary::Complement,
        };
        self.apply(op, a).map(Value::Words)
    }

    pub(super) fn binary(
        &mut self,
        frame: &Frame<'_>,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Value, KernelError> {
        if let Some(value) = self.of_matrices(frame, op, [left, right])? {
            return Ok(value);
        }
        let (a, b) = (self.lanes(frame, left)?, self.lanes(frame, right)?);
        let count = a.count.max(b.count);
        let (a, b) = (self.widened(a, count)?, self.widened(b, count)?);
        self.operate(op, a, b).map(Value::Words)
    }

    pub(super) fn operate(&mut self, op: BinaryOperator, a: Lanes, b: Lanes) -> Result<Reg, KernelError> {
        let (op, is_swapped) = operator(op, a.kind);
        let (a, b) = if is_swapped { (b, a) } else { (a, b) };
        self.apply_two(op, a, b)
    }

    pub(super) fn relational(
        &mut self,
        frame: &Frame<'_>,
        function: RelationalFunction,
        argument: Handle<Expression>,
    ) -> Result<Value, KernelError> {
        let all = match function {
            RelationalFunction::All => true,
            RelationalFunction::Any => false,
            _ => return Err(KernelError::instead("a test for NaN or infinity", "bitcast to u32 and compare")),
        };
        let a = self.lanes(frame, argument)?;
        let to = self.allocate(1)?;
        self.push(Op::Holds { all, lanes: a.count, to, a: a.at })?;
        Ok(Value::Words(to))
    }

    pub(super) fn select(
        &mut self,
        frame: &Frame<'_>,
        condition: Handle<Expression>,
        accept: Handle<Expression>,
        reject: Handle<Expression>,
    ) -> Result<Value, KernelError> {
        let (yes, no, shape) = (frame.words(accept)?, frame.words(reject)?, self.shape(frame, accept)?);
        let chosen_by = self.lanes(frame, condition)?;
        let to = self.allocate_value(&shape)?;
        let op = if chosen_by.count == 1 {
            Op::Select { condition: chosen_by.at, to, yes, no, words: shape.words().packed as u16 }
        } else {
            Op::Ternary { op: Ternary::Select, lanes: chosen_by.count, to, a: chosen_by.at, b: no, c: yes }
        };
        self.push(op)?;
        Ok(Value::Words(to))
    }

    pub(super) fn convert(
        &mut self,
        frame: &Frame<'_>,
        operand: Handle<Expression>,
        kind: ScalarKind,
        is_conversion: bool,
    ) -> Result<Value, KernelError> {
        let a = self.lanes(frame, operand)?;
        let op = match (a.kind, kind) {
            _ if !is_conversion => None,
            (Kind::F32, ScalarKind::Sint) => Some(Unary::FloatToSigned),
            (Kind::F32, ScalarKind::Uint) => Some(Unary::FloatToUnsigned),
            (Kind::F32, ScalarKind::Bool) => Some(Unary::FloatToBool),
            (Kind::I32, ScalarKind::Float) => Some(Unary::SignedToFloat),
            (Kind::U32, ScalarKind::Float) => Some(Unary::UnsignedToFloat),
            (Kind::Bool, ScalarKind::Float) => Some(Unary::BoolToFloat),
            (Kind::I32 | Kind::U32, ScalarKind::Bool) => Some(Unary::IntegerToBool),
            _ => None,
        };
        op.map_or(Ok(a.at), |op| self.apply(op, a)).map(Value::Words)
    }

    pub(super) fn math(
        &mut self,
        frame: &Frame<'_>,
        function: MathFunction,
        arguments: [Option<Handle<Expression>>; 3],
    ) -> Result<Value, KernelError> {
        match standing(function) {
            Some((_, Standing::Taken)) => {}
            Some((name, Standing::Refused(instead))) => return Err(KernelError::instead(name, instead)),
            None => return Err(KernelError::unsupported("a function that WGSL does not name")),
        }
        if let (MathFunction::Transpose, [Some(matrix), ..]) = (function, arguments) {
            return self.transposed(frame, matrix);
        }
        let mut lanes = Vec::with_capacity(3);
        for argument in arguments.into_iter().flatten() {
            lanes.push(self.lanes(frame, argument)?);
        }
        let words = match (function, &lanes[..]) {
            (MathFunction::Clamp, &[x, low, high]) => self.clamp(x, low, high)?,
            (MathFunction::Saturate, &[x]) => {
                let (zero, one) = (self.constant(0)?, self.constant(1.0_f32.to_bits())?);
                let [zero, one] = [zero, one].map(|at| Lanes { at, count: 1, kind: Kind::F32 });
                let (zero, one) = (self.widened(zero, x.count)?, self.widened(one, x.count)?);
                self.clamp(x, zero, one)?
            }
            (MathFunction::Fma, &[a, b, c]) => {
                let to = self.allocate(a.count.into())?;
                self.push(Op::Ternary { op: Ternary::Fma, lanes: a.count, to, a: a.at, b: b.at, c: c.at })?;
                to
            }
            (_, &[a, b]) => self.apply_two(of_two(function, a.kind)?, a, b)?,
            (_, &[a]) => match of_one(function, a.kind)? {
                Some(op) => self.apply(op, a)?,
                None => a.at,
            },
            _ => return Err(not_of_this_type(function)),
        };
        Ok(Value::Words(words))
    }

    fn clamp(&mut self, x: Lanes, low: Lanes, high: Lanes) -> Result<Reg, KernelError> {
        let at = self.apply_two(of_two(MathFunction::Max, x.kind)?, x, low)?;
        self.apply_two(of_two(MathFunction::Min, x.kind)?, Lanes { at, ..x }, high)
    }
}

/// An operator for operands of a kind, and whether they change places.
fn operator(op: BinaryOperator, kind: Kind) -> (Binary, bool) {
    use BinaryOperator as O;
    let of = |float, signed, unsigned| match kind {
        Kind::F32 => float,
        Kind::I32 => signed,
        Kind::U32 | Kind::Bool => unsigned,
    };
    let less = of(Binary::Less, Binary::LessSigned, Binary::LessUnsigned);
    let less_or_equal = of(Binary::LessOrEqual, Binary::LessOrEqualSigned, Binary::LessOrEqualUnsigned);
    let chosen = match op {
        O::Add => of(Binary::Add, Binary::AddInteger, Binary::AddInteger),
        O::Subtract => of(Binary::Subtract, Binary::SubtractInteger, Binary::SubtractInteger),
        O::Multiply => of(Binary::Multiply, Binary::MultiplyInteger, Binary::MultiplyInteger),
        O::Divide => of(Binary::Divide, Binary::DivideSigned, Binary::DivideUnsigned),
        O::Modulo => of(Binary::Remainder, Binary::RemainderSigned, Binary::RemainderUnsigned),
        O::Equal => of(Binary::Equal, Binary::EqualWords, Binary::EqualWords),
        O::NotEqual => of(Binary::Unequal, Binary::UnequalWords, Binary::UnequalWords),
        O::Less | O::Greater => less,
        O::LessEqual | O::GreaterEqual => less_or_equal,
        O::And | O::LogicalAnd => Binary::And,
        O::InclusiveOr | O::LogicalOr => Binary::Or,
        O::ExclusiveOr => Binary::ExclusiveOr,
        O::ShiftLeft => Binary::ShiftLeft,
        O::ShiftRight => of(Binary::ShiftRightUnsigned, Binary::ShiftRightSigned, Binary::ShiftRightUnsigned),
    };
    (chosen, matches!(op, O::Greater | O::GreaterEqual))
}

fn of_two(function: MathFunction, kind: Kind) -> Result<Binary, KernelError> {
    use MathFunction as F;
    Ok(match (function, kind) {
        (F::Min, Kind::F32) => Binary::Min,
        (F::Min, Kind::I32) => Binary::MinSigned,
        (F::Min, Kind::U32) => Binary::MinUnsigned,
        (F::Max, Kind::F32) => Binary::Max,
        (F::Max, Kind::I32) => Binary::MaxSigned,
        (F::Max, Kind::U32) => Binary::MaxUnsigned,
        (F::Pow, Kind::F32) => Binary::Pow,
        (F::Dot4I8Packed, Kind::U32) => Binary::DotSignedBytes,
        (F::Dot4U8Packed, Kind::U32) => Binary::DotUnsignedBytes,
        _ => return Err(not_of_this_type(function)),
    })
}

/// None of a function that gives what it is given.
fn of_one(function: MathFunction, kind: Kind) -> Result<Option<Unary>, KernelError> {
    use MathFunction as F;
    Ok(Some(match (function, kind) {
        (F::Abs, Kind::U32) => return Ok(None),
        (F::Abs, Kind::I32) => Unary::AbsInteger,
        (F::Sign, Kind::I32) => Unary::SignInteger,
        (F::CountOneBits, Kind::I32 | Kind::U32) => Unary::CountOneBits,
        (F::CountLeadingZeros, Kind::I32 | Kind::U32) => Unary::CountLeadingZeros,
        (F::CountTrailingZeros, Kind::I32 | Kind::U32) => Unary::CountTrailingZeros,
        (F::ReverseBits, Kind::I32 | Kind::U32) => Unary::ReverseBits,
        (F::FirstLeadingBit, Kind::I32) => Unary::FirstLeadingBitSigned,
        (F::FirstLeadingBit, Kind::U32) => Unary::FirstLeadingBit,
        (F::FirstTrailingBit, Kind::I32 | Kind::U32) => Unary::FirstTrailingBit,
        (_, Kind::F32) => return of_one_float(function).map(Some).ok_or_else(|| not_of_this_type(function)),
        _ => return Err(not_of_this_type(function)),
    }))
}

fn of_one_float(function: MathFunction) -> Option<Unary> {
    use MathFunction as F;
    Some(match function {
        F::Abs => Unary::Abs,
        F::Sign => Unary::Sign,
        F::Floor => Unary::Floor,
        F::Ceil => Unary::Ceil,
        F::Round => Unary::Round,
        F::Trunc => Unary::Trunc,
        F::Sqrt => Unary::Sqrt,
        F::Exp => Unary::Exp,
        F::Log => Unary::Log,
        F::Sin => Unary::Sin,
        F::Cos => Unary::Cos,
        F::Tan => Unary::Tan,
        F::Asin => Unary::Asin,
        F::Acos => Unary::Acos,
        F::Atan => Unary::Atan,
        F::Sinh => Unary::Sinh,
        F::Cosh => Unary::Cosh,
        F::Tanh => Unary::Tanh,
        F::Asinh => Unary::Asinh,
        F::Acosh => Unary::Acosh,
        F::Atanh => Unary::Atanh,
        _ => return None,
    })
}

fn not_of_this_type(function: MathFunction) -> KernelError {
    let name = standing(function).map_or("a function", |(name, _)| name);
    KernelError::unsupported(format!("{name} of this type"))
}
