//! Where a body charges, and how much.

use std::collections::BTreeMap;

use wasmparser::Operator;

use super::operators::{cost, targets};
use super::survey::Survey;

/// A charge to be made before an instruction, and whether the sign is tested there.
pub(super) type Charges = BTreeMap<usize, (i64, bool)>;

struct Frame {
    point: Option<usize>,
    is_block: bool,
    is_target: bool,
}

/// Where a body charges: every frame remembers its point, and a branch makes frames forget.
pub(super) fn points(ops: &[(Operator<'_>, bool)], survey: &Survey) -> Charges {
    let mut charges = Charges::from([(0, (0, true))]);
    let mut frames = vec![Frame { point: Some(0), is_block: true, is_target: false }];
    for (index, (op, live)) in ops.iter().enumerate() {
        if !live && !matches!(op, Operator::Else | Operator::End) {
            // Blocks in dead code still need their frames.
            if matches!(op, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) {
                frames.push(Frame { point: None, is_block: false, is_target: false });
            }
            continue;
        }
        let mut price = cost(op);
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = op {
            price += survey.leaf(*function_index).map_or(0, |facts| facts.cost);
        }
        if price > 0 {
            let top = frames.last_mut().unwrap();
            let at = *top.point.get_or_insert(index);
            charges.entry(at).or_insert((0, false)).0 += price;
        }
        match op {
            Operator::Block { .. } => {
                let point = frames.last().unwrap().point;
                frames.push(Frame { point, is_block: true, is_target: false });
            }
            Operator::Loop { .. } => {
                charges.insert(index + 1, (0, true));
                frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false });
            }
            Operator::If { .. } => frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false }),
            Operator::Else => {
                frames.pop();
                frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false });
            }
            Operator::End => {
                let inner = frames.pop().unwrap();
                if let Some(outer) = frames.last_mut()
                    && inner.is_block
                    && !inner.is_target
                    && outer.point.is_none()
                {
                    outer.point = inner.point;
                }
            }
            _ => {}
        }
        for depth in targets(op, frames.len()) {
            let target = frames.len() - 1 - depth;
            frames[target].is_target = true;
            frames[target..].iter_mut().for_each(|frame| frame.point = None);
        }
    }
    charges.retain(|_, (cost, _)| *cost > 0);
    charges
}
