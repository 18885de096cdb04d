//! The run's memory limit: one sum over linear memories, tables and files under `/out`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use poai_meter::StaticRules;
use wasmtime::ResourceLimiter;

use super::stop::Stop;
use crate::Fault;

/// Bytes that an element of a table counts for.
const ELEMENT_BYTES: u64 = 16;
/// Bytes of one memory: all that 32-bit addresses reach.
const MEMORY_BYTES: usize = 4 << 30;

/// What is taken of the limit. One thread uses it; wasmtime wants what it holds to be shareable.
#[derive(Debug)]
pub(crate) struct Memory {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicU64::new(0) })
    }

    /// Takes so many bytes, or nothing if there are not as many.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit_bytes);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// How much could be taken.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.limit_bytes - self.used_bytes.load(Ordering::Relaxed)
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        let before = self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "only what was taken is given back");
    }
}

/// Memory that something of the host takes for the guest, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Reserved {
    /// None if there is not as much.
    pub(crate) fn of(memory: &Arc<Memory>, bytes: u64) -> Option<Self> {
        memory.take(bytes).then(|| Self { memory: Arc::clone(memory), bytes })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// Answers wasmtime's questions about growth.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Arc<Memory>,
    /// All memories and tables are there: what is refused from now on is growth.
    is_born: bool,
    /// Something that had no size yet was refused: if that ends the run, it was too large to begin with.
    refused_at_birth: bool,
}

impl Limiter {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, is_born: false, refused_at_birth: false }
    }

    /// All memories and tables are there.
    pub(crate) fn born(&mut self) {
        self.is_born = true;
        self.refused_at_birth = false;
    }

    /// Whether a memory or table may have been too large to begin with.
    pub(crate) fn refused_at_birth(&self) -> bool {
        self.refused_at_birth
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: usize, unit_bytes: u64) -> bool {
        let more = (desired.saturating_sub(current) as u64).saturating_mul(unit_bytes);
        let granted = desired <= maximum && self.memory.take(more);
        self.refused_at_birth |= !self.is_born && current == 0 && !granted;
        granted
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, maximum.unwrap_or(MEMORY_BYTES).min(MEMORY_BYTES), 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = usize::try_from(StaticRules::default().table_elements).unwrap_or(usize::MAX);
        Ok(self.grow(current, desired, maximum.unwrap_or(elements).min(elements), ELEMENT_BYTES))
    }

    // Whatever wasm forbids was refused above: what fails now is this machine's memory, and no other host would agree.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Stop::Fault(Fault::HostMemory { reason: format!("{error:#}") }).into())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Stop::Fault(Fault::HostMemory { reason: format!("{error:#}") }).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let memory = Memory::new(3 << 16);
        let mut limiter = Limiter::new(Arc::clone(&memory));
        assert!(limiter.memory_growing(0, 1 << 16, None).unwrap());
        assert!(limiter.table_growing(0, 4_096, None).unwrap(), "4,096 elements are one page");
        assert!(!limiter.memory_growing(1 << 16, 3 << 16, None).unwrap());
        assert!(!limiter.refused_at_birth());
        assert!(limiter.memory_growing(1 << 16, 2 << 16, None).unwrap());
        assert!(!limiter.table_growing(0, 1, None).unwrap());
        assert!(limiter.refused_at_birth());
    }

    #[test]
    fn what_wasm_forbids_takes_nothing() {
        let memory = Memory::new(u64::MAX);
        let mut limiter = Limiter::new(Arc::clone(&memory));
        assert!(!limiter.memory_growing(1, 8, Some(7)).unwrap());
        assert!(!limiter.memory_growing(1, MEMORY_BYTES + 1, None).unwrap());
        assert!(!limiter.table_growing(1, 1 << 30, Some(1 << 31)).unwrap());
        assert_eq!(memory.used_bytes.load(Ordering::Relaxed), 0);
    }
}
