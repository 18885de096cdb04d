//! What there is to know of a module's functions before one is rewritten.

use std::collections::BTreeSet;

use wasmparser::{
    ElementItems, ExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload,
    TypeRef, ValidPayload, Validator, ValidatorResources,
};

use super::operators::{bulk_kind, computes, cost, live_ops};

#[derive(Clone, Default)]
pub(super) struct Facts {
    pub(super) locals: u32,
    pub(super) frame: i64,
    pub(super) cost: i64,
    callees: BTreeSet<u32>,
    calls_out: bool,
    loops_or_bulk: bool,
}

#[derive(Default)]
pub(super) struct Survey {
    pub(super) imported_functions: u32,
    pub(super) globals: u32,
    function_types: Vec<u32>,
    results: Vec<usize>,
    taken: BTreeSet<u32>,
    pub(super) facts: Vec<Facts>,
    pub(super) checked: Vec<bool>,
    pub(super) chains: Vec<i64>,
}

impl Survey {
    pub(super) fn read(module: &[u8]) -> Self {
        let mut this = Self::default();
        let mut validator = Validator::new_with_features(poai_meter::features());
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.unwrap();
            if let ValidPayload::Func(function, body) = validator.payload(&payload).unwrap() {
                let facts = this.facts_of(function, &body);
                this.facts.push(facts);
            }
            this.note(payload);
        }
        for f in 0..this.facts.len() {
            let number = this.imported_functions + f as u32;
            let checked = this.taken.contains(&number) || this.reaches(f, f);
            this.checked.push(checked);
        }
        this.chains = vec![-1; this.facts.len()];
        for f in 0..this.facts.len() {
            this.chain(f);
        }
        this
    }

    fn note(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    self.results.push(ty.unwrap().results().len());
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import.unwrap().ty {
                        TypeRef::Func(ty) => {
                            self.imported_functions += 1;
                            self.function_types.push(ty);
                        }
                        TypeRef::Global(_) => self.globals += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.function_types.extend(section.into_iter().map(|ty| ty.unwrap()));
            }
            Payload::GlobalSection(section) => {
                self.globals += section.count();
                for global in section {
                    self.note_expression(global.unwrap().init_expr);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    if export.kind == ExternalKind::Func {
                        self.taken.insert(export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => {
                self.taken.insert(func);
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    match segment.unwrap().items {
                        ElementItems::Functions(items) => {
                            self.taken.extend(items.into_iter().map(|item| item.unwrap()));
                        }
                        ElementItems::Expressions(_, items) => {
                            items.into_iter().for_each(|item| self.note_expression(item.unwrap()));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn note_expression(&mut self, expression: wasmparser::ConstExpr<'_>) {
        for op in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = op.unwrap() {
                self.taken.insert(function_index);
            }
        }
    }

    fn facts_of(&self, function: FuncToValidate<ValidatorResources>, body: &FunctionBody<'_>) -> Facts {
        let mut validator = function.into_validator(FuncValidatorAllocations::default());
        validator.read_locals(&mut body.get_binary_reader()).unwrap();
        let mut facts = Facts::default();
        let (mut height, mut values) = (0, 0);
        let live = live_ops(body);
        for (op, is_live) in &live {
            validator.op(1, op).unwrap();
            if !is_live {
                continue;
            }
            height = height.max(validator.operand_stack_height());
            facts.cost += cost(op);
            values += i64::from(computes(op));
            facts.loops_or_bulk |= matches!(op, Operator::Loop { .. }) || bulk_kind(op).is_some();
            match op {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    if *function_index < self.imported_functions {
                        facts.calls_out = true;
                    } else {
                        facts.callees.insert(*function_index - self.imported_functions);
                    }
                }
                Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => facts.calls_out = true,
                _ => {}
            }
        }
        facts.locals = validator.len_locals();
        facts.frame = 64 + 16 * i64::from(validator.len_locals() + height) + values / 2;
        facts
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<u32> = self.facts[from].callees.iter().copied().collect();
        while let Some(f) = pending.pop() {
            if f as usize == to {
                return true;
            }
            if seen.insert(f) {
                pending.extend(&self.facts[f as usize].callees);
            }
        }
        false
    }

    fn chain(&mut self, f: usize) -> i64 {
        if self.chains[f] < 0 {
            let mut deepest = 0;
            for g in self.facts[f].callees.clone() {
                if !self.checked[g as usize] {
                    deepest = deepest.max(self.facts[g as usize].frame + self.chain(g as usize));
                }
            }
            self.chains[f] = deepest;
        }
        self.chains[f]
    }

    /// The defined function's facts, if it is a small leaf that its callers charge for.
    pub(super) fn leaf(&self, function: u32) -> Option<&Facts> {
        let facts = &self.facts[function.checked_sub(self.imported_functions)? as usize];
        let small = facts.callees.is_empty() && !facts.calls_out && !facts.loops_or_bulk && facts.cost <= 64;
        (small && !self.taken.contains(&function)).then_some(facts)
    }
}
