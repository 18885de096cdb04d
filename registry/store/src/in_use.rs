use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cid::Cid;

use crate::block::{Address, Digest, address_of};

/// Holds blocks against garbage collection while somebody reads, imports, fetches or runs with them.
///
/// Made by [`crate::Store::in_use`]. Nothing of it is on disk: it ends with the value, or the process.
/// Take it before looking whether a block is there; what is found afterwards stays. Clones share it:
/// it ends with the last one.
#[derive(Clone, Debug)]
pub struct InUse(Arc<Hold>);

#[derive(Debug)]
struct Hold {
    id: u64,
    registry: Arc<Registry>,
}

/// All that is in use, and what a running collection must not overlook.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    next: u64,
    held: HashMap<u64, Held>,
    /// While a collection runs: what came after it looked.
    pub(crate) since: Option<Since>,
}

#[derive(Debug, Default)]
struct Held {
    // Counted: two importers under one guard may hold the same leaf.
    dags: HashMap<Cid, u64>,
    blocks: HashSet<Digest>,
}

#[derive(Debug, Default)]
pub(crate) struct Since {
    /// Roots to be walked before anything else is dropped.
    pub(crate) roots: Vec<Cid>,
    /// Blocks that were put or held.
    pub(crate) blocks: HashSet<Digest>,
}

impl InUse {
    /// Holds a block and all that is reachable from it, now or later (a fetch brings it top-down).
    pub fn hold_dag(&self, root: &Cid) {
        let mut state = self.0.registry.lock();
        if let Some(since) = &mut state.since {
            since.roots.push(*root);
        }
        *state.held.entry(self.0.id).or_default().dags.entry(*root).or_default() += 1;
    }

    /// Holds one block, without what it links to.
    pub fn hold_block(&self, cid: &Cid) {
        let Ok(Address::Filed(digest)) = address_of(cid) else { return };
        let mut state = self.0.registry.lock();
        if let Some(since) = &mut state.since {
            since.blocks.insert(digest);
        }
        state.held.entry(self.0.id).or_default().blocks.insert(digest);
    }

    /// Takes back one [`Self::hold_dag`], for instance because a parent is held now.
    pub fn let_go(&self, root: &Cid) {
        let mut state = self.0.registry.lock();
        let Some(held) = state.held.get_mut(&self.0.id) else { return };
        if let Some(count) = held.dags.get_mut(root) {
            *count -= 1;
            if *count == 0 {
                held.dags.remove(root);
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.registry.lock().held.remove(&self.id);
    }
}

impl Registry {
    pub(crate) fn guard(self: &Arc<Self>) -> InUse {
        let mut state = self.lock();
        state.next += 1;
        InUse(Arc::new(Hold { id: state.next, registry: Arc::clone(self) }))
    }

    /// Tells a running collection of a block before it is written.
    pub(crate) fn will_put(&self, digest: Digest) {
        if let Some(since) = &mut self.lock().since {
            since.blocks.insert(digest);
        }
    }

    /// Tells a running collection of a block that is there now: what was no root's child may be one.
    pub(crate) fn did_put(&self, cid: &Cid) {
        if let Some(since) = &mut self.lock().since {
            since.roots.push(*cid);
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn dags(&self) -> Vec<Cid> {
        self.held.values().flat_map(|held| held.dags.keys().copied()).collect()
    }

    pub(crate) fn blocks(&self) -> HashSet<Digest> {
        self.held.values().flat_map(|held| held.blocks.iter().copied()).collect()
    }
}
