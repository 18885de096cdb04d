//! Convolutions of every kind against the oracle.

use poai_numerics::{
    Axis, ConvolutionEpilogue, Direction, Filter, Following, NumericsError, Strided, Unary, Window, convolution_places,
    oracle,
};

use super::sequence::replacing;
use super::values::{Stream, assert_bits, processors};

const GATHER: Direction = Direction::Gather;

fn axis(input: usize, kernel: usize, stride: usize, dilation: usize, before: usize, behind: usize) -> Axis {
    Axis { input, kernel, stride, dilation, before, behind }
}

/// Name, window, direction, channels of the result, groups.
fn cases() -> Vec<(&'static str, Window, Direction, usize, usize)> {
    let window = |images, channels, height, width| Window { images, channels, height, width };
    let spread = |down, across| Direction::Spread { extra: [down, across] };
    vec![
        ("1x1", window(2, 20, Axis::new(5, 1), Axis::new(6, 1)), GATHER, 50, 1),
        ("3x3", window(2, 5, axis(9, 3, 1, 1, 1, 1), axis(8, 3, 1, 1, 1, 1)), GATHER, 7, 1),
        ("7x7 of stride 2", window(1, 3, axis(20, 7, 2, 1, 3, 3), axis(23, 7, 2, 1, 3, 2)), GATHER, 64, 1),
        ("deep", window(1, 100, axis(6, 3, 1, 1, 1, 1), axis(30, 5, 1, 1, 2, 2)), GATHER, 49, 1),
        ("padding beyond the image", window(1, 2, axis(2, 3, 1, 1, 5, 4), axis(1, 2, 3, 1, 4, 5)), GATHER, 3, 1),
        ("dilated", window(1, 4, axis(12, 3, 1, 2, 2, 2), axis(12, 3, 2, 3, 3, 0)), GATHER, 9, 1),
        ("grouped", window(2, 12, axis(7, 3, 1, 1, 1, 1), axis(7, 3, 1, 1, 0, 1)), GATHER, 6, 3),
        ("depthwise", window(2, 37, axis(7, 3, 2, 1, 1, 1), axis(9, 5, 1, 2, 2, 2)), GATHER, 37, 37),
        ("two results a channel", window(1, 5, axis(7, 3, 1, 1, 1, 1), axis(7, 3, 1, 1, 1, 1)), GATHER, 10, 5),
        ("one dimension", window(3, 8, Axis::POINT, axis(40, 9, 2, 1, 4, 4)), GATHER, 16, 1),
        ("one long dimension", window(2, 3, Axis::POINT, axis(450, 5, 1, 1, 2, 2)), GATHER, 20, 1),
        ("long lines", window(1, 2, axis(3, 3, 1, 1, 1, 1), axis(250, 3, 1, 1, 1, 1)), GATHER, 17, 1),
        ("many lines", window(2, 16, axis(40, 3, 1, 1, 1, 1), axis(13, 3, 1, 1, 1, 1)), GATHER, 64, 1),
        ("dilated down", window(1, 7, axis(19, 3, 2, 3, 4, 2), axis(11, 4, 1, 1, 0, 3)), GATHER, 50, 1),
        ("strides beyond the filter", window(1, 3, axis(30, 2, 3, 1, 1, 0), axis(20, 4, 1, 1, 9, 9)), GATHER, 100, 1),
        ("no place", window(1, 2, Axis::new(2, 3), Axis::new(5, 3)), GATHER, 4, 1),
        ("transposed", window(2, 6, axis(5, 3, 2, 1, 1, 1), axis(4, 4, 2, 1, 1, 1)), spread(1, 0), 11, 1),
        ("transposed, dilated", window(1, 4, axis(5, 3, 1, 2, 0, 1), axis(4, 2, 3, 1, 0, 0)), spread(0, 2), 6, 2),
        ("transposed, apart", window(2, 6, axis(5, 2, 2, 1, 0, 0), axis(4, 3, 3, 1, 0, 0)), spread(0, 0), 1, 1),
        (
            "transposed, apart, wide",
            window(1, 6, axis(2, 2, 2, 1, 0, 0), axis(20, 2, 2, 1, 0, 0)),
            spread(0, 0),
            140,
            2,
        ),
        ("transposed, apart, one pixel", window(1, 3, Axis::POINT, axis(1, 4, 4, 1, 0, 0)), spread(0, 0), 200, 1),
        (
            "depthwise, padding beyond the image",
            window(1, 20, axis(2, 3, 1, 1, 5, 4), axis(1, 2, 3, 1, 4, 5)),
            GATHER,
            20,
            20,
        ),
        ("a column", window(2, 5, axis(40, 5, 1, 1, 2, 1), axis(1, 1, 2, 3, 0, 0)), GATHER, 20, 1),
        ("a column in groups", window(1, 6, axis(19, 3, 2, 2, 1, 3), axis(1, 1, 1, 1, 0, 0)), GATHER, 4, 2),
        ("depthwise, wide", window(1, 100, axis(4, 3, 1, 1, 1, 1), axis(9, 3, 2, 1, 1, 1)), GATHER, 100, 100),
        ("transposed depthwise", window(1, 9, axis(5, 4, 2, 1, 1, 1), axis(5, 4, 2, 1, 1, 1)), spread(0, 0), 9, 9),
    ]
}

