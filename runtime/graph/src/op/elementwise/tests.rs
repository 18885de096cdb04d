//! Element-wise operators, on small tensors whose results were computed by hand or by NumPy.

use half::{bf16, f16};
use poai_numerics::{Kernels, Unary};
use proptest::prelude::*;

use super::{Arithmetic, Bits, Comparison, Elementwise, Fold, Kind};
use crate::onnx::{Attribute, Source};
use crate::op::Operation as _;
use crate::{Cpu, DType, Dim, Fact, Graph, Op, OpError, Tensor};

/// Infers and runs; the inferred fact has to be that of the result.
fn outcome(op: &Elementwise, operands: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
    let facts: Vec<_> = operands.iter().map(|operand| operand.map(Fact::of)).collect();
    let inferred = op.infer(&facts.iter().map(Option::as_ref).collect::<Vec<_>>())?;
    let results = op.run(&Cpu::new(Kernels::Auto, 2).unwrap(), operands)?;
    for (fact, result) in inferred.iter().zip(&results) {
        assert_eq!((fact.dtype, fact.sizes()), (result.dtype(), Some(result.shape().to_vec())), "{op:?}");
    }
    Ok(results.into_iter().next().unwrap())
}

fn result(op: impl Into<Elementwise>, operands: &[&Tensor]) -> Result<Tensor, OpError> {
    outcome(&op.into(), &operands.iter().copied().map(Some).collect::<Vec<_>>())
}

impl From<Arithmetic> for Elementwise {
    fn from(operation: Arithmetic) -> Self {
        Self::Arithmetic(operation)
    }
}

impl From<Unary> for Elementwise {
    fn from(function: Unary) -> Self {
        Self::Function(function)
    }
}

fn bools(shape: &[usize], values: &[u8]) -> Tensor {
    Tensor::from_bytes(DType::Bool, shape, values.to_vec().into()).unwrap()
}

fn row<T: crate::Element>(values: &[T]) -> Tensor {
    Tensor::new(&[values.len()], values)
}

