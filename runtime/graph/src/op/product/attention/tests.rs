//! Attention against the definition, and a text at once against one token after the other.

use poai_numerics::{Binary, oracle};

use super::*;
use crate::op::product::Product;
use crate::op::product::trial::{computed, noise, values};

const PLAIN: Attention =
    Attention { heads: None, scale: None, causal: false, cap: None, window: [None; 2], presents: false, shown: None };

fn attention(op: &Attention, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    computed(Product::Attention(op.clone()), inputs)
}

/// One query of one head by the definition, over the keys that it sees.
fn defined(query: &[f32], keys: &[f32], values: &[f32], width: usize, seen: &[usize]) -> Vec<f32> {
    let depth = query.len();
    let scale = Unary::Reciprocal.of(Unary::Sqrt.of(depth as f32));
    let score = |key: usize| {
        let key = &keys[key * depth..(key + 1) * depth];
        Binary::Mul.of(oracle::chain(query.iter().copied().zip(key.iter().copied())), scale)
    };
    let mut scores = vec![f32::NEG_INFINITY; seen.last().map_or(0, |last| last + 1)];
    seen.iter().for_each(|&key| scores[key] = score(key));
    let shares = oracle::softmax(&scores);
    let sum = |j: usize| oracle::chain(seen.iter().map(|&key| (shares[key], values[key * width + j])));
    (0..width).map(sum).collect()
}

#[test]
fn heads_share_keys_and_see_no_future() {
    // Four heads of queries, two of keys.
    let (queries, keys) = (noise(&[2, 4, 3, 8], 1), noise(&[2, 2, 5, 8], 2));
    let (width, seen) = (6, noise(&[2, 2, 5, 6], 3));
    let found = attention(&Attention { causal: true, ..PLAIN }, &[Some(&queries), Some(&keys), Some(&seen)]).unwrap();
    let (q, k, v) = (values(&queries), values(&keys), values(&seen));
    let expected: Vec<f32> = (0..2 * 4 * 3)
        .flat_map(|row| {
            let (head, query) = (row / 3, row % 3);
            let keys = head / 4 * 2 + head % 4 / 2;
            let visible: Vec<usize> = (0..=query).collect();
            defined(&q[row * 8..][..8], &k[keys * 40..][..40], &v[keys * 30..][..30], width, &visible)
        })
        .collect();
    assert_eq!(values(&found[0]), expected);
}

#[test]
fn masks_skip_keys_even_beside_infinity() {
    let (queries, keys) = (noise(&[1, 1, 2, 4], 1), noise(&[1, 1, 3, 4], 2));
    let mut rows = values(&noise(&[1, 1, 3, 4], 3));
    rows[4..8].copy_from_slice(&[f32::INFINITY, f32::NAN, 1.0, 2.0]);
    let rows = Tensor::new(&[1, 1, 3, 4], &rows);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let (q, k, v) = (values(&queries), values(&keys), values(&rows));
    // The first query skips the second key; the second sees nothing.
    let expected = [defined(&q[..4], &k, &v, 4, &[0, 2]), vec![0.0; 4]].concat();
    let booleans = [1u8, 0, 1, 0, 0, 0];
    let mask = Tensor::from_bytes(DType::Bool, &[2, 3], booleans.to_vec().into()).unwrap();
    let added = booleans.map(|seen| if seen == 1 { 0.0 } else { f32::NEG_INFINITY });
    for mask in [mask, Tensor::new(&[1, 1, 2, 3], &added)] {
        let found = attention(&PLAIN, &[Some(&queries), Some(&keys), Some(&rows), Some(&mask)]).unwrap();
        assert_eq!(bits(&values(&found[0])), bits(&expected), "{mask:?}");
    }
}

#[test]
fn all_at_once_gives_the_bits_of_one_after_the_other() {
    let op = Attention { heads: Some([4, 2]), causal: true, presents: true, cap: Some(2.0), ..PLAIN };
    let text = |width: usize, seed: u64| noise(&[1, 37, width], seed);
    let (queries, keys, all) = (text(64, 1), text(32, 2), text(32, 3));
    let none = noise(&[1, 2, 0, 16], 1);
    let past = [Some(&none), Some(&none)];
    let whole = attention(&op, &[Some(&queries), Some(&keys), Some(&all), None, past[0], past[1]]).unwrap();
    assert_eq!(whole[1].shape(), [1, 2, 37, 16]);
    let (mut results, mut past) = (Vec::new(), [none.clone(), none.clone()]);
    for place in 0..37 {
        let row = |tensor: &Tensor, width: usize| {
            Tensor::new(&[1, 1, width], &values(tensor)[place * width..(place + 1) * width])
        };
        let (q, k, v) = (row(&queries, 64), row(&keys, 32), row(&all, 32));
        let inputs = [Some(&q), Some(&k), Some(&v), None, Some(&past[0]), Some(&past[1])];
        let mut step = attention(&op, &inputs).unwrap().into_iter();
        results.extend(values(&step.next().unwrap()));
        past = [step.next().unwrap(), step.next().unwrap()];
    }
    assert_eq!(values(&whole[0]), results);
    assert_eq!(whole[1..], past);
}

