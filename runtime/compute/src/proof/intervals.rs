use std::collections::{BTreeMap, BTreeSet};

use super::Unproven;
use super::flow::Site;
use crate::program::{Node, Op, Program};

/// Barriers of a kernel that is proven: each is a search through it.
const BARRIERS: usize = 64;
/// Words that one proof notes as touched, for each invocation and between all barriers: with it, no kernel takes long.
const TOUCHES: usize = 1 << 20;

/// Who touches a word between two barriers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    One(u32),
    Several,
}

/// What is touched between two barriers, by word.
#[derive(Default)]
struct Touched {
    written: BTreeMap<u32, Who>,
    read: BTreeMap<u32, Who>,
}

/// Refuses a program in which two invocations might race for a word.
pub(super) fn check(program: &Program, sites: &BTreeMap<usize, Site>) -> Result<(), Unproven> {
    let barriers = program.ops.iter().enumerate().filter(|(_, op)| **op == Op::Barrier).map(|(place, _)| place + 1);
    let begins: Vec<usize> = std::iter::once(0).chain(barriers).collect();
    if begins.len() > BARRIERS {
        return Err(Unproven::new(format!("more than {BARRIERS} barriers")));
    }
    let mut exits = BTreeMap::new();
    add_exits(&program.tree, &mut exits);
    let mut touches = 0_usize;
    for begin in begins {
        let places = reached(program, &exits, begin);
        let sites: Vec<&Site> = places.iter().filter_map(|place| sites.get(place)).collect();
        touches += sites.iter().map(|site| site.touches()).sum::<usize>();
        if touches > TOUCHES {
            return Err(Unproven::new("it touches too many words of workgroup memory to be proven"));
        }
        check_interval(&sites)?;
    }
    Ok(())
}

/// Where a loop is left at its head, out of fuel: from its first instruction to the one behind its last.
fn add_exits(nodes: &[Node], exits: &mut BTreeMap<usize, usize>) {
    for node in nodes {
        match node {
            Node::Loop { body, continuing, .. } => {
                let (Some(Node::Ops(head)), Some(Node::Ops(last))) = (body.first(), continuing.last()) else {
                    unreachable!("a loop begins with its charge, and ends with a jump");
                };
                exits.insert(head.start, last.end);
                [body, continuing].iter().for_each(|nodes| add_exits(nodes, exits));
            }
            Node::If { accept, reject, .. } => [accept, reject].iter().for_each(|nodes| add_exits(nodes, exits)),
            Node::Switch { cases, .. } => cases.iter().for_each(|case| add_exits(&case.body, exits)),
            Node::Call(body) => add_exits(body, exits),
            Node::Ops(_) | Node::Break | Node::Continue | Node::Return => {}
        }
    }
}

/// The instructions from one on that are reached without a barrier.
fn reached(program: &Program, exits: &BTreeMap<usize, usize>, begin: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = vec![begin];
    while let Some(place) = open.pop() {
        if place >= program.ops.len() || !seen.insert(place) {
            continue;
        }
        open.extend(exits.get(&place));
        match program.ops[place] {
            Op::Barrier | Op::End => {}
            Op::Jump(target) => open.push(target as usize),
            Op::JumpIf { target, .. } | Op::JumpUnless { target, .. } => open.extend([target as usize, place + 1]),
            _ => open.push(place + 1),
        }
    }
    seen
}

fn check_interval(sites: &[&Site]) -> Result<(), Unproven> {
    let mut touched = Touched::default();
    for site in sites {
        let Some(known) = &site.known else { continue };
        for &(invocation, first) in known {
            for word in first..first + site.words {
                let by = if site.writes { &mut touched.written } else { &mut touched.read };
                let who = by.entry(word).or_insert(Who::One(invocation));
                if *who != Who::One(invocation) {
                    *who = Who::Several;
                }
            }
        }
    }
    for (word, writer) in &touched.written {
        let read_by_another = touched.read.get(word).is_some_and(|reader| reader != writer);
        if *writer == Who::Several || read_by_another {
            return Err(Unproven::new(format!("invocations may race for word {word} of workgroup memory")));
        }
    }
    // Whoever it is that touches words at a place that is not known: nobody writes there.
    for unknown in sites.iter().filter(|site| site.known.is_none()) {
        let is_written = touched.written.range(unknown.reach.clone()).next().is_some();
        let clashes = |other: &&&Site| {
            other.known.is_none() && other.reach.start < unknown.reach.end && unknown.reach.start < other.reach.end
        };
        let is_read = touched.read.range(unknown.reach.clone()).next().is_some();
        let with_unknown = sites.iter().filter(clashes).any(|other| other.writes || unknown.writes);
        if is_written || unknown.writes && is_read || with_unknown {
            let reason = "workgroup memory is written and read between two barriers at places that are not known";
            return Err(Unproven::new(reason));
        }
    }
    Ok(())
}
