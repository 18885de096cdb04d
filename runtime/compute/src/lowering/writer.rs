use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use super::Lowered;
use super::atomics::Words;
use super::operations::{Operation, Text};
use crate::Kernel;
use crate::arithmetic::{Binary, Ternary};
use crate::program::{Bound, Case, NOWHERE, Node, Op, Program, Reg, Space};
use crate::proof::{Arrays, Proof};

/// A kernel's text in the making.
pub(super) struct Writer<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) program: &'k Program,
    proof: &'k Proof,
    /// How workgroup memory is declared.
    pub(super) shared: Words,
    pub(super) arrays: Arrays,
    constants: BTreeMap<Reg, u32>,
    /// Registers that the text names.
    pub(super) named: BTreeSet<Reg>,
    operations: BTreeSet<Operation>,
    /// Functions that are complete.
    functions: String,
    calls: usize,
    /// The function that is being written.
    text: String,
}

impl<'k> Writer<'k> {
    pub(super) fn new(kernel: &'k Kernel, proof: &'k Proof, shared: Words) -> Self {
        let program = &kernel.program;
        Self {
            kernel,
            program,
            proof,
            shared,
            arrays: Arrays::of(program),
            constants: program.constants.iter().copied().collect(),
            named: BTreeSet::new(),
            operations: BTreeSet::new(),
            functions: String::new(),
            calls: 0,
            text: String::new(),
        }
    }

