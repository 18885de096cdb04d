//! What a replay says: the same claim, or the first place at which two claims part.

use poai_objects::{Claim, Difference, Object, TraceChunk, TraceChunkId, TraceRoot, Verdict};

/// One side of a comparison: a claim, and its trace as far as it is at hand.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// What was claimed.
    pub claim: &'a Claim,
    /// The root of the claim's trace. One of another id than the claim names is not looked at.
    pub trace: Option<&'a TraceRoot>,
    /// Where the trace's chunks are; none for one that is not at hand.
    pub chunk: &'a dyn Fn(&TraceChunkId) -> Option<TraceChunk>,
}

/// Compares a claim that is to be checked with the one that a replay made.
///
/// An effect happens before the run ends, so the first differing effect is named if both traces tell it; otherwise the
/// first differing field, in the order of [`Claim`].
pub fn compare(seen: Account<'_>, found: Account<'_>) -> Verdict {
    let first_difference = (seen.claim != found.claim).then(|| first_difference(seen, found));
    Verdict { seen: seen.claim.id(), found: found.claim.id(), first_difference }
}

fn first_difference(seen: Account<'_>, found: Account<'_>) -> Difference {
    let effect = if seen.claim.run == found.claim.run { first_effect(seen, found) } else { None };
    effect.map_or_else(
        || Difference::Field(seen.claim.first_difference(found.claim).expect("the claims differ")),
        |index| Difference::Effect { index },
    )
}

/// The number of the first effect that only one side has, or that the sides have differently.
fn first_effect(seen: Account<'_>, found: Account<'_>) -> Option<u64> {
    let (seen_root, found_root) = (seen.root()?, found.root()?);
    let count = seen_root.chunks.len().max(found_root.chunks.len());
    let parting = (0..count).find(|&index| seen_root.chunks.get(index) != found_root.chunks.get(index))?;
    let seen_chunk = seen.chunk_at(seen_root, parting)?;
    let found_chunk = found.chunk_at(found_root, parting)?;
    let effects = seen_chunk.effects.len().max(found_chunk.effects.len());
    let inside = (0..effects).find(|&index| seen_chunk.effects.get(index) != found_chunk.effects.get(index))?;
    Some((parting * TraceChunk::EFFECTS + inside) as u64)
}

impl<'a> Account<'a> {
    fn root(&self) -> Option<&'a TraceRoot> {
        self.trace.filter(|trace| trace.id() == self.claim.trace)
    }

    /// A chunk, if it is what the root says; an empty one beyond the end.
    fn chunk_at(&self, root: &TraceRoot, index: usize) -> Option<TraceChunk> {
        let Some(id) = root.chunks.get(index) else { return Some(TraceChunk::default()) };
        (self.chunk)(id).filter(|chunk| chunk.id() == *id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use poai_objects::codec::{RAW, cid_of};
    use poai_objects::{Effect, EngineName, Field, Finding, Fuel, Link, Outcome, Program, Run, TraceWriter, World};

    use super::*;

    struct Told {
        claim: Claim,
        root: TraceRoot,
        chunks: BTreeMap<TraceChunkId, TraceChunk>,
    }

    /// A claim whose trace has these effects, each told by one number.
    fn told(effects: impl Iterator<Item = u64>, change: impl FnOnce(&mut Claim)) -> Told {
        let mut writer = TraceWriter::default();
        let mut chunks = Vec::new();
        for (fuel, number) in (0..).zip(effects) {
            let payload = cid_of(RAW, &number.to_le_bytes());
            chunks.extend(writer.push(Effect {
                function: "f".into(),
                fuel: Fuel(fuel),
                arguments: payload,
                results: payload,
            }));
        }
        let (root, last) = writer.finish();
        let chunks = chunks.into_iter().chain(last).map(|chunk| (chunk.id(), chunk)).collect();
        let component = Link::try_from(cid_of(RAW, b"component")).unwrap();
        let program = Program { world: World::Task, component, models: BTreeMap::new(), adapter: None };
        let run = Run::new(program.id(), EngineName::CURRENT);
        let mut claim =
            Claim { run: run.id(), outcome: Outcome::Ok, outputs: BTreeMap::new(), fuel: Fuel(9), trace: root.id() };
        change(&mut claim);
        Told { claim, root, chunks }
    }

    fn verdict(seen: &Told, found: &Told) -> Option<Difference> {
        let seen_chunk = |id: &TraceChunkId| seen.chunks.get(id).cloned();
        let found_chunk = |id: &TraceChunkId| found.chunks.get(id).cloned();
        let verdict = compare(
            Account { claim: &seen.claim, trace: Some(&seen.root), chunk: &seen_chunk },
            Account { claim: &found.claim, trace: Some(&found.root), chunk: &found_chunk },
        );
        verdict.validate().unwrap();
        assert_eq!(verdict.finding() == Finding::Same, verdict.first_difference.is_none());
        verdict.first_difference
    }

    #[test]
    fn equal_claims_are_the_same() {
        assert_eq!(verdict(&told(0..3, |_| {}), &told(0..3, |_| {})), None);
    }

    #[test]
    fn the_first_differing_effect_is_found_in_any_chunk() {
        let honest = told(0..3_000, |_| {});
        for index in [0, 1_023, 1_024, 2_999] {
            let other = told((0..3_000).map(|number| if number == index { 7_777 } else { number }), |claim| {
                claim.fuel = Fuel(8)
            });
            assert_eq!(verdict(&other, &honest), Some(Difference::Effect { index }));
        }
        for (shorter, index) in [(0, 0), (5, 5), (1_024, 1_024), (2_999, 2_999)] {
            assert_eq!(verdict(&told(0..shorter, |_| {}), &honest), Some(Difference::Effect { index }));
            assert_eq!(verdict(&honest, &told(0..shorter, |_| {})), Some(Difference::Effect { index }));
        }
    }

    #[test]
    fn without_traces_the_first_field_is_named() {
        let honest = told(0..3, |_| {});
        let mut other = told(0..4, |_| {});
        other.chunks.clear();
        assert_eq!(verdict(&other, &honest), Some(Difference::Field(Field::Trace)), "its chunk is missing");
        let mut other = told(0..4, |claim| claim.outcome = Outcome::failed("no"));
        other.root = honest.root.clone();
        assert_eq!(verdict(&other, &honest), Some(Difference::Field(Field::Outcome)), "its trace is another's");
    }

    #[test]
    fn the_first_differing_field_is_named() {
        let honest = told(0..3, |_| {});
        let output: poai_objects::OutputName = "weights".parse().unwrap();
        let link = Link::try_from(cid_of(RAW, b"weights")).unwrap();
        let add_output = |claim: &mut Claim| {
            claim.outputs.insert(output.clone(), link);
        };
        for (change, field) in [
            (&(|claim: &mut Claim| claim.fuel = Fuel(10)) as &dyn Fn(&mut Claim), Field::Fuel),
            (&add_output, Field::Output { name: output.clone() }),
            (&|claim: &mut Claim| claim.outcome = Outcome::failed("no"), Field::Outcome),
        ] {
            assert_eq!(verdict(&told(0..3, change), &honest), Some(Difference::Field(field)));
        }
    }
}
