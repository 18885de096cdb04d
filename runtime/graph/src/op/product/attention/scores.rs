//! Attention itself, for a block of queries at a time.
//!
//! For each query: `score = (q · k) · scale`, a chain over the elements of a head; then, if there is a cap,
//! `tanh(score / cap) · cap`; then what the mask adds; softmax over the keys; and for each element of the result one
//! chain over the keys in order, from +0, in which keys that are not seen are skipped. A query that sees no key has a
//! result of zeros. So a query's result depends neither on other queries nor on keys that it does not see: a text gives
//! the same bits computed at once, or token by token.

use poai_numerics::{Binary, Epilogue, Matrices, Strided, Unary};

use super::Shown;
use super::extent::{Extent, Heads};
use super::mask::Sight;
use crate::{Cpu, OpError};

/// Floats of scores that are computed at a time; a bound of memory, which no result depends on.
const SCORES: usize = 1 << 22;

/// Operands and rules of one computation.
pub(super) struct Attend<'a> {
    pub cpu: &'a Cpu,
    pub extent: Extent,
    pub queries: (Heads, &'a [f32]),
    pub keys: (Heads, &'a [f32]),
    pub values: (Heads, &'a [f32]),
    pub sight: Sight<'a>,
    pub scale: f32,
    pub cap: Option<f32>,
    pub shown: Option<Shown>,
}

/// A block of queries of one item of the batch, all heads.
struct Part {
    item: usize,
    first: usize,
    rows: usize,
    /// Keys that any of the queries may see, from the first on.
    keys: usize,
}

impl Attend<'_> {
    /// Writes the results, and the scores if they are shown.
    pub(super) fn run(&self, results: Heads, out: &mut [f32], mut shown: Option<&mut [f32]>) -> Result<(), OpError> {
        let Extent { batch, heads, queries, keys, .. } = self.extent;
        let block = (SCORES / (heads * keys).max(1)).clamp(1, queries.max(1));
        for item in 0..batch {
            for first in (0..queries).step_by(block) {
                let rows = block.min(queries - first);
                let reach = (first..first + rows).map(|query| self.sight.range(item, query).end).max().unwrap_or(0);
                let keys = if self.shown.is_some() { keys } else { reach };
                let part = Part { item, first, rows, keys };
                self.part(&part, results, out, shown.as_deref_mut())?;
            }
        }
        Ok(())
    }

    fn part(&self, part: &Part, results: Heads, out: &mut [f32], shown: Option<&mut [f32]>) -> Result<(), OpError> {
        let Extent { heads, width, .. } = self.extent;
        let mut scores = self.scores(part)?;
        let mut seen = vec![true; scores.len()];
        let raw = (self.shown == Some(Shown::Scores)).then(|| scores.clone());
        self.cap(&mut scores)?;
        let capped = (self.shown == Some(Shown::Capped)).then(|| scores.clone());
        for (row, (scores, seen)) in rows_mut(&mut scores, part.keys).zip(rows_mut(&mut seen, part.keys)).enumerate() {
            self.sight.apply([part.item, row / part.rows, part.first + row % part.rows], scores, seen);
        }
        let masked = (self.shown == Some(Shown::Masked)).then(|| scores.clone());
        if part.keys > 0 {
            self.cpu.processor().softmax(part.keys, &mut scores)?;
            for (scores, seen) in rows_mut(&mut scores, part.keys).zip(rows_mut(&mut seen, part.keys)) {
                if !seen.contains(&true) {
                    scores.fill(0.0);
                }
            }
        }
        if let Some(shown) = shown {
            let values = raw.or(capped).or(masked);
            self.show(part, values.as_deref().unwrap_or(&scores), shown);
        }
        let sums = self.sums(part, &scores, &seen)?;
        for (row, values) in (0..heads * part.rows).zip(sums.chunks_exact(width.max(1))) {
            let start = results.start(part.item, row / part.rows);
            let start = start + (part.first + row % part.rows) * results.row_stride();
            out[start..start + width].copy_from_slice(values);
        }
        Ok(())
    }

    /// `(q · k) · scale` of each head, query and key.
    fn scores(&self, part: &Part) -> Result<Vec<f32>, OpError> {
        let Extent { heads, key_heads, depth, .. } = self.extent;
        let mut scores = vec![0.0; heads * part.rows * part.keys];
        let ((queries, query_data), (keys, key_data)) = (self.queries, self.keys);
        let skipped = part.first * queries.row_stride();
        let starts: Vec<_> = (0..heads).map(|head| queries.start(part.item, head) + skipped).collect();
        let key_starts: Vec<_> = (0..heads).map(|head| keys.start(part.item, head / (heads / key_heads))).collect();
        if !scores.is_empty() {
            let (left, right) = (queries.matrices(query_data, &starts), keys.turned(key_data, &key_starts));
            let epilogue = Epilogue { scale: Some(self.scale), ..Epilogue::default() };
            self.cpu.processor().matmul([part.rows, depth, part.keys], left, right, &epilogue, &mut scores)?;
        }
        Ok(scores)
    }

    fn cap(&self, scores: &mut [f32]) -> Result<(), OpError> {
        let Some(cap) = self.cap else { return Ok(()) };
        let processor = self.cpu.processor();
        let by_cap = |operation, values: &[f32], out: &mut [f32]| {
            let values = Strided { data: values, strides: &[1] };
            processor.binary(operation, &[out.len()], values, Strided { data: &[cap], strides: &[0] }, out)
        };
        let mut other = vec![0.0; scores.len()];
        by_cap(Binary::Div, scores, &mut other)?;
        processor.unary(Unary::Tanh, &other, scores)?;
        by_cap(Binary::Mul, scores, &mut other)?;
        scores.copy_from_slice(&other);
        Ok(())
    }

    fn show(&self, part: &Part, values: &[f32], shown: &mut [f32]) {
        let Extent { heads, queries, keys, .. } = self.extent;
        for head in 0..heads {
            let from = &values[head * part.rows * keys..(head + 1) * part.rows * keys];
            let to = ((part.item * heads + head) * queries + part.first) * keys;
            shown[to..to + from.len()].copy_from_slice(from);
        }
    }

    /// The sums of values, each times its share.
    fn sums(&self, part: &Part, shares: &[f32], seen: &[bool]) -> Result<Vec<f32>, OpError> {
        let Extent { heads, key_heads, width, .. } = self.extent;
        let mut sums = vec![0.0; heads * part.rows * width];
        let (values, data) = self.values;
        if sums.is_empty() || part.keys == 0 {
            return Ok(sums);
        }
        let starts: Vec<_> = (0..heads).map(|head| values.start(part.item, head / (heads / key_heads))).collect();
        let share_starts: Vec<_> = (0..heads).map(|head| head * part.rows * part.keys).collect();
        let left = Matrices { data: shares, starts: &share_starts, row_stride: part.keys, column_stride: 1 };
        let right = values.matrices(data, &starts);
        let shape = [part.rows, part.keys, width];
        self.cpu.processor().matmul(shape, left, right, &Epilogue::default(), &mut sums)?;
        // The share of a key that is not seen is +0, which stands for a skipped term but beside ∞ or NaN.
        let finite = |head: &usize| {
            let rows = (0..part.keys).map(|key| starts[*head] + key * values.row_stride());
            rows.into_iter().all(|start| data[start..start + width].iter().all(|value| value.is_finite()))
        };
        if seen.contains(&false) && !(0..heads).all(|head| finite(&head)) {
            for (row, sums) in sums.chunks_exact_mut(width).enumerate() {
                let own = row * part.keys..(row + 1) * part.keys;
                self.sum_of_seen((&shares[own.clone()], &seen[own]), starts[row / part.rows], sums)?;
            }
        }
        Ok(sums)
    }

    /// The sum of one query, over nothing but the keys that it sees.
    fn sum_of_seen(&self, (shares, seen): (&[f32], &[bool]), start: usize, sums: &mut [f32]) -> Result<(), OpError> {
        let (values, data) = self.values;
        let keys: Vec<usize> = (0..shares.len()).filter(|&key| seen[key]).collect();
        let shares: Vec<f32> = keys.iter().map(|&key| shares[key]).collect();
        let rows = keys.iter().flat_map(|&key| &data[start + key * values.row_stride()..][..sums.len()]);
        let rows: Vec<f32> = rows.copied().collect();
        let (left, right) = (Matrices::one(&shares, keys.len()), Matrices::one(&rows, sums.len()));
        Ok(self.cpu.processor().matmul([1, keys.len(), sums.len()], left, right, &Epilogue::default(), sums)?)
    }
}

/// Rows of a length, none if that is 0.
fn rows_mut<T>(values: &mut [T], length: usize) -> std::slice::ChunksExactMut<'_, T> {
    values.chunks_exact_mut(length.max(1))
}
