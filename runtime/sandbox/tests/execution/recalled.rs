//! Replays that take recorded results of effects, and compute some of them again.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, Fuel, Link, Outcome};
use poai_sandbox::{BlockFile, Call, Content, Fault, Kernels, Node, Numerics, Recalled, Recording, Stage};

use crate::compute::nbody;
use crate::content::Contents;
use crate::harness::{Case, Ended};
use crate::nn::check;

/// More than all tensors of the check.
const ALL_BYTES: u64 = 1 << 20;

/// What a run has left, as the content of a replay.
struct Recorded<'a> {
    contents: &'a Contents,
    effects: Vec<(Effect, Vec<u8>, Vec<u8>)>,
    tensors: BTreeMap<Cid, Vec<u8>>,
    recompute: fn(u64) -> bool,
    recalled: Mutex<Vec<u64>>,
}

impl<'a> Recorded<'a> {
    fn of(case: &'a Case, ended: &Ended, recompute: fn(u64) -> bool) -> Self {
        let (effects, tensors) = (ended.kept.effects.clone(), ended.kept.tensors.clone());
        Self { contents: &case.contents, effects, tensors, recompute, recalled: Mutex::default() }
    }

    /// With one bit of the first tensor that an effect results in changed.
    fn lying_in(mut self, index: usize) -> Self {
        let (effect, _, results) = &mut self.effects[index];
        let links = |cid: &Cid| results.windows(36).any(|window| window == cid.to_bytes());
        let (honest, bytes) = self.tensors.iter().find(|(cid, _)| links(cid)).expect("it results in a tensor");
        let (honest, mut bytes) = (honest.to_bytes(), bytes.clone());
        bytes[0] ^= 1;
        let lie = cid_of(RAW, &bytes);
        let place = results.windows(36).position(|window| window == honest).unwrap();
        results[place..place + 36].copy_from_slice(&lie.to_bytes());
        effect.results = cid_of(RAW, results);
        self.tensors.insert(lie, bytes);
        self
    }

    fn tensors_of(&self, results: &[u8]) -> Vec<Cid> {
        let names = |cid: &&Cid| results.windows(36).any(|window| window == cid.to_bytes());
        self.tensors.keys().filter(names).copied().collect()
    }

    fn recalled(&self) -> Vec<u64> {
        self.recalled.lock().unwrap().clone()
    }
}

impl Content for Recorded<'_> {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        self.contents.open(link)
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        let Some(bytes) = self.tensors.get(cid) else { return self.contents.block(cid) };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Ok(BlockFile { file, offset: 0, bytes: bytes.len() as u64 })
    }

    fn recording(&self) -> Option<&dyn Recording> {
        Some(self)
    }
}

impl Recording for Recorded<'_> {
    fn recall(&self, call: &Call) -> Result<Option<Recalled>, Fault> {
        let Some((effect, _, results)) = self.effects.get(call.index as usize) else { return Ok(None) };
        if (effect.fuel, effect.arguments) != (call.fuel, call.arguments) {
            return Ok(None);
        }
        self.recalled.lock().unwrap().push(call.index);
        let recompute = (self.recompute)(call.index);
        Ok(Some(Recalled { results: results.clone(), tensors: self.tensors_of(results), recompute }))
    }
}

fn recorded_run(case: &Case) -> Ended {
    case.try_run_with(&mut Stage::new().unwrap(), &case.contents, ALL_BYTES).unwrap()
}

fn replay(case: &Case, recorded: &Recorded<'_>) -> Ended {
    let threads = NonZeroUsize::new(2).unwrap();
    let mut stage = Stage::with(Numerics { kernels: Kernels::Auto, threads }, None).unwrap();
    case.try_run_with(&mut stage, recorded, ALL_BYTES).unwrap()
}

#[test]
fn recalled_results_lead_to_the_same_claim_whatever_is_computed_again() {
    let case = check();
    let honest = recorded_run(&case);
    assert_eq!(*honest.outcome(), Outcome::Ok, "{:?}", honest.log());
    for recompute in [|_| false, |_| true, |index| index % 3 == 0] {
        let recorded = Recorded::of(&case, &honest, recompute);
        let again = replay(&case, &recorded);
        assert_eq!((again.claim(), again.finished.first_difference), (honest.claim(), None));
        assert_eq!(recorded.recalled(), (0..honest.kept.effects.len() as u64).collect::<Vec<_>>());
        assert_eq!(again.kept.tensors, honest.kept.tensors);
    }
}

