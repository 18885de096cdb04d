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
    /// Why a sync failed. It stays: nobody can tell any more whose writes the disk has.
    failed: Option<String>,
}

impl GroupCommit {
    /// Notes a write. How many wait for a sync now.
    pub(crate) fn wrote(&self, digest: Digest) -> usize {
        let mut state = self.lock();
        state.written += 1;
        state.pending.insert(digest);
        state.pending.len()
    }

    /// Whether a block that is there may not be durable yet.
    pub(crate) fn wants_sync(&self, digest: &Digest) -> bool {
        let state = self.lock();
        let running = state.running.as_ref().is_some_and(|running| running.contains(digest));
        running || state.pending.contains(digest) || state.failed.is_some()
    }

    /// Returns when all writes noted before are durable.
    ///
    /// After a failure the blocks are dropped, and every later sync fails too: asking the system again
    /// would succeed without a write.
    pub(crate) fn sync(&self, files: &BlockFiles) -> Result<(), StoreError> {
        let mut state = self.lock();
        let target = state.written;
        loop {
            if let Some(reason) = &state.failed {
                return Err(StoreError::NotDurable { reason: reason.clone() });
            }
            if state.settled >= target {
                return Ok(());
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
            state.failed = synced.err().map(|error| error.to_string());
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
