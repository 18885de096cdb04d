//! Which keys a query sees, and what is added to its scores.

use std::borrow::Cow;

use super::extent::Extent;
use crate::op::operand::{floats, strides};
use crate::{DType, OpError, Tensor};

/// What a mask says of a key.
enum Values<'a> {
    /// Seen or not.
    Seen(&'a [u8]),
    /// Added to its score; it is not seen where that is -∞.
    Added(Cow<'a, [f32]>),
}

/// An operand that masks, as it broadcasts to (batch, head, query). Keys behind its last dimension are not seen.
pub(super) struct Mask<'a> {
    values: Values<'a>,
    steps: [usize; 3],
    keys: usize,
}

impl<'a> Mask<'a> {
    /// Reads a mask of up to four dimensions.
    pub(super) fn of(mask: &'a Tensor, extent: &Extent) -> Result<Self, OpError> {
        let shape = mask.shape();
        let wrong = || OpError::new(format!("a mask of shape {shape:?} does not fit {extent:?}"));
        let (&keys, outer) = shape.split_last().ok_or_else(wrong)?;
        if outer.len() > 3 || keys > extent.keys {
            return Err(wrong());
        }
        let own = strides(shape);
        let mut steps = [0; 3];
        let sizes = [extent.batch, extent.heads, extent.queries];
        for (axis, &size) in outer.iter().enumerate() {
            let place = axis + 3 - outer.len();
            if size != 1 && size != sizes[place] {
                return Err(wrong());
            }
            steps[place] = if size == 1 { 0 } else { own[axis] };
        }
        let values =
            if mask.dtype() == DType::Bool { Values::Seen(mask.slice()?) } else { Values::Added(floats(mask)?) };
        Ok(Self { values, steps, keys })
    }

    fn start(&self, place: [usize; 3]) -> usize {
        place.iter().zip(self.steps).map(|(index, step)| index * step).sum()
    }
}

/// All that decides which keys are seen.
pub(super) struct Sight<'a> {
    pub mask: Option<Mask<'a>>,
    /// Query i sees no key behind i + offset, where it is causal.
    pub causal: bool,
    /// Keys before the first query, for each item of the batch.
    pub offsets: Vec<i64>,
    /// How many keys count, for each item of the batch.
    pub lengths: Vec<usize>,
    /// How many keys before and behind its own place a query sees.
    pub window: [Option<usize>; 2],
}

impl Sight<'_> {
    /// The keys that may be seen, but for what a mask says.
    pub(super) fn range(&self, item: usize, query: usize) -> std::ops::Range<usize> {
        let place = self.offsets[item].saturating_add(query as i64);
        let behind = |reach: i64| usize::try_from(place.saturating_add(reach).saturating_add(1)).unwrap_or(0);
        let reach = |window: Option<usize>| window.map(|window| i64::try_from(window).unwrap_or(i64::MAX));
        let mut end = self.lengths[item];
        if self.causal {
            end = end.min(behind(0));
        }
        if let Some(ahead) = reach(self.window[1]) {
            end = end.min(behind(ahead));
        }
        let first = reach(self.window[0]).map_or(0, |back| usize::try_from(place.saturating_sub(back)).unwrap_or(0));
        first.min(end)..end
    }

    /// Marks the keys that a query sees, and adds what a mask adds to their scores. What is not seen becomes -∞.
    pub(super) fn apply(&self, place: [usize; 3], scores: &mut [f32], seen: &mut [bool]) {
        let range = self.range(place[0], place[2]);
        for (key, (score, seen)) in scores.iter_mut().zip(seen.iter_mut()).enumerate() {
            *seen = range.contains(&key);
            if let (true, Some(mask)) = (*seen, &self.mask) {
                let start = mask.start(place);
                *seen = key < mask.keys;
                match &mask.values {
                    _ if !*seen => {}
                    Values::Seen(values) => *seen = values[start + key] != 0,
                    Values::Added(values) => {
                        let added = values[start + key];
                        *seen = added != f32::NEG_INFINITY;
                        *score = poai_numerics::Binary::Add.of(*score, added);
                    }
                }
            }
            if !*seen {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}
