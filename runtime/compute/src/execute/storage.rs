use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Binding;
use crate::arithmetic::Binary;

/// What a part of a dispatch has of a buffer. Places count from the whole buffer's beginning.
pub(super) enum Piece<'b> {
    /// All of it.
    Read(&'b [u32]),
    /// The slices of some invocations.
    ReadWrite {
        words: &'b mut [u32],
        stride: u32,
        /// Where they begin.
        begin: usize,
        /// Words of the whole buffer.
        whole: usize,
    },
    /// All of it, to be changed at once.
    Atomic(&'b [AtomicU32]),
}

impl<'b> Piece<'b> {
    /// All of a buffer; or what stands for one of atomics.
    pub(super) fn of(binding: &'b mut Binding<'_>, changed: Option<&'b [AtomicU32]>) -> Self {
        match (binding, changed) {
            (_, Some(changed)) => Self::Atomic(changed),
            (Binding::Read(words), None) => Self::Read(words),
            (Binding::ReadWrite { words, stride }, None) => {
                Self::ReadWrite { whole: words.len(), begin: 0, stride: *stride, words }
            }
        }
    }

    /// Takes the slices of all invocations before that of a number; what all read is there for each.
    pub(super) fn split_off_front(&mut self, number: u64) -> Self {
        match self {
            Self::Read(words) => Self::Read(words),
            Self::Atomic(words) => Self::Atomic(words),
            Self::ReadWrite { words, stride, begin, whole } => {
                let end = slice_begin(number, *stride).min(*whole);
                let (front, rest) = std::mem::take(words).split_at_mut(end - *begin);
                let front = Self::ReadWrite { words: front, stride: *stride, begin: *begin, whole: *whole };
                (*words, *begin) = (rest, end);
                front
            }
        }
    }

    /// Words of the whole buffer.
    fn whole(&self) -> usize {
        match self {
            Self::Read(words) => words.len(),
            Self::Atomic(words) => words.len(),
            Self::ReadWrite { whole, .. } => *whole,
        }
    }

    /// The words, and where they begin.
    #[inline]
    fn words(&self) -> (&[u32], usize) {
        match self {
            Self::Read(words) => (words, 0),
            Self::ReadWrite { words, begin, .. } => (words, *begin),
            // Compiled to changes only.
            Self::Atomic(_) => (&[], 0),
        }
    }
}

/// Where the slice of an invocation would begin in a buffer without end.
fn slice_begin(number: u64, stride: u32) -> usize {
    // Both factors are below 2³².
    usize::try_from(number * u64::from(stride)).unwrap_or(usize::MAX)
}

/// The buffers of a dispatch, as one invocation sees them.
pub(super) struct Storage<'b> {
    pieces: Vec<Piece<'b>>,
    /// The words of each that the invocation has.
    windows: Vec<Range<usize>>,
}

impl<'b> Storage<'b> {
    pub(super) fn new(pieces: Vec<Piece<'b>>) -> Self {
        let windows = pieces.iter().map(|piece| 0..piece.whole()).collect();
        Self { pieces, windows }
    }

    /// Becomes what the invocation of a number sees, which is one of the pieces' own.
    pub(super) fn turn_to(&mut self, number: u64) {
        for (piece, window) in self.pieces.iter().zip(&mut self.windows) {
            if let Piece::ReadWrite { stride, whole, .. } = piece {
                let begin = slice_begin(number, *stride).min(*whole);
                *window = begin..begin.saturating_add(*stride as usize).min(*whole);
            }
        }
    }

    /// All words of a buffer.
    pub(super) fn words(&self, binding: u8) -> usize {
        self.pieces[usize::from(binding)].whole()
    }

    /// Words from a buffer; zeros for those that the invocation does not have.
    #[inline]
    pub(super) fn read(&self, binding: u8, at: usize, to: &mut [u32]) {
        let ((words, begin), window) = (self.pieces[usize::from(binding)].words(), &self.windows[usize::from(binding)]);
        if at >= window.start && at + to.len() <= window.end {
            return to.copy_from_slice(&words[at - begin..at - begin + to.len()]);
        }
        for (place, word) in (at..).zip(to) {
            *word = if window.contains(&place) { words[place - begin] } else { 0 };
        }
    }

    /// Changes a word of a buffer at once, if there is such a one.
    pub(super) fn change(&self, binding: u8, at: usize, op: Binary, word: u32) {
        let Piece::Atomic(words) = self.pieces[usize::from(binding)] else {
            unreachable!("checked: what is changed at once is bound so")
        };
        if let Some(place) = words.get(at) {
            // What was there before is nobody's to know.
            place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| Some(op.of(before, word))).ok();
        }
    }

    /// Words to a buffer; those that the invocation does not have stay.
    pub(super) fn write(&mut self, binding: u8, at: usize, from: &[u32]) {
        let window = &self.windows[usize::from(binding)];
        if let Piece::ReadWrite { words, begin, .. } = &mut self.pieces[usize::from(binding)] {
            for (place, word) in (at..).zip(from) {
                if window.contains(&place) {
                    words[place - *begin] = *word;
                }
            }
        }
    }
}
