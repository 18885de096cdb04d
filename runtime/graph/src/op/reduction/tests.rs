//! Any operator of the family, of any operands.

use proptest::prelude::*;

use super::*;
use crate::Op;
use crate::op::family::tests::{check, operands};

/// An operator of each kind, with these attributes.
fn all(axis: i64, size: usize, flag: bool) -> Vec<Op> {
    let (epsilon, results) = (0.125, size + 1);
    let reduce = |kind| reduce::Reduce { kind, keep: flag, none_if_empty: size == 1 }.into();
    let softmax = |kind| softmax::Softmax { kind, axis, flattened: flag }.into();
    let total = [loss::Total::Each, loss::Total::Sum, loss::Total::Mean][size % 3];
    vec![
        reduce(reduce::Kind::Sum),
        reduce(reduce::Kind::Mean),
        reduce(reduce::Kind::Min),
        reduce(reduce::Kind::Norm),
        reduce(reduce::Kind::LogSumExp),
        softmax(softmax::Kind::Softmax),
        softmax(softmax::Kind::LogSoftmax),
        softmax(softmax::Kind::Hardmax),
        normalisation::LayerNormalization { axis, epsilon, root_mean_square: false, results: results.min(3) }.into(),
        normalisation::LayerNormalization { axis, epsilon, root_mean_square: true, results: results.min(2) }.into(),
        groups::GroupNormalization { groups: flag.then_some(size.max(1)), epsilon, by_channel: true }.into(),
        groups::GroupNormalization { groups: Some(size.max(1)), epsilon, by_channel: flag }.into(),
        batch::BatchNormalization { epsilon }.into(),
        skip::SkipLayerNormalization { epsilon, simplified: flag, results: results.min(4) }.into(),
        skip::EmbedLayerNormalization { epsilon, results: results.min(3) }.into(),
        scaled::LpNormalization { axis, sizes: flag }.into(),
        scaled::MeanVarianceNormalization { axes: vec![axis, 0][..size.min(2)].to_vec() }.into(),
        scaled::Lrn { size: size + 1, alpha: 0.5, beta: 0.75, bias: 1.0 }.into(),
        boxes::NonMaxSuppression { centred: flag }.into(),
        loss::Loss { softmax: flag, ignored: Some(axis), total, results: 1 }.into(),
        loss::Loss { softmax: true, ignored: None, total, results: 2 }.into(),
        top::Extreme { greatest: flag, axis, keep: size > 1, last: size > 2 }.into(),
        top::TopK { axis, greatest: flag }.into(),
        cumulative::Cumulative { product: flag, exclusive: size > 1, reverse: size > 2 }.into(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_operands_are_reduced_as_inferred_or_refused(operands in operands(), axis in -4i64..4, size in 0usize..4, flag: bool) {
        for op in all(axis, size, flag) {
            check(op.operation(), &operands);
        }
    }
}