    pub(super) fn write(mut self) -> Lowered {
        self.nodes(&self.program.tree);
        let run = std::mem::take(&mut self.text);
        let begin = self.beginning();
        let source = [self.variables(), self.accesses(), self.functions, format!("fn task_run() {{\n{run}}}\n"), begin];
        Lowered { source: source.concat(), operations: self.operations }
    }

    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Ops(ops) => ops.clone().for_each(|place| self.op(place)),
                Node::If { condition, accept, reject } => self.branch(*condition, accept, reject),
                Node::Loop { body, continuing, break_if } => self.turns(body, continuing, *break_if),
                Node::Switch { selector, tests, cases } => self.switch(*selector, tests, cases),
                Node::Call(body) => self.call(body),
                Node::Break => return self.line("break;"),
                Node::Continue => return self.line("continue;"),
                Node::Return => return self.line("return;"),
            }
        }
    }

    fn branch(&mut self, condition: Reg, accept: &[Node], reject: &[Node]) {
        let condition = self.word(condition);
        self.line(format!("if ({condition} != 0u) {{"));
        self.nodes(accept);
        if !reject.is_empty() {
            self.line("} else {");
            self.nodes(reject);
        }
        self.line("}");
    }

    fn turns(&mut self, body: &[Node], continuing: &[Node], break_if: Option<Reg>) {
        let Some((Node::Ops(head), rest)) = body.split_first() else {
            unreachable!("a loop begins with its charge");
        };
        self.line("loop {");
        self.op(head.start);
        let spent = if self.proof.is_uniform(head.start) {
            "task_together > task_limit_together"
        } else {
            "task_together + task_apart > task_limit"
        };
        self.line(format!("if ({spent}) {{ break; }}"));
        (head.start + 1..head.end).for_each(|place| self.op(place));
        self.nodes(rest);
        self.line("continuing {");
        self.nodes(continuing);
        if let Some(condition) = break_if {
            let condition = self.word(condition);
            self.line(format!("break if {condition} != 0u;"));
        }
        self.line("}\n}");
    }

    fn switch(&mut self, selector: Reg, tests: &Range<usize>, cases: &[Case]) {
        let selector = self.word(selector);
        let name = |value: Option<u32>| value.map_or_else(|| "default".into(), |value| format!("{value}u"));
        self.line(format!("switch {selector} {{"));
        for selected in cases.iter().flat_map(|case| &case.values) {
            let charge = self.charge(tests.start, selected.cost);
            self.line(format!("case {}: {{ {charge} }}", name(selected.value)));
        }
        self.line(format!("}}\nswitch {selector} {{"));
        for case in cases {
            let values: Vec<_> = case.values.iter().map(|selected| name(selected.value)).collect();
            self.line(format!("case {}: {{", values.join(", ")));
            self.nodes(&case.body);
            self.line("}");
        }
        self.line("}");
    }

    /// A function that only its end returns from is written out; another is a function.
    fn call(&mut self, body: &[Node]) {
        let body = if let [body @ .., Node::Return] = body { body } else { body };
        if !returns(body) {
            self.line("{");
            self.nodes(body);
            return self.line("}");
        }
        let around = std::mem::take(&mut self.text);
        self.nodes(body);
        let text = std::mem::replace(&mut self.text, around);
        let name = format!("call_{}", self.calls);
        self.calls += 1;
        let _ = writeln!(self.functions, "fn {name}() {{\n{text}}}");
        self.line(format!("{name}();"));
    }

    fn charge(&self, place: usize, cost: u32) -> String {
        let counter = if self.proof.is_uniform(place) { "task_together" } else { "task_apart" };
        format!("{counter} = task_capped({counter} + {cost}u);")
    }

    /// A register's word.
    fn word(&mut self, register: Reg) -> String {
        match self.constants.get(&register) {
            Some(word) => format!("{word}u"),
            None => self.variable(register),
        }
    }

    /// A register as a variable.
    pub(super) fn variable(&mut self, register: Reg) -> String {
        if let Some((array, begin)) = self.arrays.around(register.into()) {
            return format!("a{array}[{}]", u32::from(register) - begin);
        }
        self.named.insert(register);
        format!("r{register}")
    }

    fn set(&mut self, register: Reg, value: &str) {
        let variable = self.variable(register);
        self.line(format!("{variable} = {value};"));
    }

    fn operation(&mut self, operation: Operation, operands: &[Reg]) -> String {
        let operands: Vec<_> = operands.iter().map(|register| self.word(*register)).collect();
        match operation.text(&operands) {
            Text::Own(text) => text,
            Text::Call(text) => {
                self.operations.insert(operation);
                text
            }
        }
    }

    fn op(&mut self, place: usize) {
        match self.program.ops[place] {
            Op::Charge(cost) => {
                let charge = self.charge(place, cost);
                self.line(charge);
            }
            Op::Copy { to, from, words } => {
                for word in in_order(to, from, words) {
                    let value = self.word(from + word);
                    self.set(to + word, &value);
                }
            }
            Op::Splat { to, from, words } => {
                let value = self.word(from);
                (0..words).for_each(|word| self.set(to + word, &value));
            }
            Op::Unary { op, lanes, to, a } => {
                self.lanes(lanes, to, |lane| (Operation::Unary(op), vec![a + lane]));
            }
            Op::Binary { op, lanes, to, a, b } => {
                self.lanes(lanes, to, |lane| (Operation::Binary(op), vec![a + lane, b + lane]));
            }
            Op::Ternary { op, lanes, to, a, b, c } => {
                self.lanes(lanes, to, |lane| (Operation::Ternary(op), vec![a + lane, b + lane, c + lane]));
            }
            Op::Select { condition, to, yes, no, words } => {
                // Both are values of their own, apart from the result.
                for word in 0..words {
                    let operands = [condition, no + word, yes + word];
                    let value = self.operation(Operation::Ternary(Ternary::Select), &operands);
                    self.set(to + word, &value);
                }
            }
            Op::Holds { all, lanes, to, a } => self.holds(all, lanes, to, a),
            Op::Address { stride, to, index, base } => self.address(stride, to, index, base),
            Op::Length { stride, to } => {
                let length = self.length(stride);
                self.set(to, &length);
            }
            Op::Load { space, to, address, fixed, words } => self.load(space, to, address, fixed, words),
            Op::Store { space, address, fixed, from, words } => self.store(space, address, fixed, from, words),
            Op::Atomic { op, space, address, fixed, from } => self.change(op, space, (address, fixed), from),
            Op::Barrier => self.line("workgroupBarrier();"),
            Op::Jump(_) | Op::JumpIf { .. } | Op::JumpUnless { .. } | Op::End => {}
        }
    }

    fn lanes(&mut self, lanes: u8, to: Reg, of: impl Fn(Reg) -> (Operation, Vec<Reg>)) {
        for lane in 0..Reg::from(lanes) {
            let (operation, operands) = of(lane);
            let value = self.operation(operation, &operands);
            self.set(to + lane, &value);
        }
    }

    fn holds(&mut self, all: bool, lanes: u8, to: Reg, a: Reg) {
        let lanes: Vec<_> = (0..Reg::from(lanes)).map(|lane| format!("{} != 0u", self.word(a + lane))).collect();
        let lanes = lanes.join(if all { " && " } else { " || " });
        self.set(to, &format!("select(0u, 1u, {lanes})"));
    }

    fn address(&mut self, stride: u16, to: Reg, index: Reg, base: Option<Reg>) {
        let words = self.program.strides[usize::from(stride)].words;
        let (index, length) = (self.word(index), self.length(stride));
        let (place, is_somewhere) = match base.map(|base| self.word(base)) {
            Some(base) => (format!("{base} + {index} * {words}u"), format!(" && {base} != {NOWHERE}u")),
            None => (format!("{index} * {words}u"), String::new()),
        };
        self.set(to, &format!("select({NOWHERE}u, {place}, {index} < {length}{is_somewhere})"));
    }

    /// Elements that an index may name.
    fn length(&self, stride: u16) -> String {
        let stride = self.program.strides[usize::from(stride)];
        match stride.bound {
            Bound::Fixed(count) => format!("{count}u"),
            Bound::Runtime { binding, before } => {
                let rest = format!("select(0u, words{binding} - {before}u, words{binding} > {before}u)");
                format!("({rest} / {}u)", stride.words.max(1))
            }
        }
    }

    fn load(&mut self, space: Space, to: Reg, address: Option<Reg>, fixed: u32, words: u16) {
        let address = address.map(|address| self.word(address));
        for word in 0..words {
            let at = fixed + u32::from(word);
            let value = match (space, &address) {
                (Space::Storage(binding), Some(address)) => format!("load{binding}({address}, {at}u)"),
                (Space::Storage(binding), None) => format!("load{binding}(0u, {at}u)"),
                (_, None) => self.words_of(space).load(&self.part(space, None, at)),
                (_, Some(address)) => {
                    let part = self.words_of(space).load(&self.part(space, Some(address), at));
                    format!("select(0u, {part}, {address} != {NOWHERE}u)")
                }
            };
            self.set(to + word, &value);
        }
    }

    fn store(&mut self, space: Space, address: Option<Reg>, fixed: u32, from: Reg, words: u16) {
        let address = address.map(|address| self.word(address));
        let is_checked = !matches!(space, Space::Storage(_));
        if let Some(address) = address.as_ref().filter(|_| is_checked) {
            self.line(format!("if ({address} != {NOWHERE}u) {{"));
        }
        for word in 0..words {
            let (at, value) = (fixed + u32::from(word), self.word(from + word));
            let line = match (space, &address) {
                (Space::Storage(binding), Some(address)) => format!("store{binding}({address}, {at}u, {value});"),
                (Space::Storage(binding), None) => format!("store{binding}(0u, {at}u, {value});"),
                (_, address) => self.words_of(space).store(&self.part(space, address.as_deref(), at), &value),
            };
            self.line(line);
        }
        if address.is_some() && is_checked {
            self.line("}");
        }
    }

    /// Changes a word at once.
    fn change(&mut self, op: Binary, space: Space, (address, fixed): (Option<Reg>, u32), from: Reg) {
        let (address, word) = (address.map(|address| self.word(address)), self.word(from));
        if let Space::Storage(binding) = space {
            let address = address.unwrap_or_else(|| "0u".to_owned());
            return self.line(format!("change{binding}({address}, {fixed}u, {word});"));
        }
        let change = self.shared.change(op, &self.part(space, address.as_deref(), fixed), &word);
        match address {
            Some(address) => self.line(format!("if ({address} != {NOWHERE}u) {{ {change} }}")),
            None => self.line(change),
        }
    }

    /// How the words of a space are declared.
    pub(super) fn words_of(&self, space: Space) -> Words {
        match space {
            Space::Registers => Words::Plain,
            Space::Workgroup => self.shared,
            Space::Storage(_) => Words::of(&self.program.changes(space)).expect("a buffer has one kind of change"),
        }
    }

    /// A word of workgroup memory, or of an array of the invocation's own.
    fn part(&self, space: Space, address: Option<&str>, fixed: u32) -> String {
        let (name, fixed) = match space {
            Space::Registers => {
                let (array, begin) = self.arrays.around(fixed).expect("what is addressed is an array");
                (format!("a{array}"), fixed - begin)
            }
            _ => ("workgroup_words".to_owned(), fixed),
        };
        match address {
            // naga checks no index of a shader that has atomics, and an index has a value also where it is not used.
            Some(address) if self.shared != Words::Plain => {
                format!("{name}[select(0u, {address} + {fixed}u, {address} != {NOWHERE}u)]")
            }
            Some(address) => format!("{name}[{address} + {fixed}u]"),
            None => format!("{name}[{fixed}u]"),
        }
    }
}

/// Whether any of the nodes returns from the call that they are in.
fn returns(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Return => true,
        Node::If { accept, reject, .. } => returns(accept) || returns(reject),
        Node::Loop { body, continuing, .. } => returns(body) || returns(continuing),
        Node::Switch { cases, .. } => cases.iter().any(|case| returns(&case.body)),
        Node::Ops(_) | Node::Call(_) | Node::Break | Node::Continue => false,
    })
}

/// The words of a copy in an order in which none is overwritten before it is read.
fn in_order(to: Reg, from: Reg, words: u16) -> Box<dyn Iterator<Item = u16>> {
    if to <= from { Box::new(0..words) } else { Box::new((0..words).rev()) }
}
