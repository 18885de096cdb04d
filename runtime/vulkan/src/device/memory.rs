use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vulkano::buffer::Subbuffer;

/// Buffers that are kept for use again; more are given back to the driver.
const POOLED: usize = 64;

/// Words in a device's memory, which serves the next buffer when they are dropped.
pub struct Words {
    /// What kernels see: not a word more than was asked for.
    pub(super) memory: Subbuffer<[u32]>,
    pub(super) words: usize,
    pub(super) whole: Subbuffer<[u32]>,
    pub(super) pool: Arc<Pool>,
}

impl Drop for Words {
    fn drop(&mut self) {
        self.pool.put(self.whole.clone());
    }
}

/// Memory that nobody uses.
#[derive(Default)]
pub(super) struct Pool {
    free: Mutex<Vec<Subbuffer<[u32]>>>,
    /// Whether the host writes it: then it is not free before the device is done with what is pending.
    retires: bool,
    retired: Mutex<Vec<Subbuffer<[u32]>>>,
}

impl Pool {
    /// Memory that the host writes.
    pub(super) fn of_the_host() -> Self {
        Self { retires: true, ..Self::default() }
    }

    /// Memory for so many words, which is not much too large.
    pub(super) fn take(&self, words: u64) -> Option<Subbuffer<[u32]>> {
        let mut free = lock(&self.free);
        let place = free.iter().position(|memory| (words..=words.saturating_mul(2)).contains(&memory.len()))?;
        Some(free.swap_remove(place))
    }

    fn put(&self, memory: Subbuffer<[u32]>) {
        let mut kept = lock(if self.retires { &self.retired } else { &self.free });
        if kept.len() < POOLED {
            kept.push(memory);
        }
    }

    /// What was retired is free: the device is done.
    pub(super) fn recycle(&self) {
        let retired = mem::take(&mut *lock(&self.retired));
        let mut free = lock(&self.free);
        let room = POOLED.saturating_sub(free.len());
        free.extend(retired.into_iter().take(room));
    }

    pub(super) fn clear(&self) {
        lock(&self.free).clear();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
