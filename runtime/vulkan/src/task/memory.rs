use std::sync::{Mutex, PoisonError};

use poai_compute::Resident;

/// What a device keeps of tasks' buffers between dispatches.
pub(crate) struct Memory {
    /// All that may be kept, with its words.
    kept: Mutex<Vec<(Resident, usize)>>,
    /// Words that are kept at most, but for those of one dispatch.
    most: usize,
}

impl Memory {
    /// Keeps at most so many words.
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    /// Notes what is kept now: if all is too much, the rest is forgotten.
    pub(super) fn note(&self, more: impl IntoIterator<Item = (Resident, usize)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(resident, _)| resident.is_kept());
        let before = kept.len();
        kept.extend(more);
        if kept.iter().fold(0, |sum: usize, (_, words)| sum.saturating_add(*words)) > self.most {
            kept.drain(..before).for_each(|(resident, _)| resident.forget());
        }
    }

    /// Forgets everything. Tells whether there was anything.
    pub(super) fn forget(&self) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let any = kept.iter().any(|(resident, _)| resident.is_kept());
        kept.drain(..).for_each(|(resident, _)| resident.forget());
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> Resident {
        let resident = Resident::default();
        resident.keep(7_u32);
        resident
    }

    #[test]
    fn what_is_too_much_is_forgotten_but_for_the_last() {
        let memory = Memory::new(10);
        let [first, second, third, last] = [resident(), resident(), resident(), resident()];
        memory.note([(first.clone(), 4), (second.clone(), 5)]);
        second.forget();
        memory.note([(third.clone(), 6)]);
        let kept = || [&first, &second, &third, &last].map(Resident::is_kept);
        assert_eq!(kept(), [true, false, true, true]);
        memory.note([(last.clone(), 11)]);
        assert_eq!(kept(), [false, false, false, true]);
        assert!(memory.forget() && !memory.forget());
        assert_eq!(kept(), [false; 4]);
    }
}
