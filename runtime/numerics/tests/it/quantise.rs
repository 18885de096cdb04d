//! Quantisation: worked examples, and every kernel against the definition.

use poai_numerics::{BlockWeights, Bytes, Epilogue, Matrices, NumericsError, Packed, Range, dequantise, dynamic_scale};

use super::values::{Stream, assert_bits, processors};

#[test]
fn quantising_rounds_halves_to_even_and_saturates() {
    for (range, x, scale, zero, expected) in [
        (Range::Unsigned, 2.5, 1.0, 0, 2),
        (Range::Unsigned, 3.5, 1.0, 0, 4),
        (Range::Unsigned, -1.0, 2.0, 128, 128),
        (Range::Unsigned, 1e30, 1.0, 0, 255),
        (Range::Unsigned, f32::NEG_INFINITY, 1.0, 9, 0),
        (Range::Signed, -1e30, 1.0, 0, -128),
        (Range::Signed, f32::NAN, 1.0, 7, 7),
        (Range::Signed, 254.0, 2.0, 1, 127),
    ] {
        assert_eq!(range.quantise(x, scale, zero), expected, "{range:?} {x} / {scale} + {zero}");
    }
    assert_eq!(dequantise(3, 0.5, 5).to_bits(), (-1.0f32).to_bits());
    assert_eq!(dequantise(5, 0.5, 5).to_bits(), 0);
}

#[test]
fn dynamic_scales_are_those_of_the_onnx_examples() {
    // The three examples of DynamicQuantizeLinear in the ONNX documentation.
    for (values, scale, zero) in [
        (&[0.0, 2.0, -3.0, -2.5, 1.34, 0.5][..], 0.019_607_844, 153),
        (&[-1.0, -2.1, -1.3, -2.5, -3.34, -4.0][..], 0.015_686_275, 255),
        (&[1.0, 2.1, 1.3, 2.5, 3.34, 4.0, 1.5, 2.6, 3.9, 4.0, 3.0, 2.345][..], 0.015_686_275, 0),
        (&[0.0, -0.0][..], 1.0, 0),
        (&[][..], 1.0, 0),
    ] {
        assert_eq!(dynamic_scale(values), (scale, zero), "{values:?}");
    }
}

#[test]
fn every_kernel_quantises_as_defined() {
    let mut stream = Stream(12);
    let values: Vec<f32> = stream.floats(1000);
    let sums: Vec<i32> = (0..1000).map(|_| stream.bits() as i32 >> 8).collect();
    let scales: Vec<f32> = (0..10).map(|_| stream.unit() * 1e-4).collect();
    for processor in &processors() {
        for range in [Range::Unsigned, Range::Signed] {
            let mut bytes = vec![0; values.len()];
            processor.quantise(range, 0.011, 17, &values, &mut bytes).unwrap();
            let expected: Vec<u8> = values.iter().map(|&x| range.quantise(x, 0.011, 17) as u8).collect();
            assert_eq!(bytes, expected);
            processor.requantise(range, &scales, 3, &sums, &mut bytes).unwrap();
            let expected: Vec<u8> =
                sums.iter().zip(scales.iter().cycle()).map(|(&s, &c)| range.requantise(s, c, 3) as u8).collect();
            assert_eq!(bytes, expected);
        }
        let bytes = stream.bytes(500);
        let signed: Vec<i8> = bytes.iter().map(|x| x.cast_signed()).collect();
        for input in [Bytes::Unsigned(&bytes), Bytes::Signed(&signed)] {
            let mut out = vec![0.0; 500];
            processor.dequantise(0.03, 77, input, &mut out).unwrap();
            let expected: Vec<f32> = (0..500).map(|i| dequantise(input.at(i), 0.03, 77)).collect();
            assert_bits(&out, &expected, "dequantise");
        }
    }
}

#[test]
fn blocks_of_weights_are_the_matrix_that_they_stand_for() {
    let (depth, columns, block) = (70, 5, 32);
    let blocks = 3;
    let mut stream = Stream(13);
    let scales: Vec<f32> = (0..columns * blocks).map(|_| stream.unit()).collect();
    let zeros: Vec<u8> = (0..columns * blocks).map(|i| i as u8).collect(); // 0 to 14
    let row = stream.floats(depth);
    for bits in [4u32, 8] {
        for zeros in [None, Some(&zeros[..])] {
            let quants = stream.bytes(columns * blocks * block * bits as usize / 8);
            let weights = BlockWeights { bits, block, quants: &quants, scales: &scales, zeros };
            let mut dense = vec![0.0; depth * columns];
            for k in 0..depth {
                for column in 0..columns {
                    let place = (column * blocks + k / block) * block + k % block;
                    let quant = if bits == 4 { (quants[place / 2] >> (4 * (place & 1))) & 15 } else { quants[place] };
                    let zero = zeros.map_or(1 << (bits - 1), |zeros| i32::from(zeros[place / block]));
                    dense[k * columns + column] = (i32::from(quant) - zero) as f32 * scales[place / block];
                }
            }
            let plain = Packed::new(depth, columns, Matrices::one(&dense, columns)).unwrap();
            let blocked = weights.packed(depth, columns).unwrap();
            for processor in &processors() {
                let mut results = [vec![0.0; columns], vec![0.0; columns]];
                for (packed, out) in [&plain, &blocked].into_iter().zip(&mut results) {
                    let left = Matrices::one(&row, depth);
                    processor.matmul_packed(1, left, packed, &Epilogue::default(), out).unwrap();
                }
                assert_bits(&results[1], &results[0], format!("{bits} bits"));
            }
        }
    }
}

#[test]
fn blocks_of_a_wrong_shape_are_refused() {
    let weights = BlockWeights { bits: 4, block: 32, quants: &[0; 16], scales: &[1.0], zeros: None };
    assert!(weights.packed(32, 1).is_ok());
    let parameter = |what, value, rule| Some(NumericsError::Parameter { what, value, rule });
    assert_eq!(BlockWeights { bits: 3, ..weights }.packed(32, 1).err(), parameter("bits", 3, "is not 4 or 8"));
    assert_eq!(
        BlockWeights { block: 0, ..weights }.packed(32, 1).err(),
        parameter("the block", 0, "must be above zero")
    );
    assert_eq!(BlockWeights { block: 7, ..weights }.packed(32, 1).err(), parameter("the block", 7, "is not even"));
    let expected = NumericsError::Length { what: "the quants", expected: 32, found: 16 };
    assert_eq!(weights.packed(33, 1).err(), Some(expected));
}
