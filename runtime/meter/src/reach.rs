//! Which instructions some path leads to.

use wasmparser::Operator;

/// Follows a body and tells code that a path leads to from code behind a branch that is always taken.
#[derive(Default)]
pub(crate) struct Reachability {
    /// In dead code, the number of blocks opened in it.
    dead: Option<u32>,
}

impl Reachability {
    /// Whether the instruction counts: it is live, or it is the `else` or `end` that ends dead code.
    pub(crate) fn admits(&mut self, op: &Operator<'_>) -> bool {
        let Some(depth) = self.dead else {
            if ends_path(op) {
                self.dead = Some(0);
            }
            return true;
        };
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => self.dead = Some(depth + 1),
            Operator::Else | Operator::End if depth == 0 => {
                self.dead = None;
                return true;
            }
            Operator::End => self.dead = Some(depth - 1),
            _ => {}
        }
        false
    }

    /// Whether the last path ended, so that the next instruction is dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.is_some()
    }
}

fn ends_path(op: &Operator<'_>) -> bool {
    matches!(
        op,
        Operator::Br { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::Unreachable
    )
}
