//! Numbers that pass through the lanes, one place to another or in place.
#![expect(unsafe_code, reason = "what is read may be what is written")]

use std::marker::PhantomData;

use crate::elementwise::Function;
use crate::lanes::{Lanes, Register};

/// The most floats of any [`Isa::Wide`](crate::isa::Isa::Wide).
const MOST_LANES: usize = 48;

/// Numbers to read, and where to write as many: the same place, or one that does not overlap.
pub(crate) struct Stream<'a> {
    from: *const f32,
    to: *mut f32,
    length: usize,
    borrow: PhantomData<(&'a [f32], &'a mut [f32])>,
}

impl<'a> Stream<'a> {
    pub(crate) fn in_place(values: &'a mut [f32]) -> Self {
        let to = values.as_mut_ptr();
        Self { from: to, to, length: values.len(), borrow: PhantomData }
    }

    pub(crate) fn between(from: &'a [f32], to: &'a mut [f32]) -> Self {
        assert_eq!(from.len(), to.len(), "each number has its place");
        Self { from: from.as_ptr(), to: to.as_mut_ptr(), length: to.len(), borrow: PhantomData }
    }

    /// Replaces each number by what is stored of `f`.
    #[inline(always)]
    pub(crate) fn map<V: Register, F: Function>(self, f: F) {
        const { assert!(V::COUNT <= MOST_LANES) };
        let whole = self.length / V::COUNT * V::COUNT;
        for i in (0..whole).step_by(V::COUNT) {
            // SAFETY: `i` and all lanes lie within both places. Where both are one, it is read before it is written.
            unsafe { stored_of(f, V::load(self.from.add(i))).store(self.to.add(i)) };
        }
        let left = self.length - whole;
        if left > 0 {
            let mut padded = [0.0; MOST_LANES];
            // SAFETY: so many are left in both places, and the padded end holds any lanes.
            unsafe {
                self.from.add(whole).copy_to_nonoverlapping(padded.as_mut_ptr(), left);
                stored_of(f, V::load(padded.as_ptr())).store(padded.as_mut_ptr());
                self.to.add(whole).copy_from_nonoverlapping(padded.as_ptr(), left);
            }
        }
    }

    /// Replaces each number by `f` of it, one by one or as the compiler likes.
    #[inline(always)]
    pub(crate) fn each(self, f: impl Fn(f32) -> f32) {
        for i in 0..self.length {
            // SAFETY: `i` lies within both places.
            unsafe { *self.to.add(i) = f(*self.from.add(i)) };
        }
    }
}

#[inline(always)]
fn stored_of<V: Lanes, F: Function>(f: F, x: V) -> V {
    let value = f.of(x);
    if F::SIGNLESS { value.stored_size() } else { value.stored() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{One, Several};
    use crate::step::Soft;

    #[derive(Clone, Copy)]
    struct Next;

    impl Function for Next {
        fn of<V: Lanes>(self, x: V) -> V {
            x + V::splat(1.0)
        }
    }

    #[test]
    fn every_number_passes_once() {
        for length in [0, 1, 6, 7, 8, 21, 23] {
            let input: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: Vec<f32> = input.iter().map(|x| x + 1.0).collect();
            let mut out = vec![0.0; length];
            Stream::between(&input, &mut out).map::<Several<One<Soft>, 7>, _>(Next);
            assert_eq!(out, expected);
            let mut values = input.clone();
            Stream::in_place(&mut values).map::<Several<One<Soft>, 7>, _>(Next);
            assert_eq!(values, expected);
            Stream::in_place(&mut values).each(|x| x - 1.0);
            assert_eq!(values, input);
        }
    }
}