#[test]
fn floats_are_computed_with_broadcasting() {
    let x = Tensor::new(&[2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for (operation, other, expected) in [
        (Arithmetic::Add, row(&[10f32, 20.0, 30.0]), [11f32, 22.0, 33.0, 14.0, 25.0, 36.0]),
        (Arithmetic::Sub, Tensor::new(&[2, 1], &[1f32, 4.0]), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]),
        (Arithmetic::Mul, Tensor::scalar(-2f32), [-2.0, -4.0, -6.0, -8.0, -10.0, -12.0]),
        (Arithmetic::Div, x.clone(), [1.0; 6]),
        (Arithmetic::Pow, Tensor::scalar(2i64), [1.0, 4.0, 9.0, 16.0, 25.0, 36.0]),
        (Arithmetic::Remainder, Tensor::scalar(-4f32), [1.0, 2.0, 3.0, 0.0, 1.0, 2.0]),
    ] {
        assert_eq!(result(operation, &[&x, &other]), Ok(Tensor::new(&[2, 3], &expected)), "{operation:?}");
    }
    assert!(result(Arithmetic::Add, &[&x, &row(&[1f32, 2.0])]).is_err());
    assert!(result(Arithmetic::Add, &[&x, &row(&[1i32])]).is_err());
    let empty = Tensor::new::<f32>(&[0, 3], &[]);
    assert_eq!(result(Arithmetic::Add, &[&empty, &row(&[1f32, 2.0, 3.0])]), Ok(empty));
}

#[test]
fn narrow_floats_are_rounded_once() {
    // By steps of f16, 2048 + 1 + 1 would stay at 2048: each half goes to even.
    let operands = [2048.0, 1.0, 1.0].map(|x| Tensor::scalar(f16::from_f32(x)));
    let sum = result(Elementwise::Fold(Fold::Sum), &[&operands[0], &operands[1], &operands[2]]);
    assert_eq!(sum, Ok(Tensor::scalar(f16::from_f32(2050.0))));
    let nan = Tensor::scalar(bf16::from_f32(-1.0));
    assert_eq!(result(Unary::Sqrt, &[&nan]), Ok(Tensor::scalar(bf16::from_bits(0x7fc0))));
}

#[test]
fn integers_wrap_and_do_not_divide_by_zero() {
    let (a, b) = (row(&[i8::MIN, 127, -7, 7]), row(&[-1i8, 2, 3, -3]));
    for (operation, expected) in [
        (Arithmetic::Add, [127i8, -127, -4, 4]),
        (Arithmetic::Mul, [-128, -2, -21, -21]),
        (Arithmetic::Div, [-128, 63, -2, -2]),
        (Arithmetic::Modulo, [0, 1, 2, -2]),
        (Arithmetic::Remainder, [0, 1, -1, 1]),
        (Arithmetic::Prelu, [-128, 127, -21, 7]),
    ] {
        assert_eq!(result(operation, &[&a, &b]), Ok(row(&expected)), "{operation:?}");
    }
    let zero = Tensor::scalar(0i8);
    for operation in [Arithmetic::Div, Arithmetic::Modulo, Arithmetic::Remainder] {
        assert_eq!(result(operation, &[&a, &zero]), Err(OpError::new("integers are divided by zero")));
    }
    assert_eq!(result(Unary::Abs, &[&a]), Ok(row(&[-128i8, 127, 7, 7])));
    assert_eq!(result(Unary::Sign, &[&a]), Ok(row(&[-1i8, 1, -1, 1])));
}

#[test]
fn modulo_of_floats_has_the_divisors_sign() {
    let infinite = f32::INFINITY;
    let (a, b) = ([-4.3f32, 7.5, 5.0, -1.0, 1.0, 1.0, 6.0], [2.0f32, -3.0, 8.0, infinite, infinite, 0.0, -3.0]);
    let nan = f32::from_bits(0x7fc0_0000);
    // -4.3 + 4 is exact; the sum with 2 is rounded.
    let expected = [-4.3f32 + 4.0 + 2.0, -1.5, 5.0, infinite, 1.0, nan, 0.0];
    assert_eq!(result(Arithmetic::Modulo, &[&row(&a), &row(&b)]), Ok(row(&expected)));
    let wide = result(Arithmetic::Modulo, &[&row(&[7.5f64, 6.0, 6.0]), &row(&[-3f64, -3.0, 3.0])]);
    assert_eq!(wide, Ok(row(&[-1.5f64, -0.0, 0.0])));
}

#[test]
fn integer_powers_are_exact_whatever_the_exponents_type() {
    let base = row(&[1i32, 2, 3]);
    let expected = Ok(row(&[1i32, 32, 729]));
    assert_eq!(result(Arithmetic::Pow, &[&base, &row(&[4f32, 5.0, 6.0])]), expected);
    assert_eq!(result(Arithmetic::Pow, &[&base, &row(&[4u64, 5, 6])]), expected);
    let root = result(Arithmetic::Pow, &[&row(&[9i64, 2]), &row(&[0.5f32, -1.0])]);
    assert_eq!(root, Ok(row(&[3i64, 0])));
    let negative = result(Arithmetic::Pow, &[&base, &row(&[4i64, -5, 6])]);
    assert_eq!(negative, Err(OpError::new("integers are raised to the power of -5")));
}

#[test]
fn doubles_have_only_what_has_one_answer() {
    let x = row(&[0.1f64, -2.5, f64::from_bits(0xfff8_0000_0000_0001)]);
    let nan = f64::from_bits(0x7ff8_0000_0000_0000);
    assert_eq!(result(Arithmetic::Add, &[&x, &Tensor::scalar(0.2f64)]), Ok(row(&[0.1 + 0.2, -2.3, nan])));
    assert_eq!(result(Unary::Round, &[&x]), Ok(row(&[0.0f64, -2.0, nan])));
    assert_eq!(result(Unary::Exp, &[&x]), Err(OpError::unsupported("Exp of f64 elements")));
    let low = Tensor::scalar(0f64);
    assert_eq!(result(Elementwise::Clip, &[&x, &low]), Ok(row(&[0.1f64, 0.0, nan])));
}

#[test]
fn bounds_may_be_left_out() {
    let x = row(&[-3i8, 0, 9]);
    let bound = Tensor::scalar(4i8);
    assert_eq!(outcome(&Elementwise::Clip, &[Some(&x), None, Some(&bound)]), Ok(row(&[-3i8, 0, 4])));
    assert_eq!(outcome(&Elementwise::Clip, &[Some(&x), Some(&bound)]), Ok(row(&[4i8, 4, 9])));
    assert_eq!(outcome(&Elementwise::Clip, &[Some(&x)]), Ok(x.clone()));
    assert!(outcome(&Elementwise::Clip, &[Some(&x), Some(&row(&[1i8, 2]))]).is_err());
    let x = row(&[-3f32, 0.5, 9.0]);
    let (low, high) = (Tensor::scalar(5f32), Tensor::scalar(1f32));
    assert_eq!(outcome(&Elementwise::Clip, &[Some(&x), Some(&low), Some(&high)]), Ok(row(&[1f32, 1.0, 1.0])));
}

#[test]
fn comparisons_know_nan_and_what_counts_as_zero() {
    let (a, b) = (row(&[1f32, f32::NAN, 1e-40, -0.0]), row(&[2f32, f32::NAN, 0.0, 0.0]));
    for (comparison, expected) in [
        (Comparison::Equal, [0, 0, 1, 1]),
        (Comparison::Less, [1, 0, 0, 0]),
        (Comparison::LessOrEqual, [1, 0, 1, 1]),
        (Comparison::Greater, [0, 0, 0, 0]),
        (Comparison::GreaterOrEqual, [0, 0, 1, 1]),
    ] {
        let found = result(Elementwise::Compare(comparison), &[&a, &b]);
        assert_eq!(found, Ok(bools(&[4], &expected)), "{comparison:?}");
    }
    let truths = bools(&[2], &[0, 1]);
    assert_eq!(result(Elementwise::Compare(Comparison::Equal), &[&truths, &truths]), Ok(bools(&[2], &[1, 1])));
    assert!(result(Elementwise::Compare(Comparison::Less), &[&truths, &truths]).is_err());
    let kinds = row(&[f16::INFINITY, f16::NEG_INFINITY, f16::NAN, f16::ONE]);
    assert_eq!(result(Elementwise::Is(Kind::Nan), &[&kinds]), Ok(bools(&[4], &[0, 0, 1, 0])));
    let below = Elementwise::Is(Kind::Infinite { negative: true, positive: false });
    assert_eq!(result(below, &[&kinds]), Ok(bools(&[4], &[0, 1, 0, 0])));
}

#[test]
fn bits_of_bools_and_integers() {
    let (a, b) = (bools(&[4], &[0, 0, 1, 1]), bools(&[4], &[0, 1, 0, 1]));
    assert_eq!(result(Elementwise::Bits(Bits::And), &[&a, &b]), Ok(bools(&[4], &[0, 0, 0, 1])));
    assert_eq!(result(Elementwise::Bits(Bits::Xor), &[&a, &b]), Ok(bools(&[4], &[0, 1, 1, 0])));
    assert_eq!(result(Elementwise::Not, &[&a]), Ok(bools(&[4], &[1, 1, 0, 0])));
    assert_eq!(result(Elementwise::Not, &[&row(&[0i16, -1])]), Ok(row(&[-1i16, 0])));
    let shifted = result(Elementwise::Bits(Bits::ShiftRight), &[&row(&[16u16, 4, 1]), &row(&[1u16, 2, 16])]);
    assert_eq!(shifted, Ok(row(&[8u16, 1, 0])));
    assert!(result(Elementwise::Bits(Bits::ShiftLeft), &[&a, &b]).is_err());
    assert!(result(Elementwise::Bits(Bits::And), &[&row(&[1f32]), &row(&[1f32])]).is_err());
}

#[test]
fn where_moves_bits_of_any_width() {
    let condition = bools(&[2, 1], &[1, 0]);
    let (yes, no) = (row(&[f32::from_bits(0x7fc0_1234), -0.0]), Tensor::scalar(7f32));
    let chosen = result(Elementwise::Where, &[&condition, &yes, &no]).unwrap();
    let bits: Vec<u32> = chosen.slice::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits, [0x7fc0_1234, 0x8000_0000, 7f32.to_bits(), 7f32.to_bits()]);
    let condition = bools(&[3], &[1, 0, 1]);
    let (yes, no) = (row(&[1i64, 2, 3]), Tensor::new(&[2, 1], &[10i64, 20]));
    let expected = Tensor::new(&[2, 3], &[1i64, 10, 3, 1, 20, 3]);
    assert_eq!(result(Elementwise::Where, &[&condition, &yes, &no]), Ok(expected));
}

