//! Loops. One whose end is known is followed, turn by turn, if barriers are in it: a reduction over a tree reads in a turn
//! what others have written in the one before. What is known of any other holds for all of its turns alike.

use super::Unproven;
use super::flow::{Around, Flow, Here, State, joined};
use super::value::Value;
use super::walk::Walk;
use crate::program::{Node, Op, Reg};

/// Turns of a loop that are followed.
const TURNS: usize = 64;

/// A loop of the tree.
#[derive(Clone, Copy)]
pub(super) struct Loop<'t> {
    pub(super) body: &'t [Node],
    pub(super) continuing: &'t [Node],
    pub(super) break_if: Option<Reg>,
}

/// What is known after a turn.
struct Turn {
    flow: Flow,
    /// Where it is left.
    breaks: Vec<State>,
    /// Where the next one begins, if there is a next one.
    next: Option<State>,
    /// What decides in its end whether there is.
    break_if: Option<Value>,
}

impl Turn {
    /// Whether some may leave the loop, or go on with the next turn, while others do not.
    fn parts(&self) -> bool {
        self.flow.leaves() || self.break_if.as_ref().is_some_and(|condition| !condition.is_uniform())
    }

    /// Whether the loop goes on; none if that is not known.
    fn goes_on(&self) -> Option<bool> {
        match (&self.next, &self.break_if) {
            _ if self.parts() => None,
            (None, _) => Some(false),
            (Some(_), _) if !self.breaks.is_empty() => None,
            (Some(_), None) => Some(true),
            (Some(_), Some(condition)) => condition.known().map(|word| word == 0),
        }
    }

    /// What is known where it is left: also in its end, by its condition.
    fn ends(self) -> impl Iterator<Item = State> {
        let at_end = self.next.filter(|_| self.break_if.is_some());
        self.breaks.into_iter().chain(at_end)
    }
}

impl Walk<'_> {
    pub(super) fn turns(&mut self, around: Loop<'_>, state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        let is_followed = here.together && (self.waits(around.body) || self.waits(around.continuing));
        if is_followed && let Some(flow) = self.follow(around, state, here)? {
            return Ok(flow);
        }
        self.turns_alike(around, state, here)
    }

    /// Goes through a loop turn by turn, as long as all know whether there is another one. None if they do not, and then
    /// nothing is known.
    fn follow(&mut self, around: Loop<'_>, state: &mut State, here: &Here) -> Result<Option<Flow>, Unproven> {
        let mut head = state.clone();
        // Out of fuel, any loop is left at its head.
        let mut ends = Vec::new();
        for number in 0..TURNS {
            if !self.may_follow() {
                break;
            }
            ends.push(head.clone());
            self.turns.push(number);
            let turn = self.turn(around, head, here);
            self.turns.pop();
            let turn = turn?;
            match turn.goes_on() {
                None => return Ok(None),
                Some(true) => head = turn.next.expect("there is a next turn"),
                Some(false) => {
                    ends.extend(turn.ends());
                    *state = joined(ends).expect("its first head is one");
                    return Ok(Some(Flow { ends: true, ..Flow::default() }));
                }
            }
        }
        Ok(None)
    }

    /// Goes through a loop until what is known holds in every turn.
    fn turns_alike(&mut self, around: Loop<'_>, state: &mut State, here: &Here) -> Result<Flow, Unproven> {
        let written = self.written([around.body, around.continuing]);
        let mut parted = !here.together;
        let mut head = state.clone();
        loop {
            if parted {
                written.iter().for_each(|register| head[*register] = Value::Varying);
            }
            let here = if parted { here.parted() } else { here.clone() };
            let turn = self.turn(around, head.clone(), &here)?;
            if !parted && turn.parts() {
                parted = true;
                continue;
            }
            let mut stable = head.clone();
            if let Some(next) = &turn.next {
                stable.join(next);
            }
            if stable != head {
                head = stable;
                continue;
            }
            let returns = turn.flow.returns;
            // Out of fuel, any loop is left at its head.
            let ends = std::iter::once(head).chain(turn.ends());
            *state = joined(ends.collect()).expect("its head is one");
            if parted {
                written.iter().for_each(|register| state[*register] = Value::Varying);
            }
            return Ok(Flow { ends: true, returns, ..Flow::default() });
        }
    }

    /// Goes through a loop once.
    fn turn(&mut self, around: Loop<'_>, mut state: State, here: &Here) -> Result<Turn, Unproven> {
        self.around.push(Around::Loop { breaks: Vec::new(), continues: Vec::new() });
        let flow = self.block(around.body, &mut state, here)?;
        let Some(Around::Loop { breaks, continues }) = self.around.pop() else { unreachable!("it was pushed") };
        let mut to_next = continues;
        to_next.extend(flow.ends.then_some(state));
        let mut next = joined(to_next);
        if let Some(next) = &mut next {
            self.block(around.continuing, next, here)?;
        }
        let break_if = next.as_ref().and_then(|next| Some(next[usize::from(around.break_if?)].clone()));
        Ok(Turn { flow, breaks, next, break_if })
    }

    /// Whether invocations wait for each other in some nodes.
    fn waits(&self, nodes: &[Node]) -> bool {
        nodes.iter().any(|node| match node {
            Node::Ops(ops) => self.program.ops[ops.clone()].contains(&Op::Barrier),
            Node::If { accept, reject, .. } => self.waits(accept) || self.waits(reject),
            Node::Loop { body, continuing, .. } => self.waits(body) || self.waits(continuing),
            Node::Switch { cases, .. } => cases.iter().any(|case| self.waits(&case.body)),
            Node::Call(body) => self.waits(body),
            Node::Break | Node::Continue | Node::Return => false,
        })
    }
}
