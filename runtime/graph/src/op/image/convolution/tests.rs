//! Convolutions of the documentation, and how groups, layouts and what follows agree.

use super::super::trial::{results, turned};
use super::*;

fn convolution(pads: &[[usize; 2]], strides: &[usize]) -> Convolution {
    let padding = Padding::Explicit(pads.to_vec());
    let frame = Frame { strides: strides.to_vec(), padding, ..Frame::default() };
    Convolution { frame, groups: 1, spread: None, activation: None, layout: Layout::ChannelsFirst }
}

fn counting(shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|value: usize| value as f32).collect();
    Tensor::new(shape, &values)
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::new(shape, &vec![1f32; shape.iter().product()])
}

/// ONNX's documentation: basic_conv_with_padding and conv_with_strides_no_padding.
#[test]
fn convolutions_of_the_documentation() {
    let input = counting(&[1, 1, 5, 5]);
    let expected = [
        12., 21., 27., 33., 24., 33., 54., 63., 72., 51., 63., 99., 108., 117., 81., 93., 144., 153., 162., 111., 72.,
        111., 117., 123., 84.,
    ];
    let padded = convolution(&[[1, 1], [1, 1]], &[]);
    let weights = ones(&[1, 1, 3, 3]);
    let expected = Tensor::new::<f32>(&[1, 1, 5, 5], &expected);
    assert_eq!(results(&padded, &[&input, &weights]), Ok(vec![expected.clone()]));
    let same =
        Convolution { frame: Frame { padding: Padding::SameUpper, ..Frame::default() }, ..convolution(&[], &[]) };
    assert_eq!(results(&same, &[&input, &weights]), Ok(vec![expected]));
    let expected = Tensor::new::<f32>(&[1, 1, 3, 2], &[54., 72., 144., 162., 234., 252.]);
    let input = counting(&[1, 1, 7, 5]);
    assert_eq!(results(&convolution(&[], &[2, 2]), &[&input, &weights]), Ok(vec![expected]));
}

/// ONNX's documentation: convtranspose, convtranspose_output_shape (its first result's first row and last).
#[test]
fn transposed_convolutions_of_the_documentation() {
    let transposed = Convolution { spread: Some(Spread::default()), ..convolution(&[], &[]) };
    let (input, weights) = (counting(&[1, 1, 3, 3]), ones(&[1, 2, 3, 3]));
    let plane = [
        0., 1., 3., 3., 2., 3., 8., 15., 12., 7., 9., 21., 36., 27., 15., 9., 20., 33., 24., 13., 6., 13., 21., 15., 8.,
    ];
    let expected = Tensor::new::<f32>(&[1, 2, 5, 5], &[plane, plane].concat());
    assert_eq!(results(&transposed, &[&input, &weights]), Ok(vec![expected]));
    let shaped =
        Convolution { spread: Some(Spread { sides: vec![10, 8], extra: vec![] }), ..convolution(&[], &[3, 2]) };
    let found = results(&shaped, &[&input, &weights]).unwrap().remove(0);
    assert_eq!(found.shape(), [1, 2, 10, 8]);
    assert_eq!(found.get::<f32>().unwrap()[..8], [0., 0., 1., 1., 3., 2., 2., 0.]);
    assert_eq!(found.get::<f32>().unwrap()[72..80], [0.0; 8]);
}

#[test]
fn groups_layouts_and_what_follows_agree() {
    let values =
        |count: usize, step: usize| -> Vec<f32> { (0..count).map(|i| ((i * step) % 23) as f32 / 8.0 - 1.3).collect() };
    let input = Tensor::new(&[2, 4, 5, 3], &values(120, 7));
    let weights = Tensor::new(&[6, 2, 2, 3], &values(72, 5));
    let (bias, residual) = (Tensor::new(&[6], &values(6, 3)), Tensor::new(&[2, 6, 6, 3], &values(216, 11)));
    let plain = Convolution { groups: 2, ..convolution(&[[1, 1], [1, 1]], &[]) };
    let activated = Convolution { activation: Some(Unary::Relu), ..plain.clone() };
    let found = results(&activated, &[&input, &weights, &bias, &residual]).unwrap().remove(0);
    let sums = results(&plain, &[&input, &weights]).unwrap().remove(0);
    for (i, (&found, &sum)) in found.get::<f32>().unwrap().iter().zip(sums.get::<f32>().unwrap()).enumerate() {
        let (bias, residual) = (bias.get::<f32>().unwrap()[i / 18 % 6], residual.get::<f32>().unwrap()[i]);
        assert_eq!(found.to_bits(), ((sum + bias) + residual).max(0.0).to_bits(), "{i}");
    }
    let last = Convolution { layout: Layout::ChannelsLast, ..activated };
    let operands = [&turned(&input), &weights, &bias, &turned(&residual)];
    assert_eq!(results(&last, &operands), Ok(vec![turned(&found)]));
}

#[test]
fn a_transposed_group_is_the_adjoint_of_a_group() {
    // Of a 1 × 1 window without strides: each pixel's group of channels times the group's matrix.
    let transposed = Convolution { groups: 2, spread: Some(Spread::default()), ..convolution(&[], &[]) };
    let input = Tensor::new::<f32>(&[1, 4, 1], &[1., 10., 100., 1000.]);
    let weights = Tensor::new::<f32>(&[4, 3, 1], &[1., 2., 3., 4., 5., 6., 7., 8., 9., 1., 0., 2.]);
    let expected = Tensor::new::<f32>(&[1, 6, 1], &[41., 52., 63., 1700., 800., 2900.]);
    assert_eq!(results(&transposed, &[&input, &weights]), Ok(vec![expected]));
}

#[test]
fn unknown_sizes_stay_unknown_and_nonsense_is_refused() {
    let named = Fact {
        shape: Some(vec![Dim::Named("n".into()), Dim::Size(3), Dim::Unknown, Dim::Size(9)]),
        ..Fact::of_type(DType::F32)
    };
    let weights = Fact::new(DType::F32, [8, 3, 3, 3]);
    let found = convolution(&[], &[]).infer(&[Some(&named), Some(&weights)]).unwrap();
    let expected = vec![Dim::Named("n".into()), Dim::Size(8), Dim::Unknown, Dim::Size(7)];
    assert_eq!(found, [Fact { shape: Some(expected), ..Fact::of_type(DType::F32) }]);
    let image = Fact::new(DType::F32, [1, 3, 9, 9]);
    for (weights, bias) in [([8, 2, 3, 3], 8), ([8, 3, 0, 3], 8), ([8, 3, 3, 3], 7)] {
        let (weights, bias) = (Fact::new(DType::F32, weights), Fact::new(DType::F32, [bias]));
        let found = convolution(&[], &[]).infer(&[Some(&image), Some(&weights), Some(&bias)]);
        assert!(matches!(found, Err(OpError::Wrong(_))), "{found:?}");
    }
    let doubles = Fact::new(DType::F64, [1, 3, 9, 9]);
    assert!(convolution(&[], &[]).infer(&[Some(&doubles), Some(&doubles)]).is_err());
}