#[test]
fn a_bias_joins_before_the_function() {
    let x = Tensor::new(&[2, 2], &[1f32, -1.0, 0.5, 0.0]);
    let bias = row(&[1f32, 2.0]);
    let sums = Tensor::new(&[2, 2], &[2f32, 1.0, 1.5, 2.0]);
    let expected = result(Unary::Gelu, &[&sums]);
    assert_eq!(result(Elementwise::Biased(Unary::Gelu), &[&x, &bias]), expected);
    assert_eq!(result(Elementwise::Biased(Unary::Gelu), &[&sums]), expected);
    // sigmoid(200) is 1.
    assert_eq!(result(Elementwise::Swish(2.0), &[&row(&[0f32, 100.0])]), Ok(row(&[0f32, 100.0])));
    let gated = result(Elementwise::SwiGlu(2.0), &[&row(&[0f32, 100.0]), &row(&[5f32, -3.0])]);
    assert_eq!(gated, Ok(row(&[0f32, -300.0])));
    assert!(result(Elementwise::SwiGlu(1.0), &[&row(&[0f32, 100.0]), &row(&[5f32])]).is_err());
}

#[test]
fn unknown_sizes_stay_unknown() {
    let (batch, unknown) = (Dim::Named("batch".into()), Fact::of_type(DType::F32));
    let left = Fact::new(DType::F32, [batch.clone(), Dim::Size(1)]);
    let right = Fact::new(DType::F32, [Dim::Size(4)]);
    let add = Elementwise::Arithmetic(Arithmetic::Add);
    assert_eq!(add.infer(&[Some(&left), Some(&right)]), Ok(vec![Fact::new(DType::F32, [batch, Dim::Size(4)])]));
    assert_eq!(add.infer(&[Some(&left), Some(&unknown)]), Ok(vec![Fact::of_type(DType::F32)]));
    assert!(add.infer(&[Some(&left)]).is_err());
    assert!(add.infer(&[Some(&left), Some(&right), Some(&right)]).is_err());
}

