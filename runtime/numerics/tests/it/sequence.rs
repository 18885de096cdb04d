//! Sequences of element-wise operations: each result is that of the steps made one by one, of single numbers.

use poai_numerics::{Binary, NumericsError, Sequence, Source, Step, Strided, Unary};

use super::values::{Stream, assert_bits, processors};

const HARD_SIGMOID: Unary = Unary::HardSigmoid { alpha: 0.2, beta: 0.5 };

/// Steps of every kind: one that is read twice, one that reads one source twice, a longer line than there are buffers.
fn steps() -> Vec<Step> {
    let operand = Source::Operand;
    let step = Source::Step;
    vec![
        Step::Binary(Binary::Add, [operand(0), operand(1)]),
        Step::Unary(HARD_SIGMOID, step(0)),
        Step::Binary(Binary::Mul, [step(0), step(1)]),
        Step::Binary(Binary::Mul, [step(2), step(2)]),
        Step::Unary(Unary::Tanh, operand(2)),
        Step::Binary(Binary::Sub, [step(4), step(3)]),
        Step::Binary(Binary::Max, [step(5), step(0)]),
    ]
}

fn of_one(steps: &[Step], operands: &[f32]) -> f32 {
    let mut results = Vec::new();
    for step in steps {
        let read = |source: Source| match source {
            Source::Operand(operand) => operands[operand],
            Source::Step(step) => results[step],
        };
        results.push(match *step {
            Step::Unary(operation, source) => operation.of(read(source)),
            Step::Binary(operation, [a, b]) => operation.of(read(a), read(b)),
        });
    }
    *results.last().unwrap()
}

/// A shape, and the steps of three operands along it.
type Case = (&'static [usize], [&'static [usize]; 3]);

const CASES: &[Case] = &[
    (&[5000], [&[1], &[1], &[0]]),
    (&[7, 31, 24], [&[744, 24, 1], &[0, 0, 1], &[744, 24, 1]]),
    // A number a channel of each image, and a number a row.
    (&[3, 50, 48], [&[2400, 48, 1], &[48, 0, 1], &[50, 1, 0]]),
    (&[2, 3000], [&[3000, 1], &[0, 1], &[1, 0]]),
    (&[6, 1, 700], [&[700, 0, 1], &[0, 0, 0], &[1, 0, 0]]),
    // Other ways through memory.
    (&[40, 90], [&[1, 40], &[0, 2], &[3, 0]]),
    (&[], [&[], &[], &[]]),
    (&[4, 0, 3], [&[0, 3, 1], &[0, 0, 0], &[0, 3, 1]]),
];

#[test]
fn a_sequence_has_the_bits_of_its_steps() {
    let (steps, mut stream) = (steps(), Stream(71));
    for (shape, strides) in CASES {
        let reach = |strides: &[usize]| -> usize {
            shape.iter().zip(strides).map(|(size, stride)| size.saturating_sub(1) * stride).sum()
        };
        let data = strides.map(|strides| stream.floats(reach(strides) + 1));
        let operands: Vec<Strided<'_>> =
            data.iter().zip(strides).map(|(data, strides)| Strided { data, strides }).collect();
        let mut expected = Vec::new();
        for mut index in 0..shape.iter().product() {
            let mut places = [0; 3];
            for axis in (0..shape.len()).rev() {
                for (place, strides) in places.iter_mut().zip(strides) {
                    *place += index % shape[axis] * strides[axis];
                }
                index /= shape[axis];
            }
            let own: Vec<f32> = data.iter().zip(places).map(|(data, place)| data[place]).collect();
            expected.push(of_one(&steps, &own));
        }
        let sequence = Sequence::new(3, &steps).unwrap();
        for processor in &processors() {
            let mut out = vec![f32::NAN; expected.len()];
            processor.sequence(&sequence, shape, &operands, &mut out).unwrap();
            assert_bits(&out, &expected, format!("{shape:?} by {}", processor.kernels()));
        }
    }
}

/// The power that is a product, with an exponent that stands once and with one that stands everywhere.
#[test]
fn squares_are_powers() {
    let values = [-3.0, 0.0, -0.0, 1e-30, -1e-31, 3e38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.000_000_1];
    let expected = values.map(|x| Binary::Pow.of(x, 2.0));
    for (exponents, stride) in [(&[2.0][..], 0), (&[2.0; 10], 1)] {
        for processor in &processors() {
            let (a, b) = (Strided { data: &values, strides: &[1] }, Strided { data: exponents, strides: &[stride] });
            let mut out = [0.0; 10];
            processor.binary(Binary::Pow, &[10], a, b, &mut out).unwrap();
            assert_bits(&out, &expected, format!("squares by {}", processor.kernels()));
        }
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let refused = |steps: &[Step], what, value, rule| {
        assert_eq!(Sequence::new(1, steps), Err(NumericsError::Parameter { what, value, rule }));
    };
    refused(&[], "the number of steps", 0, "must be above zero");
    refused(&[Step::Unary(Unary::Neg, Source::Operand(1))], "an operand", 1, "does not exist");
    refused(&[Step::Unary(Unary::Neg, Source::Step(0))], "a step", 0, "is not done yet");
    let sequence = Sequence::new(1, &[Step::Unary(Unary::Neg, Source::Operand(0))]).unwrap();
    let operand = Strided { data: &[1.0; 5], strides: &[3, 1] };
    let run = |operands: &[Strided<'_>], out: usize| {
        processors()[0].sequence(&sequence, &[2, 3], operands, &mut vec![0.0; out])
    };
    let length = |what, expected, found| Err(NumericsError::Length { what, expected, found });
    assert_eq!(run(&[operand], 6), length("an operand", 6, 5));
    assert_eq!(run(&[operand; 2], 6), length("the operands", 1, 2));
    assert_eq!(run(&[operand], 7), length("the result", 6, 7));
}
