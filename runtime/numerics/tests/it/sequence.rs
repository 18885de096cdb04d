//! Sequences of element-wise operations: each result is that of the steps made one by one, of single numbers.

use poai_numerics::{
    Binary, Epilogue, Following, Matrices, NumericsError, Packed, Sequence, Source, Step, Strided, Unary, oracle,
};

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

/// Steps of a few instructions each, in the same way.
fn short_steps() -> Vec<Step> {
    let operand = Source::Operand;
    let step = Source::Step;
    vec![
        Step::Binary(Binary::Mul, [operand(0), operand(1)]),
        Step::Binary(Binary::Sub, [operand(2), step(0)]),
        Step::Unary(Unary::HardSwish, step(1)),
        Step::Unary(Unary::LeakyRelu(0.1), step(0)),
        Step::Binary(Binary::Prelu, [step(2), step(3)]),
        Step::Binary(Binary::Div, [step(4), operand(1)]),
        Step::Unary(Unary::Clip { low: -3.0, high: 1e30 }, step(5)),
        Step::Binary(Binary::Add, [step(4), step(6)]),
        Step::Binary(Binary::Min, [step(7), operand(0)]),
        Step::Unary(Unary::Neg, step(8)),
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

/// The norm of a batch and a residual, as they follow a product with three operands.
fn short_replacing() -> Sequence {
    let (operand, step) = (Source::Operand, Source::Step);
    let steps = [
        Step::Binary(Binary::Mul, [operand(0), operand(1)]),
        Step::Binary(Binary::Add, [step(0), operand(3)]),
        Step::Binary(Binary::Add, [operand(2), step(1)]),
        Step::Unary(Unary::Relu, step(2)),
    ];
    Sequence::new(4, &steps).unwrap()
}

/// What may follow a product: it reads the product twice, and three operands.
pub(crate) fn replacing() -> Sequence {
    let (operand, step) = (Source::Operand, Source::Step);
    let steps = [
        Step::Binary(Binary::Mul, [operand(0), operand(1)]),
        Step::Binary(Binary::Add, [step(0), operand(2)]),
        Step::Unary(Unary::Tanh, step(1)),
        Step::Binary(Binary::Mul, [step(1), step(2)]),
        Step::Binary(Binary::Max, [operand(0), step(3)]),
        Step::Binary(Binary::Sub, [step(4), operand(3)]),
    ];
    Sequence::new(4, &steps).unwrap()
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
    // Rows within matrices: those of a mask stand for each of several heads.
    (&[3, 4, 20], [&[80, 20, 1], &[20, 0, 1], &[4, 1, 0]]),
    (&[2, 3, 130], [&[390, 130, 1], &[130, 0, 1], &[0, 0, 1]]),
    // Rows of several sizes, one longer than any block.
    (&[33, 130], [&[130, 1], &[0, 1], &[0, 1]]),
    (&[500, 3], [&[0, 1], &[0, 1], &[3, 1]]),
    (&[3, 5, 7], [&[0, 0, 1], &[35, 7, 1], &[0, 7, 1]]),
    (&[2, 2100], [&[2100, 1], &[0, 1], &[0, 1]]),
    // Other ways through memory.
    (&[40, 90], [&[1, 40], &[0, 2], &[3, 0]]),
    (&[], [&[], &[], &[]]),
    (&[4, 0, 3], [&[0, 3, 1], &[0, 0, 0], &[0, 3, 1]]),
];

#[test]
fn a_sequence_has_the_bits_of_its_steps() {
    let mut stream = Stream(71);
    for (shape, strides) in CASES {
        let mut data = strides.map(|strides| {
            let reach = shape.iter().zip(strides).map(|(size, stride)| size.saturating_sub(1) * stride).sum::<usize>();
            stream.floats(reach + 1)
        });
        for steps in [steps(), short_steps()] {
            expect_bits_of(&steps, shape, strides, &data);
        }
        // Terms that absorb what is small beside them.
        for data in &mut data[1..] {
            *data = stream.calm(data.len());
        }
        expect_bits_of(&short_steps(), shape, strides, &data);
    }
}

fn expect_bits_of(steps: &[Step], shape: &[usize], strides: &[&[usize]; 3], data: &[Vec<f32>; 3]) {
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
        expected.push(of_one(steps, &own));
    }
    let sequence = Sequence::new(3, steps).unwrap();
    for processor in &processors() {
        let mut out = vec![f32::NAN; expected.len()];
        processor.sequence(&sequence, shape, &operands, &mut out).unwrap();
        assert_bits(&out, &expected, format!("{shape:?} by {}", processor.kernels()));
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

#[test]
fn what_follows_must_fit_the_result() {
    let sequence = replacing();
    let operand = Strided { data: &[1.0; 5], strides: &[3, 1] };
    let new = |shape: &[usize], others: &[Strided<'_>]| Following::new(&sequence, shape, others).err();
    let length = |what, expected, found| Some(NumericsError::Length { what, expected, found });
    assert_eq!(new(&[2, 2], &[operand; 3]), None);
    assert_eq!(new(&[0, 2], &[operand; 3]), None);
    assert_eq!(new(&[2, 3], &[operand; 3]), length("an operand", 6, 5));
    assert_eq!(new(&[2, 2], &[operand; 2]), length("the operands", 4, 3));
    let rank = NumericsError::Parameter { what: "the rank", value: 17, rule: "is above 16" };
    assert_eq!(new(&[1; 17], &[operand; 3]), Some(rank));
}

#[test]
fn operations_follow_products_of_any_shape() {
    for sequence in [replacing(), short_replacing()] {
        expect_following(&sequence, Stream::floats);
        expect_following(&sequence, Stream::calm);
    }
}

fn expect_following(sequence: &Sequence, numbers: impl Fn(&mut Stream, usize) -> Vec<f32>) {
    let mut stream = Stream(72);
    // One row, few columns, parts by rows, parts by panels, blocks of steps; products of one shape, small and large.
    let shapes = [
        [1, 1, 30, 250],
        [1, 20, 500, 60],
        [1, 500, 20, 60],
        [1, 40, 10, 900],
        [2, 30, 7, 48],
        [3, 70, 9, 65],
        [2, 0, 5, 48],
    ];
    for [count, m, k, n] in shapes {
        let (a, b) = (stream.floats(count * m * k), stream.floats(count * k * n));
        let (row, whole) = (numbers(&mut stream, n), stream.floats(count * m * n));
        let others = [(&row, &[0, 0, 1]), (&whole, &[m * n, n, 1]), (&row, &[0; 3])];
        let others = others.map(|(data, strides)| Strided { data, strides });
        let following = Following::new(sequence, &[count, m, n], &others).unwrap();
        let epilogue = Epilogue { bias: Some(&row), following: Some(&following), ..Epilogue::default() };
        let starts: Vec<usize> = (0..count).map(|i| i * m * k).collect();
        let left = Matrices { data: &a, starts: &starts, row_stride: k, column_stride: 1 };
        let packed = Packed::new(k, n, Matrices::one(&b, n)).unwrap();
        // One right operand for all, and one for each.
        for apart in [0, k * n] {
            let starts: Vec<usize> = (0..count).map(|i| i * apart).collect();
            let right = Matrices { data: &b, starts: &starts, row_stride: n, column_stride: 1 };
            let expected = oracle::matmul([m, k, n], left, right, &epilogue);
            for processor in &processors() {
                let mut out = vec![f32::NAN; expected.len()];
                processor.matmul([m, k, n], left, right, &epilogue, &mut out).unwrap();
                assert_bits(&out, &expected, format!("{m} × {k} × {n} by {}", processor.kernels()));
                if apart == 0 {
                    out.fill(f32::NAN);
                    processor.matmul_packed(m, left, &packed, &epilogue, &mut out).unwrap();
                    assert_bits(&out, &expected, format!("{m} × {k} × {n}, packed, by {}", processor.kernels()));
                }
            }
        }
    }
}
