//! Quantised operators, on small tensors whose results were computed by hand.

use poai_numerics::{Kernels, Range, Unary, dequantise};
use proptest::prelude::*;

use super::{Between, Quantisation, Scaling};
use crate::onnx::{Attribute, Source};
use crate::op::Operation as _;
use crate::op::elementwise::Arithmetic;
use crate::{Cpu, DType, Fact, Graph, OpError, Tensor};

const WHOLE: Scaling = Scaling { axis: 1, block: 0, to: None };

/// Infers and runs; the inferred facts have to be those of the results.
fn results(op: &Quantisation, operands: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    let facts: Vec<_> = operands.iter().map(|operand| operand.map(Fact::of)).collect();
    let inferred = op.infer(&facts.iter().map(Option::as_ref).collect::<Vec<_>>())?;
    let results = op.run(&Cpu::new(Kernels::Auto, 2).unwrap(), operands)?;
    for (fact, result) in inferred.iter().zip(&results) {
        assert_eq!((fact.dtype, fact.sizes()), (result.dtype(), Some(result.shape().to_vec())), "{op:?}");
    }
    Ok(results)
}

fn result(op: &Quantisation, operands: &[&Tensor]) -> Result<Tensor, OpError> {
    let operands: Vec<_> = operands.iter().copied().map(Some).collect();
    results(op, &operands).map(|results| results.into_iter().next().unwrap())
}

fn row<T: crate::Element>(values: &[T]) -> Tensor {
    Tensor::new(&[values.len()], values)
}

#[test]
fn halves_go_to_even_and_what_is_beyond_to_the_edge() {
    let x = row(&[1f32, 3.0, 5.0, -7.0, 1e30, f32::NAN]);
    let scale = Tensor::scalar(2f32);
    let quantise = Quantisation::Quantise(WHOLE);
    assert_eq!(result(&quantise, &[&x, &scale]), Ok(row(&[0u8, 2, 2, 0, 255, 0])));
    assert_eq!(result(&quantise, &[&x, &scale, &Tensor::scalar(1i8)]), Ok(row(&[1i8, 3, 3, -3, 127, 1])));
    assert_eq!(result(&quantise, &[&x, &scale, &Tensor::scalar(9u16)]), Ok(row(&[9u16, 11, 11, 5, 65535, 9])));
    let to = Quantisation::Quantise(Scaling { to: Some(DType::I16), ..WHOLE });
    assert_eq!(result(&to, &[&x, &scale]), Ok(row(&[0i16, 2, 2, -4, 32767, 0])));
    assert!(result(&to, &[&x, &scale, &Tensor::scalar(1i8)]).is_err());
    assert_eq!(result(&quantise, &[&row(&[3i32, -9]), &scale]), Ok(row(&[2u8, 0])));
}

#[test]
fn scales_lie_along_an_axis_or_in_blocks() {
    let x = Tensor::new(&[2, 3], &[2f32, 2.0, 2.0, 4.0, 4.0, 4.0]);
    let columns = row(&[1f32, 2.0, 4.0]);
    let zeros = row(&[0u8, 10, 20]);
    let expected = Tensor::new(&[2, 3], &[2u8, 11, 20, 4, 12, 21]);
    assert_eq!(result(&Quantisation::Quantise(WHOLE), &[&x, &columns, &zeros]), Ok(expected.clone()));
    let back = result(&Quantisation::Dequantise(WHOLE), &[&expected, &columns, &zeros]);
    assert_eq!(back, Ok(Tensor::new(&[2, 3], &[2f32, 2.0, 0.0, 4.0, 4.0, 4.0])));
    let blocks = Tensor::new(&[2, 2], &[1f32, 2.0, 0.5, 4.0]);
    let by_blocks = Quantisation::Quantise(Scaling { block: 2, ..WHOLE });
    assert_eq!(result(&by_blocks, &[&x, &blocks]), Ok(Tensor::new(&[2, 3], &[2u8, 2, 1, 8, 8, 1])));
    assert!(result(&Quantisation::Quantise(WHOLE), &[&x, &row(&[1f32, 2.0])]).is_err());
    assert!(result(&by_blocks, &[&x, &columns]).is_err());
    assert!(result(&Quantisation::Quantise(WHOLE), &[&x, &columns, &Tensor::scalar(1u8)]).is_err());
}