fn check(name: &str, window: &Window, direction: Direction, weights: &[f32], results: usize, groups: usize) {
    let mut stream = Stream(31);
    let places = convolution_places(window, direction).unwrap();
    let pixels = window.images * window.height.input * window.width.input;
    let input = stream.floats(pixels * window.channels);
    let (bias, residual) = (stream.floats(results), stream.floats(window.images * places[0] * places[1] * results));
    let taps = window.height.kernel * window.width.kernel;
    let filter = Filter::new(taps, window.channels, results, groups, weights).unwrap();
    let line = ConvolutionEpilogue {
        bias: Some(&bias),
        residual: Some(&residual),
        activation: Some(Unary::Silu),
        following: None,
    };
    let (sequence, shape) = (replacing(), [window.images, places[0], places[1], results]);
    let whole = [places[0] * places[1] * results, places[1] * results, results, 1];
    let others = [(&bias, &[0, 0, 0, 1]), (&residual, &whole), (&bias, &[0; 4])];
    let others = others.map(|(data, strides)| Strided { data, strides });
    let following = Following::new(&sequence, &shape, &others).unwrap();
    let followed = ConvolutionEpilogue { following: Some(&following), ..line };
    for epilogue in [ConvolutionEpilogue::default(), line, followed] {
        let shape = (window, direction, places);
        let expected = oracle::convolve(shape, (weights, results, groups), epilogue, &input);
        for processor in &processors() {
            let mut out = vec![f32::NAN; expected.len()];
            processor.convolve(window, direction, &filter, epilogue, &input, &mut out).unwrap();
            assert_bits(&out, &expected, format!("{name} by {}", processor.kernels()));
        }
    }
}

#[test]
fn every_kind_equals_the_oracle() {
    for (name, window, direction, results, groups) in cases() {
        let length = window.height.kernel * window.width.kernel * (window.channels / groups) * results;
        check(name, &window, direction, &Stream(32).floats(length), results, groups);
    }
}

/// An infinite weight on padding is a term left out, not a NaN.
#[test]
fn padding_is_skipped_and_not_multiplied() {
    for (name, window, direction, results, groups) in cases() {
        let length = window.height.kernel * window.width.kernel * (window.channels / groups) * results;
        let mut weights = Stream(33).floats(length);
        weights[0] = f32::INFINITY;
        check(name, &window, direction, &weights, results, groups);
    }
    let ends = axis(1, 3, 1, 1, 1, 1);
    let window = Window { images: 1, channels: 1, height: Axis::POINT, width: ends };
    let weights = [f32::INFINITY, 2.0, f32::NAN];
    let found = oracle::convolve((&window, GATHER, [1, 1]), (&weights, 1, 1), ConvolutionEpilogue::default(), &[3.0]);
    assert_eq!(found, [6.0]);
}

#[test]
fn wrong_shapes_are_refused() {
    let processor = &processors()[0];
    let window = Window { images: 1, channels: 2, height: Axis::new(3, 3), width: Axis::new(3, 3) };
    let filter = Filter::new(9, 2, 4, 1, &[0.0; 72]).unwrap();
    let run = |window: &Window, input: usize, out: usize| {
        let epilogue = ConvolutionEpilogue::default();
        processor.convolve(window, GATHER, &filter, epilogue, &vec![0.0; input], &mut vec![0.0; out])
    };
    assert_eq!(run(&window, 18, 4), Ok(()));
    let length = |what, expected, found| Err(NumericsError::Length { what, expected, found });
    assert_eq!(run(&window, 17, 4), length("the images", 18, 17));
    assert_eq!(run(&window, 18, 5), length("the result", 4, 5));
    assert_eq!(run(&Window { channels: 3, ..window }, 27, 4), length("the filter's channels", 3, 2));
    let still = Window { width: Axis { stride: 0, ..window.width }, ..window };
    let parameter = |what, value, rule| NumericsError::Parameter { what, value, rule };
    assert_eq!(run(&still, 18, 4), Err(parameter("the stride", 0, "must be above zero")));
    let vast = Window { width: Axis { before: usize::MAX, ..window.width }, ..window };
    assert_eq!(run(&vast, 18, 4), Err(parameter("the padding", usize::MAX, "is above 2^28")));
    let found = Filter::new(9, 3, 4, 2, &[0.0; 72]).err();
    assert_eq!(found, Some(parameter("the number of channels", 3, "is no multiple of the groups")));
    let extra = convolution_places(&window, Direction::Spread { extra: [1, 0] }).err();
    let rule = "is not below the stride or the dilation";
    assert_eq!(extra, Some(parameter("the output's padding", 1, rule)));
}
