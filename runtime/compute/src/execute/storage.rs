use std::ops::Range;

use super::Binding;

/// The buffers of a dispatch, as one invocation sees them.
pub(super) struct Storage<'s, 'b> {
    bindings: &'s mut [Binding<'b>],
    /// The words of each that the invocation has.
    windows: Vec<Range<usize>>,
}

impl<'s, 'b> Storage<'s, 'b> {
    pub(super) fn new(bindings: &'s mut [Binding<'b>]) -> Self {
        let windows = bindings.iter().map(|binding| 0..binding.words().len()).collect();
        Self { bindings, windows }
    }

    /// Becomes what the invocation of a number sees.
    pub(super) fn turn_to(&mut self, number: u64) {
        for (binding, window) in self.bindings.iter().zip(&mut self.windows) {
            if let Binding::ReadWrite { words, stride } = binding {
                // Both factors are below 2³².
                let begin = usize::try_from(number * u64::from(*stride)).unwrap_or(usize::MAX).min(words.len());
                *window = begin..begin.saturating_add(*stride as usize).min(words.len());
            }
        }
    }

    /// All words of a buffer.
    pub(super) fn words(&self, binding: u8) -> usize {
        self.bindings[usize::from(binding)].words().len()
    }

    /// Words from a buffer; zeros for those that the invocation does not have.
    #[inline]
    pub(super) fn read(&self, binding: u8, at: usize, to: &mut [u32]) {
        let (binding, window) = (&self.bindings[usize::from(binding)], &self.windows[usize::from(binding)]);
        if at >= window.start && at + to.len() <= window.end {
            return to.copy_from_slice(&binding.words()[at..at + to.len()]);
        }
        for (place, word) in (at..).zip(to) {
            *word = if window.contains(&place) { binding.words()[place] } else { 0 };
        }
    }

    /// Words to a buffer; those that the invocation does not have stay.
    pub(super) fn write(&mut self, binding: u8, at: usize, from: &[u32]) {
        let window = &self.windows[usize::from(binding)];
        if let Binding::ReadWrite { words, .. } = &mut self.bindings[usize::from(binding)] {
            for (place, word) in (at..).zip(from) {
                if window.contains(&place) {
                    words[place] = *word;
                }
            }
        }
    }
}

impl Binding<'_> {
    /// All of its words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Read(words) => words,
            Self::ReadWrite { words, .. } => words,
        }
    }
}