#[test]
fn a_lie_is_what_the_replay_goes_on_with_and_is_found_where_it_is_computed_again() {
    let case = check();
    let honest = recorded_run(&case);
    // A host that lies as well as it can: it goes on with its lie, to whatever that leads to.
    let liar = replay(&case, &Recorded::of(&case, &honest, |_| false).lying_in(2));
    assert_eq!(*liar.outcome(), Outcome::failed("exit status 1"), "the program checks what it is given");
    assert_ne!(liar.kept.effects[2], honest.kept.effects[2]);
    for (recompute, first_difference) in
        [((|_| true) as fn(u64) -> bool, Some(2)), (|index| index == 2, Some(2)), (|index| index != 2, None)]
    {
        let recorded = Recorded::of(&case, &liar, recompute);
        let again = replay(&case, &recorded);
        assert_eq!((again.claim(), again.finished.first_difference), (liar.claim(), first_difference));
    }
}

#[test]
fn what_no_computation_comes_to_is_computed() {
    let case = check();
    let honest = recorded_run(&case);
    let first_output = honest.kept.effects.iter().position(|(_, _, results)| {
        honest.kept.tensors.keys().any(|cid| results.windows(36).any(|window| window == cid.to_bytes()))
    });
    let first_output = first_output.unwrap();
    let spoil = |spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut recorded = Recorded::of(&case, &honest, |_| false);
        spoil(&mut recorded.effects[first_output].2);
        recorded
    };
    let replace = |from: &'static [u8], to: &'static [u8]| {
        move |results: &mut Vec<u8>| {
            let place = results.windows(from.len()).position(|window| window == from).unwrap();
            results.splice(place..place + from.len(), to.iter().copied());
        }
    };
    for recorded in [
        spoil(&|results| results.truncate(9)),
        spoil(&|results| results.push(0)),
        spoil(&replace(b"dfp32", b"dfp99")),
        // Two rows of two become two of three: more than there are bytes.
        spoil(&replace(b"jdimensions\x82\x02\x02", b"jdimensions\x82\x02\x03")),
    ] {
        let again = replay(&case, &recorded);
        assert_eq!((again.claim(), again.finished.first_difference), (honest.claim(), None));
    }
}

#[test]
fn tensors_are_kept_while_there_is_room_for_all_of_an_effect() {
    let case = check();
    let all = recorded_run(&case).kept.tensors;
    let none = case.try_run_with(&mut Stage::new().unwrap(), &case.contents, 4_096).unwrap();
    assert_eq!(none.kept.tensors, BTreeMap::new());
    let room = 3 * (4_096 + 64);
    let some = case.try_run_with(&mut Stage::new().unwrap(), &case.contents, room).unwrap().kept.tensors;
    assert!(!some.is_empty() && some.len() <= 3, "{} tensors", some.len());
    assert!(some.iter().all(|(cid, bytes)| all.get(cid) == Some(bytes)));
}

#[test]
fn fuel_ends_in_a_replay_as_it_did() {
    let case = check();
    let limit = Fuel(case.run().kept.effects[1].0.fuel.0 + 100);
    let case = case.with(|run| run.limits.fuel = limit);
    let ended = recorded_run(&case);
    let again = replay(&case, &Recorded::of(&case, &ended, |_| true));
    assert_eq!((again.claim(), again.finished.first_difference), (ended.claim(), None));
}

/// Dispatches that are to be computed again are computed in the run itself: there, the traces part.
#[test]
fn dispatches_are_recalled_and_lies_of_them_found() {
    let case = nbody();
    let honest = recorded_run(&case);
    assert_eq!(*honest.outcome(), Outcome::Ok, "{:?}", honest.log());
    for recompute in [|_| false, |_| true, |index| index == 1] {
        let recorded = Recorded::of(&case, &honest, recompute);
        let again = replay(&case, &recorded);
        assert_eq!((again.claim(), again.finished.first_difference), (honest.claim(), None));
        assert_eq!(recorded.recalled(), [0, 1, 2]);
        assert_eq!(again.kept.tensors, honest.kept.tensors);
    }
    let liar = replay(&case, &Recorded::of(&case, &honest, |_| false).lying_in(1));
    assert_ne!(liar.claim(), honest.claim());
    for (recompute, is_found) in [((|_| false) as fn(u64) -> bool, false), (|_| true, true), (|index| index == 1, true)]
    {
        let again = replay(&case, &Recorded::of(&case, &liar, recompute));
        assert_eq!(again.claim() != liar.claim(), is_found);
        let parting = again.kept.effects.iter().zip(&liar.kept.effects).position(|(again, liar)| again != liar);
        assert_eq!(parting, is_found.then_some(1));
    }
}
