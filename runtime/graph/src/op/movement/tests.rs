//! Any operator of the family, of any operands.

use proptest::prelude::*;

use super::*;
use crate::op::family::tests::{check, operands};
use crate::{DType, Op, Tensor};

/// An operator of each kind, with these attributes.
fn all(axis: i64, size: usize, flag: bool) -> Vec<Op> {
    let size_or_one = size.max(1);
    vec![
        view::Reshape { allow_zero: flag }.into(),
        view::Flatten { axis }.into(),
        view::Squeeze.into(),
        view::Unsqueeze.into(),
        view::Identity.into(),
        permutation::Transpose { order: flag.then(|| vec![axis, 0, -1][..size.min(3)].to_vec()) }.into(),
        join::Concat { axis }.into(),
        slice::Slice.into(),
        gather::Gather { axis }.into(),
        index::GatherElements { axis }.into(),
        index::GatherND { batch_axes: size }.into(),
        scatter::ScatterElements { axis, meeting: scatter::Meeting::Add }.into(),
        scatter::ScatterND { meeting: if flag { scatter::Meeting::Replace } else { scatter::Meeting::Max } }.into(),
        scatter::TensorScatter { axis, circular: flag }.into(),
        split::Split { axis, parts: size_or_one, uneven: flag }.into(),
        repetition::Expand.into(),
        repetition::Tile.into(),
        pad::Pad { mode: if flag { pad::Mode::Reflect } else { pad::Mode::Constant } }.into(),
        pad::Pad { mode: if flag { pad::Mode::Wrap } else { pad::Mode::Edge } }.into(),
        pad::CenterCropPad { axes: flag.then(|| vec![axis]) }.into(),
        space::DepthToSpace { block: size_or_one, channel_first: flag }.into(),
        space::SpaceToDepth { block: size_or_one, channel_first: flag }.into(),
        reverse::ReverseSequence { time_first: flag }.into(),
        size::Shape { start: axis, end: flag.then_some(size as i64) }.into(),
        size::Size.into(),
        size::ConstantOfShape { value: Tensor::scalar(7u16) }.into(),
        range::Range.into(),
        range::OneHot { axis }.into(),
        triangle::EyeLike { dtype: flag.then_some(DType::F16), diagonal: axis }.into(),
        triangle::Trilu { upper: flag }.into(),
        selection::NonZero.into(),
        selection::Compress { axis: flag.then_some(axis) }.into(),
        unique::Unique { axis: flag.then_some(axis), sorted: size > 1 }.into(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_operands_are_moved_as_inferred_or_refused(operands in operands(), axis in -4i64..4, size in 0usize..4, flag: bool) {
        for op in all(axis, size, flag) {
            check(op.operation(), &operands);
        }
    }
}
