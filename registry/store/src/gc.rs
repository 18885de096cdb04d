use std::collections::HashSet;
use std::time::SystemTime;

use cid::Cid;

use crate::block::{Address, Digest, address_of};
use crate::in_use::{Registry, Since};
use crate::store::Inner;
use crate::{Found, PinMode, Store, StoreError, Walk};

/// Blocks that are dropped before anybody else gets a turn.
const SWEEP_BLOCKS: usize = 256;

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blocks that were dropped.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Drops all blocks that no pin and no [`crate::InUse`] keeps.
///
/// First all roots are walked while others read and write. Then, shard by shard, what was not reached
/// is dropped in small steps; before each, roots that came meanwhile are walked. A DAG that a pin keeps
/// must be whole: below a missing node nobody can tell what belongs to it, so nothing is dropped then.
pub(crate) fn collect(store: &Store, inner: &Inner, now: SystemTime) -> Result<Collected, StoreError> {
    let recording = Recording::begin(&inner.in_use);
    let mut kept = recording.blocks.clone();
    let mut pinned = Walk::new(store, []);
    // Looked at after the recording began, so that what is pinned later was held, and so recorded, before.
    for pin in inner.lock_pins().list() {
        if pin.until.is_some_and(|until| until <= now) {
            continue;
        }
        match pin.mode {
            PinMode::Direct => keep(&mut kept, &pin.cid),
            PinMode::Recursive => keep_whole(&mut pinned, &pin.cid, &mut kept)?,
        }
    }
    let mut walk = Walk::new(store, recording.dags.iter().copied());
    keep_present(&mut walk, &mut kept);
    let mut collected = Collected::default();
    for shard in 0..=u8::MAX {
        let mut loose = inner.files.list_shard(shard)?;
        loose.retain(|digest| !kept.contains(digest));
        for step in loose.chunks(SWEEP_BLOCKS) {
            sweep(inner, step, &mut walk, &mut kept, &mut collected)?;
        }
    }
    inner.lock_pins().expire(now)?;
    Ok(collected)
}

/// Drops what is still not kept. Nobody can take a hold meanwhile, nor put a block.
fn sweep(
    inner: &Inner,
    step: &[Digest],
    walk: &mut Walk<'_>,
    kept: &mut HashSet<Digest>,
    collected: &mut Collected,
) -> Result<(), StoreError> {
    let mut in_use = inner.in_use.lock();
    let since = in_use.since.as_mut().expect("a collection runs");
    for root in since.roots.drain(..) {
        walk.add(root);
    }
    keep_present(walk, kept);
    for digest in step.iter().filter(|digest| !kept.contains(*digest) && !since.blocks.contains(*digest)) {
        if let Some(bytes) = inner.files.remove(digest)? {
            collected.blocks += 1;
            collected.bytes += bytes;
        }
    }
    Ok(())
}

fn keep_whole(walk: &mut Walk<'_>, root: &Cid, kept: &mut HashSet<Digest>) -> Result<(), StoreError> {
    walk.add(*root);
    for visit in walk {
        match visit.found {
            Found::Here => keep(kept, &visit.cid),
            Found::Missing => return Err(StoreError::Incomplete { root: *root, missing: Box::new(visit.cid) }),
            Found::Unreadable(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps what is there: a DAG that is being fetched has gaps.
fn keep_present(walk: &mut Walk<'_>, kept: &mut HashSet<Digest>) {
    for visit in walk.by_ref() {
        keep(kept, &visit.cid);
    }
}

fn keep(kept: &mut HashSet<Digest>, cid: &Cid) {
    if let Ok(Address::Filed(digest)) = address_of(cid) {
        kept.insert(digest);
    }
}

/// While it lives, holds and puts are noted for the collection.
struct Recording<'a> {
    registry: &'a Registry,
    dags: Vec<Cid>,
    blocks: HashSet<Digest>,
}

impl<'a> Recording<'a> {
    fn begin(registry: &'a Registry) -> Self {
        let mut state = registry.lock();
        state.since = Some(Since::default());
        Self { registry, dags: state.dags(), blocks: state.blocks() }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.registry.lock().since = None;
    }
}
