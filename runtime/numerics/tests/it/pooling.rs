//! Pooling and resizing against the oracle.

use poai_numerics::{Axis, NumericsError, Pooling, Resampling, Window, oracle};

use super::values::{Stream, assert_bits, processors};

#[test]
fn pooling_equals_the_oracle() {
    let mut stream = Stream(41);
    let axis =
        |input, kernel, stride, dilation, before, behind| Axis { input, kernel, stride, dilation, before, behind };
    for (height, width, channels, more) in [
        (axis(8, 2, 2, 1, 0, 0), axis(8, 2, 2, 1, 0, 0), 19, 0),
        (axis(7, 3, 2, 1, 1, 1), axis(9, 3, 2, 1, 1, 0), 33, 0),
        (axis(7, 3, 2, 2, 1, 1), axis(8, 3, 3, 1, 0, 0), 4, 1),
        (axis(3, 2, 1, 1, 3, 3), Axis::POINT, 2, 0),
        (axis(9, 3, 2, 1, 1, 1), axis(12, 3, 1, 1, 1, 1), 70, 0),
    ] {
        let window = Window { images: 2, channels, height, width };
        let places = [height.places().unwrap() + more, width.places().unwrap()];
        let mut input = stream.floats(2 * height.input * width.input * channels);
        let rare = [f32::INFINITY, f32::from_bits(0xffc0_1234), f32::NEG_INFINITY, -0.0, 1e-40, f32::NAN, -f32::MAX];
        input.iter_mut().step_by(61).zip(rare.into_iter().cycle()).for_each(|(value, rare)| *value = rare);
        for pooling in [Pooling::Max, Pooling::Average, Pooling::AverageWithPadding] {
            let expected = oracle::pool(pooling, &window, places, &input);
            for processor in &processors() {
                let mut out = vec![0.0; expected.len()];
                processor.pool_images(pooling, &window, places, &input, &mut out).unwrap();
                assert_bits(&out, &expected, format!("{pooling:?} of {window:?}"));
            }
        }
    }
}

#[test]
fn resizing_equals_the_oracle() {
    let mut stream = Stream(42);
    let (images, channels, height, width) = (2, 5, 6, 7);
    let input = stream.floats(images * height * width * channels);
    let spread = |from: usize, to: usize| -> Vec<f64> {
        (0..to).map(|i| (i as f64 + 0.5) * from as f64 / to as f64 - 0.5).collect()
    };
    let linear = |from, to| Resampling::linear(from, &spread(from, to)).unwrap();
    for (down, across) in [
        (linear(height, 13), linear(width, 20)),
        (linear(height, 3), linear(width, 7)),
        (Resampling::nearest(height, &[0, 0, 1, 5]).unwrap(), Resampling::nearest(width, &[6, 3, 3]).unwrap()),
    ] {
        let expected = oracle::resize(images, channels, (height, &down), (width, &across), &input);
        for processor in &processors() {
            let mut out = vec![0.0; expected.len()];
            processor.resize(images, channels, &down, &across, &input, &mut out).unwrap();
            assert_bits(&out, &expected, "resize");
        }
    }
}

#[test]
fn linear_weights_are_those_of_the_coordinates() {
    let down = Resampling::linear(4, &[-0.5, 0.0, 1.25, 3.0, 9.0, f64::NAN]).unwrap();
    let found: Vec<_> = down.taps().iter().map(|tap| (tap.first, tap.second, tap.weight)).collect();
    assert_eq!(found, [(0, 1, 0.0), (0, 1, 0.0), (1, 2, 0.25), (3, 3, 0.0), (3, 3, 0.0), (0, 1, 0.0)]);
    let point = Resampling::nearest(1, &[0]).unwrap();
    assert_eq!(
        oracle::resize(1, 1, (1, &point), (4, &down), &[0.0, 10.0, 20.0, 30.0]),
        [0.0, 0.0, 12.5, 30.0, 30.0, 0.0]
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let outside = NumericsError::Parameter { what: "an index", value: 3, rule: "lies outside the input" };
    assert_eq!(Resampling::nearest(3, &[0, 3]).err(), Some(outside));
    let processor = &processors()[0];
    let window = Window { images: 1, channels: 1, height: Axis::new(4, 2), width: Axis::new(4, 2) };
    let found = processor.pool_images(Pooling::Max, &window, [5, 3], &[0.0; 16], &mut [0.0; 15]);
    let many = NumericsError::Parameter { what: "a side's places", value: 5, rule: "is too many" };
    assert_eq!(found, Err(many));
}
