use std::collections::{BTreeMap, BTreeSet};

use super::Unproven;
use super::flow::Site;
use crate::program::{Manner, Node, Op, Program};

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

/// What is touched between two barriers, by how and by word.
type Touched = BTreeMap<Manner, BTreeMap<u32, Who>>;

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
    let touched = touched(sites);
    for (manner, words) in &touched {
        for (word, who) in words {
            let is_race = *manner == Manner::Write && *who == Who::Several;
            let others = touched.iter().filter(|(other, _)| *other < manner);
            let clash = others.filter_map(|(other, words)| Some((other, words.get(word)?)));
            // One invocation may read what it writes.
            let is_plain = |other: &Manner| [*other, *manner] == [Manner::Read, Manner::Write];
            if is_race || clash.clone().any(|(other, by)| is_plain(other) && by != who) {
                return Err(Unproven::new(format!("invocations may race for word {word} of workgroup memory")));
            }
            if clash.clone().any(|(other, _)| !is_plain(other)) {
                let reason = format!("an atomic operation may meet other accesses to word {word} of workgroup memory");
                return Err(Unproven::new(reason));
            }
        }
    }
    // Whoever it is that touches words at a place that is not known: others touch them in the same way.
    for unknown in sites.iter().filter(|site| site.known.is_none()) {
        let reach = &unknown.reach;
        let with_known = touched.iter().filter(|(manner, _)| !goes_with(unknown.manner, **manner));
        let meets_known = with_known.flat_map(|(_, words)| words.range(reach.clone())).next().is_some();
        let meets = |other: &&Site| other.reach.start < reach.end && reach.start < other.reach.end;
        let mut unknowns = sites.iter().filter(|site| site.known.is_none()).filter(|site| meets(site));
        if meets_known || unknowns.any(|other| !goes_with(unknown.manner, other.manner)) {
            let reason = "workgroup memory is written and read between two barriers at places that are not known";
            return Err(Unproven::new(reason));
        }
    }
    Ok(())
}

/// Whether several invocations may touch a word in these two ways.
fn goes_with(one: Manner, other: Manner) -> bool {
    one == other && one != Manner::Write
}

/// What is touched at places that are known.
fn touched(sites: &[&Site]) -> Touched {
    let mut touched = Touched::new();
    for site in sites {
        let Some(known) = &site.known else { continue };
        let by_word = touched.entry(site.manner).or_default();
        for &(invocation, first) in known {
            for word in first..first + site.words {
                let who = by_word.entry(word).or_insert(Who::One(invocation));
                if *who != Who::One(invocation) {
                    *who = Who::Several;
                }
            }
        }
    }
    touched
}