#[test]
fn integers_of_every_width_become_floats() {
    let dequantise = Quantisation::Dequantise(WHOLE);
    let scale = Tensor::scalar(0.5f32);
    let expected = Ok(row(&[-1.5f32, 0.5]));
    assert_eq!(result(&dequantise, &[&row(&[-2i8, 2]), &scale, &Tensor::scalar(1i8)]), expected);
    assert_eq!(result(&dequantise, &[&row(&[7u16, 11]), &scale, &Tensor::scalar(10u16)]), expected);
    assert_eq!(result(&dequantise, &[&row(&[-3i32, 1]), &scale]), expected);
    let half = Tensor::scalar(half::f16::from_f32(0.5));
    let narrow = result(&dequantise, &[&row(&[-3i16, 1]), &half]);
    assert_eq!(narrow, Ok(row(&[-1.5f32, 0.5].map(half::f16::from_f32))));
    assert!(result(&dequantise, &[&row(&[1i64]), &scale]).is_err());
    assert!(result(&dequantise, &[&row(&[1i8]), &scale, &Tensor::scalar(1u8)]).is_err());
}

#[test]
fn bytes_cover_the_range_of_the_numbers_and_zero() {
    // The scale is 3 / 255, the zero point round(1 / scale) = 85.
    let x = row(&[-1f32, 0.0, 2.0]);
    let found = results(&Quantisation::DynamicQuantise, &[Some(&x)]);
    assert_eq!(found, Ok(vec![row(&[0u8, 85, 255]), Tensor::scalar(3f32 / 255.0), Tensor::scalar(85u8)]));
}

#[test]
fn operators_between_integers_compute_on_floats() {
    let between = Quantisation::Between;
    let (half, one, quarter) = (Tensor::scalar(0.5f32), Tensor::scalar(1f32), Tensor::scalar(0.25f32));
    let (none, ten) = (Tensor::scalar(0u8), Tensor::scalar(10u8));
    let (a, b) = (Tensor::new(&[1, 2], &[10u8, 14]), Tensor::new(&[2, 1], &[3u8, 100]));
    // a is 0 and 2, b is 3 and 100; the sums, over 0.5.
    let operands = [&a, &half, &ten, &b, &one, &none, &half, &none];
    let sums = result(&between(Between::Arithmetic(Arithmetic::Add)), &operands);
    assert_eq!(sums, Ok(Tensor::new(&[2, 2], &[6u8, 10, 200, 204])));
    let products = result(&between(Between::Arithmetic(Arithmetic::Mul)), &operands);
    assert_eq!(products, Ok(Tensor::new(&[2, 2], &[0u8, 12, 0, 255])));
    assert!(result(&between(Between::Arithmetic(Arithmetic::Mul)), &operands[..6]).is_err());
    // x is -5, 0 and 2: sigmoid(0) is 0.5; sigmoid(-5) = 0.0067 and sigmoid(2) = 0.88 are 0 and 4 quarters.
    let x = row(&[0u8, 10, 14]);
    let gates = result(&between(Between::Function(Unary::Sigmoid)), &[&x, &half, &ten, &quarter, &none]);
    assert_eq!(gates, Ok(row(&[0u8, 2, 4])));
    // The mean of 0, 2 and of 1, 5 halves.
    let image = Tensor::new(&[1, 2, 2], &[10u8, 12, 11, 15]);
    let operands = [&image, &half, &ten, &quarter, &none];
    let means = result(&between(Between::GlobalAveragePool { channels_last: false }), &operands);
    assert_eq!(means, Ok(Tensor::new(&[1, 2, 1], &[2u8, 6])));
    // Over pixels: of 0 and 1, of 2 and 5 halves.
    let means = result(&between(Between::GlobalAveragePool { channels_last: true }), &operands);
    assert_eq!(means, Ok(Tensor::new(&[1, 1, 2], &[1u8, 7])));
    let softmax = between(Between::Softmax { axis: -1, flat: false });
    let shares = result(&softmax, &[&Tensor::new(&[1, 4], &[9u8; 4]), &half, &ten, &quarter, &ten]);
    assert_eq!(shares, Ok(Tensor::new(&[1, 4], &[11u8; 4])));
}

