//! What a function body has in it: read once, before anything is written.

use wasmparser::{FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, ValidatorResources};

use crate::nan::CanonicalPoints;
use crate::ops::{can_trap, computes, cost_of, is_bulk};
use crate::reach::Reachability;
use crate::{CostTable, Refused};

/// What one defined function has and does.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionFacts {
    /// Parameters and locals.
    pub(crate) locals: u32,
    /// The greatest height of the operand stack.
    pub(crate) operands: u32,
    /// How many values it computes.
    pub(crate) values: u32,
    /// Sum of the static costs of its instructions.
    pub(crate) cost: u64,
    /// Defined functions that it calls directly, without repeats, numbered from the first defined one.
    pub(crate) callees: Vec<u32>,
    /// Whether it calls an imported function or through a table.
    pub(crate) calls_out: bool,
    /// Whether it calls through a table.
    pub(crate) calls_indirect: bool,
    /// Whether it has a loop.
    pub(crate) has_loop: bool,
    /// Whether it has a bulk operation.
    pub(crate) has_bulk: bool,
    /// Whether some instruction of its own can trap.
    pub(crate) can_trap: bool,
    /// Whether some branch goes to the function's own label.
    pub(crate) branches_to_body: bool,
    /// Where its NaNs are made canonical, if the meter does it.
    pub(crate) canonical: CanonicalPoints,
}

impl FunctionFacts {
    /// Whether callers charge for it, provided that its address is never taken.
    pub(crate) fn is_leaf(&self, costs: &CostTable) -> bool {
        self.callees.is_empty()
            && !self.calls_out
            && !self.has_loop
            && !self.has_bulk
            && self.cost <= u64::from(costs.leaf)
    }
}

/// Validates one body and gathers its facts. `imported` is the number of imported functions.
///
/// # Errors
/// [`Refused::Invalid`].
pub(crate) fn scan(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    imported: u32,
    costs: &CostTable,
    allocations: FuncValidatorAllocations,
) -> Result<(FunctionFacts, FuncValidatorAllocations), Refused> {
    let mut validator = function.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut facts = FunctionFacts { locals: validator.len_locals(), ..FunctionFacts::default() };
    let mut reach = Reachability::default();
    let mut ops = body.get_operators_reader()?;
    while !ops.eof() {
        let offset = ops.original_position();
        let op = ops.read()?;
        let live = reach.admits(&op);
        if live {
            facts.note_branches(&op, validator.control_stack_height());
        }
        validator.op(offset, &op)?;
        if live {
            facts.operands = facts.operands.max(validator.operand_stack_height());
            facts.note(&op, imported, costs);
        }
    }
    ops.finish()?;
    facts.callees.sort_unstable();
    facts.callees.dedup();
    Ok((facts, validator.into_allocations()))
}

impl FunctionFacts {
    fn note(&mut self, op: &Operator<'_>, imported: u32, costs: &CostTable) {
        self.cost += cost_of(op, costs);
        self.values += u32::from(computes(op));
        self.can_trap |= can_trap(op);
        self.has_bulk |= is_bulk(op);
        match op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                match function_index.checked_sub(imported) {
                    Some(defined) => self.callees.push(defined),
                    None => self.calls_out = true,
                }
            }
            Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => {
                self.calls_out = true;
                self.calls_indirect = true;
            }
            Operator::Loop { .. } => self.has_loop = true,
            _ => {}
        }
    }

    fn note_branches(&mut self, op: &Operator<'_>, open_frames: u32) {
        let body = open_frames.saturating_sub(1);
        self.branches_to_body |= match op {
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => *relative_depth == body,
            Operator::BrTable { targets } => {
                targets.default() == body || targets.targets().any(|target| target.is_ok_and(|depth| depth == body))
            }
            _ => false,
        };
    }
}
