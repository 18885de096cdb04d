use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Around, Flow, Here, Site, State, Walked, joined};
use super::loops::Loop;
use super::registers::Arrays;
use super::since::Since;
use super::value::Value;
use super::{Unproven, extents};
use crate::Kernel;
use crate::program::{NOWHERE, Node, Op, Program, Space, Touch, builtin};

/// Instructions that one proof looks at, again for each time: with it, no kernel takes long.
const LOOKS: usize = 1 << 17;
/// How many of them it has seen when it follows no more turns.
const LOOKS_FOLLOWED: usize = LOOKS / 2;
/// Barriers any of which may be the last at an access, that take as long as a look.
const BARRIERS_OF_LOOK: usize = 16;

/// The walk through a program's tree.
pub(super) struct Walk<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) program: &'k Program,
    pub(super) invocations: usize,
    pub(super) arrays: Arrays,
    /// By the place of an access, how far its address reaches.
    extents: BTreeMap<usize, u32>,
    pub(super) around: Vec<Around>,
    /// The turns that are followed around, of the outermost loop first.
    pub(super) turns: Vec<usize>,
    /// The sites' numbers, by the turns that they are in and the instruction's place.
    numbers: BTreeMap<(Vec<usize>, usize), usize>,
    /// Those of barriers, from 1; 0 is the beginning.
    barriers: BTreeMap<(Vec<usize>, usize), usize>,
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
            turns: Vec::new(),
            numbers: BTreeMap::new(),
            barriers: BTreeMap::new(),
            walked: Walked { uniform: vec![true; program.ops.len()], sites: Vec::new(), intervals: BTreeSet::new() },
            looks: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Walked, Unproven> {
        let mut state = self.beginning();
        let here = Here { together: true, mask: vec![true; self.invocations].into() };
        self.block(&self.program.tree, &mut state, &here)?;
        self.walked.intervals.extend(state.since.intervals());
        Ok(self.walked)
    }

    fn beginning(&self) -> State {
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
        State { registers, since: Since::barrier(0) }
    }

    pub(super) fn block(&mut self, nodes: &[Node], state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        let mut all = Flow { ends: true, ..Flow::default() };
        for node in nodes {
            let here = if all.leaves() { here.parted() } else { here.clone() };
            let flow = self.node(node, state, &here)?;
            all = Flow { ends: flow.ends, ..all }.and(flow);
            if !all.ends {
                break;
            }
        }
        Ok(all)
    }

    fn node(&mut self, node: &Node, state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        match node {
            Node::Ops(ops) => {
                for place in ops.clone() {
                    self.op(place, state, here)?;
                }
                Ok(Flow { ends: true, ..Flow::default() })
            }
            Node::If { condition, accept, reject } => {
                let condition = state[usize::from(*condition)].clone();
                self.branch(&condition, [accept, reject], state, here)
            }
            Node::Loop { body, continuing, break_if } => {
                self.turns(Loop { body, continuing, break_if: *break_if }, state, here)
            }
            Node::Switch { selector, tests, cases } => {
                tests.clone().for_each(|place| self.walked.uniform[place] &= here.together);
                let bodies: Vec<&[Node]> = cases.iter().map(|case| &case.body[..]).collect();
                let together = state[usize::from(*selector)].is_uniform();
                self.switch(together, &bodies, state, here)
            }
            Node::Call(body) => self.call(body, state, here),
            Node::Break => Ok(self.leave(
                state,
                here,
                |around| match around {
                    Around::Loop { breaks, .. } | Around::Switch { breaks } => Some(breaks),
                    Around::Call { .. } => None,
                },
                |flow| flow.breaks = true,
            )),
            Node::Continue => Ok(self.leave(
                state,
                here,
                |around| match around {
                    Around::Loop { continues, .. } => Some(continues),
                    _ => None,
                },
                |flow| flow.continues = true,
            )),
            Node::Return => Ok(self.leave(
                state,
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
        state: &State,
        here: &Here,
        target: impl Fn(&mut Around) -> Option<&mut Vec<State>>,
        mark: impl Fn(&mut Flow),
    ) -> Flow {
        let target = self.around.iter_mut().rev().find_map(target).expect("validated: there is one around");
        target.push(state.clone());
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
        state: &mut State,
        here: &Here,
    ) -> Result<Flow, Unproven> {
        // The other way is taken by nobody.
        if let Some(word) = condition.known() {
            return self.block(if word != 0 { accept } else { reject }, state, here);
        }
        let together = condition.is_uniform();
        let mut other = state.clone();
        let on = |wanted: bool| match condition {
            _ if together => here.clone(),
            Value::Known(words) => {
                let mask = here.mask.iter().zip(words.iter());
                let mask = mask.map(|(comes, word)| *comes && (*word != 0) == wanted).collect();
                Here { together: false, mask }
            }
            _ => here.parted(),
        };
        let yes = self.block(accept, state, &on(true))?;
        let no = self.block(reject, &mut other, &on(false))?;
        match (yes.ends, no.ends) {
            (true, true) if together => state.join(&other),
            (true, true) => {
                state.since.join(&other.since);
                for register in self.written([accept, reject]) {
                    let (yes, no) = (&state[register], &other[register]);
                    state[register] = match condition {
                        Value::Known(condition) => Value::chosen(condition, yes, no),
                        _ => yes.parted(no),
                    };
                }
            }
            (false, true) => *state = other,
            (_, false) => {}
        }
        Ok(Flow { ends: yes.ends || no.ends, ..yes.and(no) })
    }

    fn switch(&mut self, together: bool, bodies: &[&[Node]], state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        let here = if together { here.clone() } else { here.parted() };
        let mut all = Flow::default();
        self.around.push(Around::Switch { breaks: Vec::new() });
        let mut ends = Vec::new();
        for body in bodies {
            let mut now = state.clone();
            let flow = self.block(body, &mut now, &here)?;
            ends.extend(flow.ends.then_some(now));
            all = all.and(flow);
        }
        let Some(Around::Switch { breaks }) = self.around.pop() else { unreachable!("it was pushed") };
        ends.extend(breaks);
        let parted = !together || all.breaks;
        Ok(self.come_together(ends, parted.then_some(bodies), state, Flow { breaks: false, ..all }))
    }

    fn call(&mut self, body: &[Node], state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        self.around.push(Around::Call { returns: Vec::new() });
        let mut now = state.clone();
        let flow = self.block(body, &mut now, here)?;
        let Some(Around::Call { returns }) = self.around.pop() else { unreachable!("it was pushed") };
        let mut ends = returns;
        ends.extend(flow.ends.then_some(now));
        Ok(self.come_together(ends, flow.returns.then_some(&[body]), state, Flow::default()))
    }

    /// Goes on where ways end; `parted` is what was written on them, if invocations came on different ones.
    fn come_together(&self, ends: Vec<State>, parted: Option<&[&[Node]]>, state: &mut State, flow: Flow) -> Flow {
        let Some(end) = joined(ends) else { return Flow { ends: false, ..flow } };
        *state = end;
        for body in parted.into_iter().flatten() {
            for register in self.written([body, &[]]) {
                state[register] = Value::Varying;
            }
        }
        Flow { ends: true, ..flow }
    }

    /// Whether it has the time to follow a turn.
    pub(super) fn may_follow(&self) -> bool {
        self.looks < LOOKS_FOLLOWED
    }

    /// Looks at an instruction.
    fn op(&mut self, place: usize, state: &mut State, here: &Here) -> Result<(), Unproven> {
        self.looks += 1;
        if self.looks > LOOKS {
            return Err(Unproven::new("it takes too long to prove"));
        }
        let op = self.program.ops[place];
        self.walked.uniform[place] &= here.together;
        match op {
            Op::Barrier if !here.together => return Err(Unproven::new("a barrier where invocations may have parted")),
            Op::Barrier => {
                self.walked.intervals.extend(state.since.intervals());
                let next = self.barriers.len() + 1;
                state.since = Since::barrier(*self.barriers.entry((self.turns.clone(), place)).or_insert(next));
            }
            _ => {}
        }
        if let Some(touch) = op.touch().filter(|touch| touch.space == Space::Workgroup) {
            self.touch(place, touch, state, here);
        }
        let (to, values) = self.results(&op, state);
        for (register, value) in (usize::from(to)..).zip(values) {
            // What indices reach is not followed.
            let is_followed = self.arrays.around(register as u32).is_none();
            state[register] = if is_followed { value } else { Value::Varying };
        }
        Ok(())
    }

    /// Notes an access to workgroup memory. The last time counts: only then is what is known of a loop true of all turns.
    fn touch(&mut self, place: usize, touch: Touch, state: &mut State, here: &Here) {
        let Touch { address, fixed, words, manner, .. } = touch;
        let known = match address.map(|address| &state[usize::from(address)]) {
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
        let next = self.walked.sites.len();
        let number = *self.numbers.entry((self.turns.clone(), place)).or_insert(next);
        if number == next {
            self.walked.sites.push(site);
        } else {
            self.walked.sites[number] = site;
        }
        self.looks += state.since.barriers() / BARRIERS_OF_LOOK;
        state.since.add(number);
    }
}
