//! What instructions do to what is known of registers.

use super::flow::Registers;
use super::value::Value;
use super::walk::Walk;
use crate::Access;
use crate::arithmetic::{Binary, Ternary, Unary};
use crate::program::{Bound, NOWHERE, Node, Op, Reg, Space};

impl Walk<'_> {
    /// The values that an instruction puts into registers in a row.
    pub(super) fn results(&self, op: &Op, registers: &Registers) -> (Reg, Vec<Value>) {
        let at = |register: Reg| &registers[usize::from(register)];
        let lanes = |count: u8, of: &dyn Fn(Reg) -> Value| (0..Reg::from(count)).map(of).collect();
        match *op {
            Op::Copy { to, from, words } => (to, registers[usize::from(from)..][..usize::from(words)].to_vec()),
            Op::Splat { to, from, words } => (to, vec![at(from).clone(); usize::from(words)]),
            Op::Unary { op, lanes: count, to, a } => (to, lanes(count, &|lane| unary(op, at(a + lane)))),
            Op::Binary { op, lanes: count, to, a, b } => {
                (to, lanes(count, &|lane| binary(op, at(a + lane), at(b + lane))))
            }
            Op::Ternary { op, lanes: count, to, a, b, c } => {
                (to, lanes(count, &|lane| ternary(op, [at(a + lane), at(b + lane), at(c + lane)])))
            }
            Op::Select { condition, to, yes, no, words } => {
                let of = |word| ternary(Ternary::Select, [at(condition), at(no + word), at(yes + word)]);
                (to, (0..words).map(of).collect())
            }
            Op::Holds { lanes, to, a, .. } => {
                let together = (0..Reg::from(lanes)).all(|lane| at(a + lane).is_uniform());
                (to, vec![if together { Value::Uniform } else { Value::Varying }])
            }
            Op::Address { stride, to, index, base } => (to, vec![self.address(stride, at(index), base.map(at))]),
            Op::Length { to, .. } => (to, vec![Value::Uniform]),
            Op::Load { space, to, address, words, .. } => {
                let is_shared = match space {
                    Space::Registers => false,
                    Space::Workgroup => true,
                    Space::Storage(binding) => self.kernel.variables[usize::from(binding)].access == Access::Read,
                };
                let uniform = is_shared && address.is_none_or(|address| at(address).is_uniform());
                (to, vec![if uniform { Value::Uniform } else { Value::Varying }; usize::from(words)])
            }
            Op::Charge(_) | Op::Jump(_) | Op::JumpIf { .. } | Op::JumpUnless { .. } => (0, Vec::new()),
            Op::Store { .. } | Op::Atomic { .. } | Op::Barrier | Op::End => (0, Vec::new()),
        }
    }

    fn address(&self, stride: u16, index: &Value, base: Option<&Value>) -> Value {
        let stride = self.program.strides[usize::from(stride)];
        let zero = Value::constant(0, self.invocations);
        let operands = [index, base.unwrap_or(&zero)];
        match stride.bound {
            Bound::Fixed(count) => Value::of(&operands, |[index, base, _]| {
                if index < count && base != NOWHERE { base + index * stride.words } else { NOWHERE }
            }),
            // Nobody knows the length, but all have the same.
            Bound::Runtime { .. } if operands.iter().all(|operand| operand.is_uniform()) => Value::Uniform,
            Bound::Runtime { .. } => Value::Varying,
        }
    }

    /// The registers that are written in some blocks, but for those that indices reach.
    pub(super) fn written(&self, blocks: [&[Node]; 2]) -> Vec<usize> {
        let mut found = vec![false; self.program.registers as usize];
        blocks.iter().for_each(|block| self.mark_written(block, &mut found));
        found.iter().enumerate().filter_map(|(register, found)| found.then_some(register)).collect()
    }

    fn mark_written(&self, nodes: &[Node], found: &mut [bool]) {
        for node in nodes {
            match node {
                Node::Ops(ops) => ops.clone().for_each(|place| {
                    if let Some((to, words)) = self.program.ops[place].written() {
                        found[usize::from(to)..][..usize::from(words)].fill(true);
                    }
                }),
                Node::If { accept, reject, .. } => [accept, reject].iter().for_each(|it| self.mark_written(it, found)),
                Node::Loop { body, continuing, .. } => {
                    [body, continuing].iter().for_each(|it| self.mark_written(it, found));
                }
                Node::Switch { cases, .. } => cases.iter().for_each(|case| self.mark_written(&case.body, found)),
                Node::Call(body) => self.mark_written(body, found),
                Node::Break | Node::Continue | Node::Return => {}
            }
        }
    }
}

fn unary(op: Unary, a: &Value) -> Value {
    Value::of(&[a], |[a, ..]| op.of(a))
}

fn binary(op: Binary, a: &Value, b: &Value) -> Value {
    Value::of(&[a, b], |[a, b, _]| op.of(a, b))
}

fn ternary(op: Ternary, [a, b, c]: [&Value; 3]) -> Value {
    Value::of(&[a, b, c], |[a, b, c]| op.of(a, b, c))
}