#[test]
fn concatenated_operands_get_one_scale() {
    let concat = Quantisation::Between(Between::Concat { axis: 1 });
    let (one, two, zero) = (Tensor::scalar(1f32), Tensor::scalar(2f32), Tensor::scalar(0u8));
    let (a, b) = (Tensor::new(&[2, 1], &[2u8, 4]), Tensor::new(&[2, 2], &[1u8, 2, 3, 4]));
    let joined = result(&concat, &[&two, &zero, &a, &one, &zero, &b, &two, &zero]);
    assert_eq!(joined, Ok(Tensor::new(&[2, 3], &[1u8, 1, 2, 2, 3, 4])));
    let wrong = result(&concat, &[&two, &zero, &a, &one, &zero, &row(&[1u8]), &two, &zero]);
    assert!(wrong.is_err());
}

#[test]
fn forms_of_all_versions_are_read() {
    let int = Attribute::Int;
    for (node, attributes, expected) in [
        (("", "QuantizeLinear", 10), vec![], Quantisation::Quantise(WHOLE)),
        (
            ("", "QuantizeLinear", 23),
            vec![("axis", int(-1)), ("block_size", int(32)), ("output_dtype", int(5)), ("precision", int(1))],
            Quantisation::Quantise(Scaling { axis: -1, block: 32, to: Some(DType::I16) }),
        ),
        (
            ("", "QuantizeLinear", 21),
            vec![("saturate", int(1)), ("output_dtype", int(0))],
            Quantisation::Quantise(WHOLE),
        ),
        (("com.microsoft", "DequantizeLinear", 1), vec![], Quantisation::Dequantise(WHOLE)),
        (("com.microsoft", "QLinearMul", 1), vec![], Quantisation::Between(Between::Arithmetic(Arithmetic::Mul))),
        (
            ("com.microsoft", "QLinearSoftmax", 1),
            vec![("axis", int(1)), ("opset", int(12))],
            Quantisation::Between(Between::Softmax { axis: 1, flat: true }),
        ),
    ] {
        let mut graph = Graph::default();
        let mut source = Source::alone(&mut graph, node, &attributes);
        assert_eq!(super::import(&mut source), Ok(Some(expected.into())), "{node:?}");
        assert!(source.attributes.is_empty(), "{node:?}: {:?}", source.attributes);
    }
    let mut graph = Graph::default();
    let narrow = [("output_dtype", int(22))];
    let refused = super::import(&mut Source::alone(&mut graph, ("", "QuantizeLinear", 21), &narrow));
    assert_eq!(refused, Err(OpError::unsupported("elements of type int4")));
}

/// Floats over many scales, and a few that are none.
fn floats(count: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![8 => -300f32..300.0, 1 => any::<u32>().prop_map(f32::from_bits)];
    prop::collection::vec(number, count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the layout of the scales, each element is as if it were alone with its scale and zero point, there and
    /// back.
    #[test]
    fn each_element_is_quantised_as_if_alone(
        values in floats(24),
        scales in floats(24),
        zeros in prop::collection::vec(any::<i8>(), 24),
        axis in 0usize..3,
        block in 0usize..4,
    ) {
        let shape = [2usize, 3, 4];
        let mut scale_shape = shape.to_vec();
        scale_shape[axis] = shape[axis].div_ceil(block.max(1));
        if block == 0 {
            scale_shape = vec![shape[axis]];
        }
        let count = scale_shape.iter().product();
        let operand = (Tensor::new(&scale_shape, &scales[..count]), Tensor::new(&scale_shape, &zeros[..count]));
        let scaling = Scaling { axis: axis as i64, block, to: None };
        let quantised = result(&Quantisation::Quantise(scaling), &[&Tensor::new(&shape, &values), &operand.0, &operand.1]);
        let quantised = quantised.unwrap();
        let back = result(&Quantisation::Dequantise(scaling), &[&quantised, &operand.0, &operand.1]).unwrap();
        for (i, &value) in values.iter().enumerate() {
            let mut place = [i / 12, i / 4 % 3, i % 4];
            place[axis] /= block.max(1);
            let at = if block == 0 {
                place[axis]
            } else {
                (place[0] * scale_shape[1] + place[1]) * scale_shape[2] + place[2]
            };
            let integer = Range::Signed.quantise(value, scales[at], zeros[at].into());
            prop_assert_eq!(i32::from(quantised.slice::<i8>().unwrap()[i]), integer);
            let float = dequantise(integer, scales[at], zeros[at].into());
            prop_assert_eq!(back.slice::<f32>().unwrap()[i].to_bits(), float.to_bits());
        }
    }
}
