//! Formulas, computed line by line, against the operations that wrote them.

use super::*;
use crate::lanes::One;
use crate::operations::UNARY;
use crate::step::{Soft, element};

type Number = One<Soft>;

const MADE_OF_BITS: [Unary; 3] = [Unary::Sin, Unary::Cos, Unary::Tan];

/// What a formula gives, and how many lines it has.
fn computed(formula: &Formula, operands: &[f32]) -> f32 {
    let mut values: Vec<f32> = Vec::new();
    for line in &formula.lines {
        let value = match line {
            Line::Operand(place) => element(operands[*place]),
            Line::Constant(value) => *value,
            Line::Does(primitive, places) => {
                assert!(places.iter().all(|place| *place < values.len()), "a line reads earlier ones");
                done_by_hand(*primitive, &places.iter().map(|place| values[*place]).collect::<Vec<_>>())
            }
        };
        values.push(value);
    }
    Number::new(values[formula.result]).stored().value()
}

fn done_by_hand(primitive: Primitive, of: &[f32]) -> f32 {
    let number = |place: usize| Number::new(of[place]);
    match (primitive, of) {
        (Primitive::Add, [a, b]) => a + b,
        (Primitive::Sub, [a, b]) => a - b,
        (Primitive::Mul, [a, b]) => a * b,
        (Primitive::Div, [a, b]) => a / b,
        (Primitive::Fused, [a, b, c]) => a.mul_add(*b, *c),
        (Primitive::Root, [a]) => a.sqrt(),
        (Primitive::Floor, [a]) => a.floor(),
        (Primitive::Ceil, [a]) => a.ceil(),
        (Primitive::Round, [a]) => a.round_ties_even(),
        (Primitive::Abs, [a]) => a.abs(),
        (Primitive::Negated, [a]) => -a,
        (Primitive::WithSignOf, [a, b]) => a.copysign(*b),
        (Primitive::AtLeast, [a, b]) => [*a, *b][usize::from(a < b)],
        (Primitive::AtMost, [a, b]) => [*a, *b][usize::from(a > b)],
        (Primitive::Less, [a, b]) => f32::from(u8::from(a < b)),
        (Primitive::Pick, [a, b, c]) => [*c, *b][usize::from(*a == 1.0)],
        (Primitive::TimesPower, [_, _]) => number(0).times_power(number(1)).value(),
        (Primitive::Mantissa, [_]) => number(0).split().0.value(),
        (Primitive::Exponent, [_]) => number(0).split().1.value(),
        (Primitive::Element, [a]) => element(*a),
        (Primitive::Operand, [_]) => number(0).operand().value(),
        (Primitive::Canonical, [_]) => number(0).canonical().value(),
        _ => panic!("{primitive:?} of {} numbers", of.len()),
    }
}

/// Every bit pattern in steps of a large odd number, and the edges.
fn samples() -> impl Iterator<Item = f32> {
    const EDGES: [f32; 9] = [0.0, 1.0, 2.0, 0.5, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX];
    (0..20_000u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761))).chain(EDGES)
}

#[test]
fn a_formula_of_one_number_gives_what_wrote_it() {
    let of_bits = |operation: &Unary| MADE_OF_BITS.contains(operation);
    let not_a_number = Unary::Clip { low: f32::NAN, high: 1.0 };
    for operation in UNARY.iter().copied().filter(|operation| !of_bits(operation)).chain([not_a_number]) {
        let formula = Formula::of_unary(operation).unwrap();
        for x in samples() {
            let (found, due) = (computed(&formula, &[x]), operation.of(x));
            assert_eq!(found.to_bits(), due.to_bits(), "{operation:?} of {x:e}");
        }
    }
}

#[test]
fn a_formula_of_two_numbers_gives_what_wrote_it() {
    for operation in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Pow, Binary::Prelu] {
        let formula = Formula::of_binary(operation).unwrap();
        for (a, b) in samples().zip(samples().collect::<Vec<_>>().into_iter().rev()) {
            let (found, due) = (computed(&formula, &[a, b]), operation.of(a, b));
            assert_eq!(found.to_bits(), due.to_bits(), "{operation:?} of {a:e} and {b:e}");
        }
    }
}

#[test]
fn what_is_made_of_bits_has_no_formula() {
    for operation in MADE_OF_BITS {
        assert_eq!(Formula::of_unary(operation), None);
    }
    for operation in [Binary::Max, Binary::Min, Binary::Remainder] {
        assert_eq!(Formula::of_binary(operation), None);
    }
}
