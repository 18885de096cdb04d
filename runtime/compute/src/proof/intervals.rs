use std::collections::BTreeMap;

use super::Unproven;
use super::flow::{Site, Walked};
use crate::program::Manner;

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
pub(super) fn check(walked: &Walked) -> Result<(), Unproven> {
    let mut touches = 0_usize;
    for interval in &walked.intervals {
        let sites: Vec<&Site> = interval.iter().map(|&number| &walked.sites[number]).collect();
        touches += sites.iter().map(|site| site.touches()).sum::<usize>();
        if touches > TOUCHES {
            return Err(Unproven::new("it touches too many words of workgroup memory to be proven"));
        }
        check_interval(&sites)?;
    }
    Ok(())
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
