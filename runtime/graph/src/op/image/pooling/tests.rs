use super::super::trial::{results, turned};
use super::*;

fn pool(kind: PoolKind, kernel: &[usize], pads: &[[usize; 2]]) -> Pool {
    let padding = Padding::Explicit(pads.to_vec());
    let frame = Frame { kernel: kernel.to_vec(), padding, ..Frame::default() };
    Pool { kind, frame, ceiling: false, layout: Layout::ChannelsFirst }
}

fn image() -> Tensor {
    let values: Vec<f32> = (1..=25).map(|value| value as f32).collect();
    Tensor::new(&[1, 1, 5, 5], &values)
}

/// Expected values are those of ONNX's documentation (maxpool_2d_precomputed_strides and its kin).
#[test]
fn pools_of_the_documentation() {
    let strided = |kind| {
        let mut pool = pool(kind, &[2, 2], &[]);
        pool.frame.strides = vec![2, 2];
        pool
    };
    let max = Tensor::new::<f32>(&[1, 1, 2, 2], &[7., 9., 17., 19.]);
    let mean = Tensor::new::<f32>(&[1, 1, 2, 2], &[4., 6., 14., 16.]);
    assert_eq!(results(&strided(PoolKind::Max), &[&image()]), Ok(vec![max.clone()]));
    assert_eq!(results(&strided(PoolKind::Average { with_padding: false }), &[&image()]), Ok(vec![mean]));
    for (column_major, places) in [(false, [6, 8, 16, 18]), (true, [6, 16, 8, 18])] {
        let places = Tensor::new::<i64>(&[1, 1, 2, 2], &places);
        let pool = strided(PoolKind::MaxWithPlaces { column_major });
        assert_eq!(results(&pool, &[&image()]), Ok(vec![max.clone(), places]));
    }
    let padded = pool(PoolKind::Average { with_padding: true }, &[5, 5], &[[2, 2], [2, 2]]);
    let result = &results(&padded, &[&image()]).unwrap()[0];
    // (1 + 2 + 3 + 6 + 7 + 8 + 11 + 12 + 13) / 25, and the whole image's sum by 25 in the middle.
    assert_eq!((result.get::<f32>().unwrap()[0], result.get::<f32>().unwrap()[12]), (2.52, 13.0));
}

#[test]
fn a_ceiling_adds_a_place_that_begins_inside() {
    let values: Vec<f32> = (1..=16).map(|value| value as f32).collect();
    let input = Tensor::new(&[1, 1, 4, 4], &values);
    let mut pool = pool(PoolKind::Max, &[3, 3], &[]);
    pool.frame.strides = vec![2, 2];
    pool.ceiling = true;
    let expected = Tensor::new::<f32>(&[1, 1, 2, 2], &[11., 12., 15., 16.]);
    assert_eq!(results(&pool, &[&input]), Ok(vec![expected]));
    // One place of stride 2 over a single element; a second would begin in the padding behind.
    let narrow = Tensor::new::<f32>(&[1, 1, 1], &[5.0]);
    pool.frame =
        Frame { kernel: vec![1], strides: vec![2], padding: Padding::Explicit(vec![[0, 1]]), ..Frame::default() };
    assert_eq!(results(&pool, &[&narrow]), Ok(vec![narrow]));
}

#[test]
fn layouts_and_widths_agree() {
    let values: Vec<f32> = (0..2 * 3 * 5 * 4).map(|i| ((i * 37) % 61) as f32 - 30.0).collect();
    let first = Tensor::new(&[2, 3, 5, 4], &values);
    for kind in [
        PoolKind::Max,
        PoolKind::MaxWithPlaces { column_major: false },
        PoolKind::Average { with_padding: false },
        PoolKind::Average { with_padding: true },
        PoolKind::Norm(Power::new(3.0)),
    ] {
        let pool = pool(kind, &[3, 2], &[[1, 0], [1, 1]]);
        let expected = results(&pool, &[&first]).unwrap();
        let last = Pool { layout: Layout::ChannelsLast, ..pool.clone() };
        let found = results(&last, &[&turned(&first)]).unwrap();
        assert_eq!(found, expected.iter().map(turned).collect::<Vec<_>>(), "{pool:?}");
    }
    let bytes: Vec<i8> = values.iter().map(|&value| value as i8).collect();
    let pool = pool(PoolKind::Max, &[2, 2], &[]);
    let wide = results(&pool, &[&first]).unwrap();
    let expected: Vec<i8> = wide[0].get::<f32>().unwrap().iter().map(|&value| value as i8).collect();
    let found = results(&pool, &[&Tensor::new(&[2, 3, 5, 4], &bytes)]).unwrap();
    assert_eq!(found[0].get::<i8>().unwrap(), expected);
}

#[test]
fn norms_take_powers_and_roots() {
    let input = Tensor::new::<f32>(&[1, 1, 4], &[3.0, -4.0, 0.0, 2.0]);
    for (power, expected) in [(1.0, [7.0, 4.0, 2.0]), (2.0, [5.0, 4.0, 2.0])] {
        let pool = pool(PoolKind::Norm(Power::new(power)), &[2], &[]);
        assert_eq!(results(&pool, &[&input]), Ok(vec![Tensor::new::<f32>(&[1, 1, 3], &expected)]));
    }
}

/// A third side of one element changes nothing, and four sides are too many.
#[test]
fn a_third_side_is_pooled_alike() {
    let values: Vec<f32> = (0..2 * 5 * 4).map(|i| ((i * 37) % 61) as f32 - 30.0).collect();
    let flat = Tensor::new(&[1, 2, 5, 4], &values);
    let deep = flat.reshaped(&[1, 2, 1, 5, 4]).unwrap();
    for kind in [
        PoolKind::Max,
        PoolKind::MaxWithPlaces { column_major: true },
        PoolKind::Average { with_padding: false },
        PoolKind::Average { with_padding: true },
        PoolKind::Norm(Power::new(2.0)),
    ] {
        let expected = results(&pool(kind.clone(), &[3, 2], &[[1, 0], [1, 1]]), &[&flat]).unwrap();
        let found = results(&pool(kind, &[1, 3, 2], &[[0, 0], [1, 0], [1, 1]]), &[&deep]).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.reshaped(expected.shape()), Ok(expected));
        }
    }
    let fact = Fact::new(DType::F32, [1, 1, 2, 2, 2, 2]);
    let found = pool(PoolKind::Max, &[2, 2, 2, 2], &[]).infer(&[Some(&fact)]);
    assert!(matches!(found, Err(OpError::Unsupported(_))));
}