#[test]
fn nonsense_is_refused() {
    let (four, three) = (noise(&[1, 3, 2, 4], 1), noise(&[1, 2, 8], 1));
    let two_heads = noise(&[1, 2, 2, 4], 1);
    let refused = |op: &Attention, inputs: &[Option<&Tensor>]| attention(op, inputs).is_err();
    assert!(refused(&PLAIN, &[Some(&three), Some(&three), Some(&three)]), "no number of heads");
    assert!(refused(&PLAIN, &[Some(&four), Some(&two_heads), Some(&two_heads)]), "3 heads for 2");
    assert!(refused(&PLAIN, &[Some(&four), Some(&four), Some(&four), None, Some(&four)]), "half a past");
    let mask = noise(&[3, 2], 1);
    assert!(refused(&PLAIN, &[Some(&four), Some(&four), Some(&four), Some(&mask)]), "a mask of 3 queries");
    let lengths = Tensor::new(&[1], &[3i64]);
    let inputs = [Some(&four), Some(&four), Some(&four), None, None, None, Some(&lengths)];
    assert!(refused(&PLAIN, &inputs), "more keys than there are");
}

#[test]
fn a_group_with_a_past_is_attention() {
    let group = GroupQuery { heads: [4, 2], scale: None, cap: None, window: None, rotary: None };
    let (queries, keys, all) = (noise(&[2, 3, 64], 1), noise(&[2, 3, 32], 2), noise(&[2, 3, 32], 3));
    let past = [noise(&[2, 2, 5, 16], 4), noise(&[2, 2, 5, 16], 5)];
    let op = Attention { heads: Some([4, 2]), causal: true, presents: true, ..PLAIN };
    let inputs = [Some(&queries), Some(&keys), Some(&all), None, Some(&past[0]), Some(&past[1])];
    let expected = attention(&op, &inputs).unwrap();
    let (last, total) = (Tensor::new(&[2], &[7i32, 7]), Tensor::scalar(8i32));
    let operands = [Some(&queries), Some(&keys), Some(&all), Some(&past[0]), Some(&past[1])];
    let found = computed(Product::GroupQuery(group.clone()), &[&operands[..], &[Some(&last), Some(&total)]].concat());
    assert_eq!(found.unwrap(), expected);
    for (last, total) in [([8i32, 7], 8), ([7, 1], 8), ([-2, 7], 8), ([7, 7], -1)] {
        let (last, total) = (Tensor::new(&[2], &last), Tensor::scalar(total));
        let found =
            computed(Product::GroupQuery(group.clone()), &[&operands[..], &[Some(&last), Some(&total)]].concat());
        assert!(found.is_err(), "{last:?} of {total:?}");
    }
}

#[test]
fn a_bias_is_added_and_padding_skipped() {
    let plain = Attention { heads: Some([2, 2]), ..PLAIN };
    let whole = MultiHead { attention: plain.clone() };
    let (x, bias) = (noise(&[2, 3, 8], 1), noise(&[24], 2));
    let added = noise(&[1, 2, 3, 3], 3);
    let counted = Tensor::new(&[2, 3], &[1i32, 1, 0, 1, 1, 1]);
    let inputs = [Some(&x), Some(&x), Some(&x), Some(&bias), Some(&counted), Some(&added)];
    let found = computed(Product::MultiHead(whole), &inputs).unwrap();
    let (x, bias) = (values(&x), values(&bias));
    let biased = [0, 8, 16].map(|first| {
        let sums: Vec<f32> = (0..48).map(|i| Binary::Add.of(x[i], bias[first + i % 8])).collect();
        Tensor::new(&[2, 3, 8], &sums)
    });
    // The last key of the first text does not count.
    let mask: Vec<f32> =
        (0..36).map(|i| if i < 18 && i % 3 == 2 { f32::NEG_INFINITY } else { values(&added)[i % 18] }).collect();
    let mask = Tensor::new(&[2, 2, 3, 3], &mask);
    let [q, k, v] = &biased;
    assert_eq!(found, attention(&plain, &[Some(q), Some(k), Some(v), Some(&mask)]).unwrap());
}
