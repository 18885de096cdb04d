//! Memory that begins on a cache line.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector.
const LINE_BYTES: usize = 64;

/// A slice of numbers that begins on a cache line. Begins as zeros.
pub struct Aligned<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let storage = vec![T::default(); length + LINE_BYTES / size_of::<T>()];
        let start = storage.as_ptr().align_offset(LINE_BYTES).min(storage.len() - length);
        Self { storage, start, length }
    }

    /// Makes the slice at least `length` long; its content is then unspecified.
    pub(crate) fn reserve(&mut self, length: usize) {
        if self.length < length {
            *self = Self::zeros(length);
        }
    }
}

impl<T> Default for Aligned<T> {
    /// Nothing, without memory.
    fn default() -> Self {
        Self { storage: Vec::new(), start: 0, length: 0 }
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.length]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_line_even_when_cloned() {
        for length in [0, 1, 7, 4096] {
            let buffer = Aligned::<f32>::zeros(length);
            let copy = buffer.clone();
            for slice in [&buffer[..], &copy[..]] {
                assert_eq!(slice.as_ptr().align_offset(LINE_BYTES), 0);
                assert_eq!(slice, vec![0.0; length]);
            }
        }
    }
}
