use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::StoreError;
use crate::block::Digest;
use crate::block_file::BlockFiles;

/// Many writes, one sync: whoever needs one while another runs waits for the next, which serves all
/// that have come by then.
#[derive(Default)]
pub(crate) struct GroupCommit {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    /// Written, not yet synced.
    pending: HashSet<Digest>,
    /// Being synced.
    running: Option<HashSet<Digest>>,
    /// Writes so far: each has its number.
    written: u64,
    /// The last write that no sync has to care for any more.
    settled: u64,
    /// Writes that a failed sync lost, from and to, both inclusive, and why.
    lost: Option<(u64, u64, String)>,
}

impl GroupCommit {
    /// Notes a write. How many wait for a sync now.
    pub(crate) fn wrote(&self, digest: Digest) -> usize {
        let mut state = self.lock();
        state.written += 1;
        state.pending.insert(digest);
        state.pending.len()
    }

    /// Whether a block waits for a sync: one that was there before may be.
    pub(crate) fn awaits(&self, digest: &Digest) -> bool {
        let state = self.lock();
        state.pending.contains(digest) || state.running.as_ref().is_some_and(|running| running.contains(digest))
    }

    /// Returns when all writes noted before are durable.
    ///
    /// A write whose sync failed is dropped, for nobody can tell what the disk has of it: asking the
    /// system again would succeed without a write.
    pub(crate) fn sync(&self, files: &BlockFiles) -> Result<(), StoreError> {
        let mut state = self.lock();
        let target = state.written;
        let first = state.settled + 1;
        loop {
            if state.settled >= target {
                return match &state.lost {
                    Some((from, to, reason)) if *from <= target && first <= *to => {
                        Err(StoreError::NotDurable { reason: reason.clone() })
                    }
                    _ => Ok(()),
                };
            }
            if state.running.is_some() {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let batch = std::mem::take(&mut state.pending);
            let upto = state.written;
            let digests: Vec<Digest> = batch.iter().copied().collect();
            state.running = Some(batch);
            drop(state);
            let synced = files.sync(&digests);
            if synced.is_err() {
                drop_all(files, &digests);
            }
            state = self.lock();
            if let Err(error) = synced {
                let from = state.lost.as_ref().map_or(state.settled + 1, |lost| lost.0);
                state.lost = Some((from, upto, error.to_string()));
            }
            state.settled = upto;
            state.running = None;
            self.done.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_all(files: &BlockFiles, digests: &[Digest]) {
    for digest in digests {
        if let Err(error) = files.remove(digest) {
            tracing::warn!(%error, "a block that could not be made durable stays; its hash is checked whenever it is read");
        }
    }
}
