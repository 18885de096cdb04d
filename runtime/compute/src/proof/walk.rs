use std::collections::BTreeMap;

use super::flow::{Around, Flow, Here, Registers, Site, Walked, join, joined};
use super::registers::Arrays;
use super::value::Value;
use super::{Unproven, extents};
use crate::Kernel;
use crate::program::{NOWHERE, Node, Op, Program, Reg, Space, Touch, builtin};

/// Instructions that one proof looks at, again for each time: with it, no kernel takes long.
const LOOKS: usize = 1 << 16;

/// The walk through a program's tree.
pub(super) struct Walk<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) program: &'k Program,
    pub(super) invocations: usize,
    pub(super) arrays: Arrays,
    /// By the place of an access, how far its address reaches.
    extents: BTreeMap<usize, u32>,
    around: Vec<Around>,
    walked: Walked,
    looks: usize,
}

impl<'k> Walk<'k> {
    pub(super) fn new(kernel: &'k Kernel) -> Self {
        let program = &kernel.program;
        let mut reaches = BTreeMap::new();
        extents(program, |place, _, extent| {
            reaches.insert(place, extent.unwrap_or(0));
        });
        Self {
            kernel,
            program,
            invocations: kernel.workgroup_size.iter().product::<u32>() as usize,
            arrays: Arrays::of(program),
            extents: reaches,
            around: Vec::new(),
            walked: Walked { uniform: vec![true; program.ops.len()], sites: BTreeMap::new() },
            looks: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Walked, Unproven> {
        let mut registers = self.beginning();
        let here = Here { together: true, mask: vec![true; self.invocations].into() };
        self.block(&self.program.tree, &mut registers, &here)?;
        Ok(self.walked)
    }

    fn beginning(&self) -> Registers {
        let mut registers = vec![Value::Varying; self.program.registers as usize];
        for &(register, word) in &self.program.constants {
            registers[usize::from(register)] = Value::constant(word, self.invocations);
        }
        let known = |of: &dyn Fn(u32) -> u32| Value::Known((0..self.invocations as u32).map(of).collect());
        let [x, y, _] = self.kernel.workgroup_size;
        let local = usize::from(builtin::LOCAL_INVOCATION);
        registers[local] = known(&|index| index % x);
        registers[local + 1] = known(&|index| index / x % y);
        registers[local + 2] = known(&|index| index / x / y);
        registers[usize::from(builtin::LOCAL_INDEX)] = known(&|index| index);
        for first in [builtin::WORKGROUP, builtin::WORKGROUPS] {
            registers[usize::from(first)..][..3].fill(Value::Uniform);
        }
        registers
    }

    fn block(&mut self, nodes: &[Node], registers: &mut Registers, here: &Here) -> Result<Flow, Unproven> {
        let mut all = Flow { ends: true, ..Flow::default() };
        for node in nodes {
            let here = if all.leaves() { here.parted() } else { here.clone() };
            let flow = self.node(node, registers, &here)?;
            all = Flow { ends: flow.ends, ..all }.and(flow);
            if !all.ends {
                break;
            }
        }
        Ok(all)
    }

    fn node(&mut self, node: &Node, registers: &mut Registers, here: &Here) -> Result<Flow, Unproven> {
        match node {
            Node::Ops(ops) => {
                for place in ops.clone() {
                    self.op(place, registers, here)?;
                }
                Ok(Flow { ends: true, ..Flow::default() })
            }
            Node::If { condition, accept, reject } => {
                let condition = registers[usize::from(*condition)].clone();
                self.branch(&condition, [accept, reject], registers, here)
            }
            Node::Loop { body, continuing, break_if } => self.turns([body, continuing], *break_if, registers, here),
            Node::Switch { selector, tests, cases } => {
                tests.clone().for_each(|place| self.walked.uniform[place] &= here.together);
                let bodies: Vec<&[Node]> = cases.iter().map(|case| &case.body[..]).collect();
                let together = registers[usize::from(*selector)].is_uniform();
                self.switch(together, &bodies, registers, here)
            }
            Node::Call(body) => self.call(body, registers, here),
            Node::Break => Ok(self.leave(
                registers,
                here,
                |around| match around {
                    Around::Loop { breaks, .. } | Around::Switch { breaks } => Some(breaks),
                    Around::Call { .. } => None,
                },
                |flow| flow.breaks = true,
            )),
            Node::Continue => Ok(self.leave(
                registers,
                here,
                |around| match around {
                    Around::Loop { continues, .. } => Some(continues),
                    _ => None,
                },
                |flow| flow.continues = true,
            )),
            Node::Return => Ok(self.leave(
                registers,
                here,
                |around| match around {
                    Around::Call { returns } => Some(returns),
                    _ => None,
                },
                |flow| flow.returns = true,
            )),
        }
    }

    fn leave(
        &mut self,
        registers: &Registers,
        here: &Here,
        target: impl Fn(&mut Around) -> Option<&mut Vec<Registers>>,
        mark: impl Fn(&mut Flow),
    ) -> Flow {
        let target = self.around.iter_mut().rev().find_map(target).expect("validated: there is one around");
        target.push(registers.clone());
        let mut flow = Flow::default();
        if !here.together {
            mark(&mut flow);
        }
        flow
    }

    fn branch(
        &mut self,
        condition: &Value,
        [accept, reject]: [&[Node]; 2],
        registers: &mut Registers,
        here: &Here,
    ) -> Result<Flow, Unproven> {
        let together = condition.is_uniform();
        let mut other = registers.clone();
        let on = |wanted: bool| match condition {
            _ if together => here.clone(),
            Value::Known(words) => {
                let mask = here.mask.iter().zip(words.iter());
                let mask = mask.map(|(comes, word)| *comes && (*word != 0) == wanted).collect();
                Here { together: false, mask }
            }
            _ => here.parted(),
        };
        let yes = self.block(accept, registers, &on(true))?;
        let no = self.block(reject, &mut other, &on(false))?;
        match (yes.ends, no.ends) {
            (true, true) if together => join(registers, &other),
            (true, true) => {
                for register in self.written([accept, reject]) {
                    let (yes, no) = (&registers[register], &other[register]);
                    registers[register] = match condition {
                        Value::Known(condition) => Value::chosen(condition, yes, no),
                        _ => yes.parted(no),
                    };
                }
            }
            (false, true) => *registers = other,
            (_, false) => {}
        }
        Ok(Flow { ends: yes.ends || no.ends, ..yes.and(no) })
    }

    fn turns(
        &mut self,
        [body, continuing]: [&[Node]; 2],
        break_if: Option<Reg>,
        registers: &mut Registers,
        here: &Here,
    ) -> Result<Flow, Unproven> {
        let written = self.written([body, continuing]);
        let mut parted = !here.together;
        let mut head = registers.clone();
        loop {
            if parted {
                written.iter().for_each(|register| head[*register] = Value::Varying);
            }
            let here = if parted { here.parted() } else { here.clone() };
            let mut now = head.clone();
            self.around.push(Around::Loop { breaks: Vec::new(), continues: Vec::new() });
            let flow = self.block(body, &mut now, &here)?;
            let Some(Around::Loop { breaks, continues }) = self.around.pop() else { unreachable!("it was pushed") };
            let mut to_next = continues;
            to_next.extend(flow.ends.then_some(now));
            let mut next = joined(to_next);
            if let Some(next) = &mut next {
                self.block(continuing, next, &here)?;
            }
            let part_at_end = match (&next, break_if) {
                (Some(next), Some(condition)) => !next[usize::from(condition)].is_uniform(),
                _ => false,
            };
            if !parted && (flow.leaves() || part_at_end) {
                parted = true;
                continue;
            }
            let mut stable = head.clone();
            if let Some(next) = &next {
                join(&mut stable, next);
            }
            if stable != head {
                head = stable;
                continue;
            }
            // Out of fuel, any loop is left at its head.
            let mut ends = breaks;
            ends.push(head);
            ends.extend(next.filter(|_| break_if.is_some()));
            *registers = joined(ends).expect("its head is one");
            if parted {
                written.iter().for_each(|register| registers[*register] = Value::Varying);
            }
            return Ok(Flow { ends: true, returns: flow.returns, ..Flow::default() });
        }
    }

    fn switch(
        &mut self,
        together: bool,
        bodies: &[&[Node]],
        registers: &mut Registers,
        here: &Here,
    ) -> Result<Flow, Unproven> {
        let here = if together { here.clone() } else { here.parted() };
        let mut all = Flow::default();
        self.around.push(Around::Switch { breaks: Vec::new() });
        let mut ends = Vec::new();
        for body in bodies {
            let mut now = registers.clone();
            let flow = self.block(body, &mut now, &here)?;
            ends.extend(flow.ends.then_some(now));
            all = all.and(flow);
        }
        let Some(Around::Switch { breaks }) = self.around.pop() else { unreachable!("it was pushed") };
        ends.extend(breaks);
        let parted = !together || all.breaks;
        Ok(self.come_together(ends, parted.then_some(bodies), registers, Flow { breaks: false, ..all }))
    }

    fn call(&mut self, body: &[Node], registers: &mut Registers, here: &Here) -> Result<Flow, Unproven> {
        self.around.push(Around::Call { returns: Vec::new() });
        let mut now = registers.clone();
        let flow = self.block(body, &mut now, here)?;
        let Some(Around::Call { returns }) = self.around.pop() else { unreachable!("it was pushed") };
        let mut ends = returns;
        ends.extend(flow.ends.then_some(now));
        Ok(self.come_together(ends, flow.returns.then_some(&[body]), registers, Flow::default()))
    }

    /// Goes on where ways end; `parted` is what was written on them, if invocations came on different ones.
    fn come_together(
        &self,
        ends: Vec<Registers>,
        parted: Option<&[&[Node]]>,
        registers: &mut Registers,
        flow: Flow,
    ) -> Flow {
        let Some(end) = joined(ends) else { return Flow { ends: false, ..flow } };
        *registers = end;
        for body in parted.into_iter().flatten() {
            for register in self.written([body, &[]]) {
                registers[register] = Value::Varying;
            }
        }
        Flow { ends: true, ..flow }
    }

    /// Looks at an instruction.
    fn op(&mut self, place: usize, registers: &mut Registers, here: &Here) -> Result<(), Unproven> {
        self.looks += 1;
        if self.looks > LOOKS {
            return Err(Unproven::new("it takes too long to prove"));
        }
        let op = self.program.ops[place];
        self.walked.uniform[place] &= here.together;
        match op {
            Op::Barrier if !here.together => return Err(Unproven::new("a barrier where invocations may have parted")),
            _ => {}
        }
        if let Some(touch) = op.touch().filter(|touch| touch.space == Space::Workgroup) {
            self.touch(place, touch, registers, here);
        }
        let (to, values) = self.results(&op, registers);
        for (register, value) in (usize::from(to)..).zip(values) {
            // What indices reach is not followed.
            let is_followed = self.arrays.around(register as u32).is_none();
            registers[register] = if is_followed { value } else { Value::Varying };
        }
        Ok(())
    }

    /// Notes an access to workgroup memory. The last time counts: only then is what is known of a loop true of all turns.
    fn touch(&mut self, place: usize, touch: Touch, registers: &Registers, here: &Here) {
        let Touch { address, fixed, words, manner, .. } = touch;
        let known = match address.map(|address| &registers[usize::from(address)]) {
            None => Some(vec![0; self.invocations]),
            Some(Value::Known(addresses)) => Some(addresses.to_vec()),
            Some(_) => None,
        };
        let known = known.map(|addresses| {
            let places = (0..).zip(addresses).zip(here.mask.iter());
            let places = places.filter(|((_, address), comes)| **comes && *address != NOWHERE);
            places.map(|((index, address), _)| (index, address + fixed)).collect()
        });
        let words = u32::from(words);
        let end = fixed.saturating_add(self.extents[&place]).saturating_add(words);
        let site = Site { manner, known, reach: fixed..end, words };
        self.walked.sites.insert(place, site);
    }
}