#[test]
fn dropout_keeps_all_in_inference() {
    let dropout = Elementwise::Dropout { mask_of_numbers: false };
    let (x, ratio) = (row(&[1f32, -0.0]), Tensor::scalar(0.5f32));
    let training = |on| bools(&[], &[on]);
    assert_eq!(result(dropout.clone(), &[&x, &ratio, &training(0)]), Ok(x.clone()));
    assert_eq!(result(dropout.clone(), &[&x, &Tensor::scalar(0f32), &training(1)]), Ok(x.clone()));
    let trains = Err(OpError::unsupported("Dropout as training has it"));
    assert_eq!(result(dropout.clone(), &[&x, &ratio, &training(1)]), trains);
    assert_eq!(outcome(&dropout, &[Some(&x), None, Some(&training(1))]), trains);
}

/// What a node is read as; each of its attributes has to be.
fn read(node: (&str, &str, i64), attributes: &[(&str, Attribute)]) -> Result<Option<Op>, OpError> {
    let mut graph = Graph::default();
    let mut source = Source::alone(&mut graph, node, attributes);
    let op = super::import(&mut source)?;
    assert!(source.attributes.is_empty(), "{node:?}: {:?}", source.attributes);
    Ok(op)
}

#[test]
fn forms_of_all_versions_are_read() {
    let (int, float) = (Attribute::Int, Attribute::Float);
    let text = |text: &str| Attribute::Text(text.into());
    let function = Elementwise::Function;
    for (node, attributes, expected) in [
        (("", "Relu", 14), vec![], function(Unary::Relu)),
        (("", "Clip", 6), vec![("min", float(-1.0))], function(Unary::Clip { low: -1.0, high: f32::MAX })),
        (("", "Clip", 11), vec![], Elementwise::Clip),
        (("", "Dropout", 7), vec![("ratio", float(0.5))], Elementwise::Dropout { mask_of_numbers: true }),
        (("", "Dropout", 13), vec![("seed", int(1))], Elementwise::Dropout { mask_of_numbers: false }),
        (("", "Mod", 10), vec![], Elementwise::Arithmetic(Arithmetic::Modulo)),
        (("", "Mod", 10), vec![("fmod", int(1))], Elementwise::Arithmetic(Arithmetic::Remainder)),
        (("", "Gelu", 20), vec![("approximate", text("tanh"))], function(Unary::GeluTanh)),
        (("", "Cast", 19), vec![("to", int(10)), ("saturate", int(1))], Elementwise::Cast(DType::F16)),
        (("", "BitShift", 11), vec![("direction", text("LEFT"))], Elementwise::Bits(Bits::ShiftLeft)),
        (("", "LeakyRelu", 16), vec![], function(Unary::LeakyRelu(0.01))),
        (("", "Swish", 24), vec![], function(Unary::Silu)),
        (("com.microsoft", "Gelu", 1), vec![], function(Unary::Gelu)),
        (("com.microsoft", "QuickGelu", 1), vec![], Elementwise::Swish(1.702)),
        (("com.microsoft", "FastGelu", 1), vec![], Elementwise::Biased(Unary::GeluTanh)),
    ] {
        assert_eq!(read(node, &attributes), Ok(Some(expected.into())), "{node:?}");
    }
    assert_eq!(read(("", "MatMul", 13), &[]), Ok(None));
    assert_eq!(read(("other", "Relu", 13), &[]), Ok(None));
    assert!(read(("", "Cast", 13), &[]).is_err());
    assert!(read(("", "BitShift", 11), &[("direction", text("UP"))]).is_err());
    assert_eq!(read(("", "Celu", 12), &[("alpha", float(0.0))]), Err(OpError::unsupported("Celu with alpha 0")));
}

/// Any operator of the family.
fn operators() -> impl Strategy<Value = Elementwise> {
    let functions = [
        Unary::Neg,
        Unary::Abs,
        Unary::Sign,
        Unary::Round,
        Unary::Sqrt,
        Unary::Exp,
        Unary::Sin,
        Unary::Relu,
        Unary::LeakyRelu(0.3),
        Unary::Clip { low: -1.0, high: 2.0 },
    ];
    let arithmetic = [
        Arithmetic::Add,
        Arithmetic::Sub,
        Arithmetic::Mul,
        Arithmetic::Div,
        Arithmetic::Modulo,
        Arithmetic::Remainder,
        Arithmetic::Pow,
        Arithmetic::Prelu,
    ];
    let folds = [Fold::Max, Fold::Min, Fold::Sum, Fold::Mean];
    let bits = [Bits::And, Bits::Or, Bits::Xor, Bits::ShiftLeft, Bits::ShiftRight];
    let others = [
        Elementwise::Biased(Unary::Gelu),
        Elementwise::SwiGlu(1.5),
        Elementwise::Clip,
        Elementwise::Compare(Comparison::Equal),
        Elementwise::Compare(Comparison::Less),
        Elementwise::Is(Kind::Infinite { negative: true, positive: false }),
        Elementwise::Not,
        Elementwise::Where,
        Elementwise::CastLike,
        Elementwise::Dropout { mask_of_numbers: true },
    ];
    prop_oneof![
        select(&functions).prop_map(Elementwise::Function),
        select(&arithmetic).prop_map(Elementwise::Arithmetic),
        select(&folds).prop_map(Elementwise::Fold),
        select(&bits).prop_map(Elementwise::Bits),
        select(&others),
        select(&TYPES).prop_map(Elementwise::Cast),
        select(&TYPES).prop_map(Elementwise::BitCast),
    ]
}

fn select<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(values.to_vec())
}

const TYPES: [DType; 13] = [
    DType::F32,
    DType::F64,
    DType::F16,
    DType::Bf16,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::Bool,
];

/// Any bits in a small shape.
fn operands(dtype: DType) -> impl Strategy<Value = Tensor> {
    let sizes = prop::collection::vec(prop_oneof![4 => Just(1usize), 4 => Just(3), 1 => Just(0)], 0..4);
    let bytes = prop::collection::vec(any::<u8>(), 27 * 8);
    (sizes, bytes).prop_map(move |(shape, mut bytes)| {
        bytes.truncate(shape.iter().product::<usize>() * dtype.bytes());
        if dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte &= 1);
        }
        Tensor::from_bytes(dtype, &shape, bytes.into()).unwrap()
    })
}

/// Up to three operands, mostly of one type.
fn several() -> impl Strategy<Value = Vec<Tensor>> {
    let types = (select(&TYPES), select(&TYPES), 0..3usize);
    types.prop_flat_map(|(dtype, other, place)| {
        let dtypes: Vec<_> = (0..3).map(|i| if i == place { other } else { dtype }).collect();
        (dtypes.into_iter().map(operands).collect::<Vec<_>>(), 1..=3usize).prop_map(|(mut operands, count)| {
            operands.truncate(count);
            operands
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever inference lets pass has a result of the inferred type and shape, or is an error; and no kernel and no
    /// number of threads gives other bits.
    #[test]
    fn whatever_comes_is_computed_alike_or_refused(op in operators(), operands in several()) {
        let facts: Vec<_> = operands.iter().map(Fact::of).collect();
        let operands: Vec<_> = operands.iter().map(Some).collect();
        if let Ok(inferred) = op.infer(&facts.iter().map(Some).collect::<Vec<_>>()) {
            let [one, other] = [(Kernels::Scalar, 1), (Kernels::Auto, 2)]
                .map(|(kernels, threads)| op.run(&Cpu::new(kernels, threads).unwrap(), &operands));
            prop_assert_eq!(&one, &other);
            for (fact, result) in inferred.iter().zip(one.iter().flatten()) {
                prop_assert_eq!((fact.dtype, fact.sizes()), (result.dtype(), Some(result.shape().to_vec())));
            }
        }
    }
}
