//! Attention: of many heads, of heads that share keys, causal or masked, with keys and values of the past.

mod extent; // sizes, and where heads lie
mod group; // com.microsoft's GroupQueryAttention
mod mask; // which keys a query sees
mod multihead; // com.microsoft's MultiHeadAttention
mod scores; // scores, shares and sums
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use poai_numerics::Unary;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{dims, float_result, floats, given, integers, needed, same_type};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};
use extent::{Extent, Heads};
pub use group::GroupQuery;
use mask::{Mask, Sight};
pub use multihead::MultiHead;
use scores::Attend;

/// ONNX's Attention. Operands: Q, K, V, mask, past keys, past values, how many keys count (each but the first three is
/// optional). Results: Y, present keys, present values, scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Heads of queries and of keys, where operands have three dimensions.
    pub heads: Option<[usize; 2]>,
    /// Multiplies scores; `1 / √depth` without, two roundings.
    pub scale: Option<f32>,
    /// Whether a query sees no key behind its own place.
    pub causal: bool,
    /// What scores are softly kept within.
    pub cap: Option<f32>,
    /// How many keys before and behind its own place a query sees.
    pub window: [Option<usize>; 2],
    /// Whether there are results behind the first.
    pub presents: bool,
    /// What the last result shows, if there is one.
    pub shown: Option<Shown>,
}

/// Which scores are a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Products of queries and keys, scaled.
    Scores,
    /// After the cap.
    Capped,
    /// After the mask: -∞ where a key is not seen.
    Masked,
    /// After softmax.
    Shares,
}

/// Scores of one query, over all heads: they are in memory at once.
const SCORES_OF_A_QUERY: usize = 1 << 28;

/// Places of operands.
const MASK: usize = 3;
const PAST_KEYS: usize = 4;
const PAST_VALUES: usize = 5;
const LENGTHS: usize = 6;

impl Attention {
    /// Reads ONNX's Attention.
    pub(super) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        let heads = match (source.int("q_num_heads")?, source.int("kv_num_heads")?) {
            (None, None) => None,
            (queries, keys) => Some([count("q_num_heads", queries)?, count("kv_num_heads", keys)?]),
        };
        let shown = match source.int("qk_matmul_output_mode")?.unwrap_or(0) {
            0 => Shown::Scores,
            1 => Shown::Capped,
            2 => Shown::Masked,
            3 => Shown::Shares,
            other => return Err(OpError::new(format!("qk_matmul_output_mode is {other}"))),
        };
        match source.int("softmax_precision")? {
            // Arithmetic is that of f32, for narrower types too.
            None | Some(1 | 10 | 16) => {}
            Some(other) => return Err(OpError::unsupported(format!("softmax in the type numbered {other}"))),
        }
        let mut window = |name| match source.int(name)? {
            None | Some(-1) => Ok(None),
            Some(size) => usize::try_from(size).map(Some).map_err(|_| OpError::new(format!("{name} is {size}"))),
        };
        Ok(Self {
            heads,
            window: [window("left_window_size")?, window("right_window_size")?],
            scale: source.float("scale")?,
            causal: source.flag("is_causal")?,
            cap: source.float("softcap")?.filter(|&cap| cap != 0.0),
            presents: source.output_count() > 1,
            shown: (source.output_count() > 3).then_some(shown),
        })
    }

    /// The sizes of a computation, and whether its operands have three dimensions.
    fn extent(&self, [queries, keys, values]: [&[usize]; 3], past: usize) -> Result<(Extent, bool), OpError> {
        let wrong = || OpError::new(format!("queries {queries:?}, keys {keys:?} and values {values:?} do not fit"));
        let head = |width: usize, heads: usize| {
            if heads > 0 && width.is_multiple_of(heads) { Ok(width / heads) } else { Err(wrong()) }
        };
        let (extent, others, abreast) = match (queries, keys, values) {
            (&[batch, heads, queries, depth], &[b, key_heads, keys, key_depth], &[v, value_heads, rows, width]) => {
                let extent = Extent { batch, heads, key_heads, queries, keys, depth, width };
                (extent, [b, v, value_heads, rows, key_depth], false)
            }
            (&[batch, queries, all], &[b, keys, key_all], &[v, rows, value_all]) => {
                let missing = || OpError::new("operands of three dimensions need numbers of heads");
                let [heads, key_heads] = self.heads.ok_or_else(missing)?;
                let (depth, width) = (head(all, heads)?, head(value_all, key_heads)?);
                let extent = Extent { batch, heads, key_heads, queries, keys, depth, width };
                (extent, [b, v, key_heads, rows, head(key_all, key_heads)?], true)
            }
            _ => return Err(wrong()),
        };
        let Extent { batch, heads, key_heads, keys, depth, .. } = extent;
        let groups = key_heads > 0 && heads.is_multiple_of(key_heads);
        if !groups || others != [batch, batch, key_heads, keys, depth] {
            return Err(wrong());
        }
        let keys = keys.checked_add(past).ok_or_else(wrong)?;
        if heads.checked_mul(keys).is_none_or(|scores| scores > SCORES_OF_A_QUERY) {
            return Err(OpError::unsupported(format!("{heads} heads over {keys} keys")));
        }
        Ok((Extent { keys, ..extent }, abreast))
    }

    /// The keys of the past; both caches are checked.
    fn past(&self, inputs: &[Option<&Fact>]) -> Result<Option<usize>, OpError> {
        match (given(inputs, PAST_KEYS), given(inputs, PAST_VALUES)) {
            (None, None) => Ok(Some(0)),
            (Some(_), Some(_)) if given(inputs, LENGTHS).is_some() => {
                Err(OpError::new("lengths do not go with keys of the past"))
            }
            (Some(keys), Some(values)) => {
                let (Some(keys), Some(values)) = (keys.sizes(), values.sizes()) else { return Ok(None) };
                match (&keys[..], &values[..]) {
                    ([b, h, past, _], [c, i, rows, _]) if (b, h, past) == (c, i, rows) => Ok(Some(*past)),
                    _ => Err(OpError::new(format!("keys {keys:?} and values {values:?} of the past do not fit"))),
                }
            }
            _ => Err(OpError::new("keys and values of the past go together")),
        }
    }

    /// The facts of results of a computation of known sizes; caches are checked.
    fn results(&self, inputs: &[Option<&Fact>], extent: &Extent, abreast: bool) -> Result<Vec<Fact>, OpError> {
        let (queries, keys, values) = (needed(inputs, 0, "Q")?, needed(inputs, 1, "K")?, needed(inputs, 2, "V")?);
        let &Extent { batch, heads, key_heads, queries: rows, keys: all, depth, width } = extent;
        for (index, last) in [(PAST_KEYS, depth), (PAST_VALUES, width)] {
            let sizes = given(inputs, index).and_then(Fact::sizes);
            if sizes.is_some_and(|sizes| sizes[..2] != [batch, key_heads] || sizes[3] != last) {
                return Err(OpError::new("keys and values of the past do not fit the new ones"));
            }
        }
        let wide = heads.checked_mul(width).ok_or_else(|| OpError::new("its result is beyond any memory"))?;
        let shape = if abreast { dims(&[batch, rows, wide]) } else { dims(&[batch, heads, rows, width]) };
        let mut results = vec![Fact::new(queries.dtype, shape)];
        if self.presents {
            results.push(Fact::new(keys.dtype, dims(&[batch, key_heads, all, depth])));
            results.push(Fact::new(values.dtype, dims(&[batch, key_heads, all, width])));
        }
        if self.shown.is_some() {
            results.push(Fact::new(queries.dtype, dims(&[batch, heads, rows, all])));
        }
        Ok(results)
    }

    /// The facts of results of which not all sizes are known.
    fn unknown(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (queries, keys, values) = (needed(inputs, 0, "Q")?, needed(inputs, 1, "K")?, needed(inputs, 2, "V")?);
        let mut first = Fact { value: None, ..queries.clone() };
        if let (Some(shape), Some(value)) = (&mut first.shape, &values.shape)
            && let (Some(last), Some(width)) = (shape.last_mut(), value.last())
        {
            // In three dimensions, the heads of queries stand side by side.
            *last = match (value.len(), self.heads, width.size()) {
                (3, Some([heads, key_heads]), Some(width)) if key_heads > 0 => {
                    (width / key_heads).checked_mul(heads).map_or(Dim::Unknown, Dim::Size)
                }
                (4, ..) => width.clone(),
                _ => Dim::Unknown,
            };
        }
        let four = |dtype| Fact::new(dtype, vec![Dim::Unknown; 4]);
        let presents = [four(keys.dtype), four(values.dtype)].into_iter().filter(|_| self.presents);
        Ok(std::iter::once(first).chain(presents).chain(self.shown.map(|_| four(queries.dtype))).collect())
    }

    /// Which keys are seen.
    fn sight<'a>(&self, inputs: &[Option<&'a Tensor>], extent: &Extent, past: usize) -> Result<Sight<'a>, OpError> {
        let lengths = match given(inputs, LENGTHS) {
            None => None,
            Some(lengths) => {
                let found = integers(lengths)?;
                let within = |&length: &i64| usize::try_from(length).ok().filter(|&length| length <= extent.keys);
                let read: Option<Vec<usize>> = found.iter().map(within).collect();
                let read = read.filter(|read| read.len() == extent.batch);
                Some(read.ok_or_else(|| OpError::new(format!("{found:?} are no numbers of keys of {extent:?}")))?)
            }
        };
        let offsets = match &lengths {
            Some(lengths) => lengths.iter().map(|&length| length as i64 - extent.queries as i64).collect(),
            None => vec![past as i64; extent.batch],
        };
        Ok(Sight {
            mask: given(inputs, MASK).map(|mask| Mask::of(mask, extent)).transpose()?,
            causal: self.causal,
            offsets,
            lengths: lengths.unwrap_or_else(|| vec![extent.keys; extent.batch]),
            window: self.window,
        })
    }
}

/// A number of heads, which must be there.
pub(super) fn count(what: &str, number: Option<i64>) -> Result<usize, OpError> {
    let number = number.and_then(|number| usize::try_from(number).ok()).filter(|&number| number > 0);
    number.ok_or_else(|| OpError::new(format!("{what} is missing, or not above zero")))
}

/// Past rows and new ones of every head, one after the other: bits only move.
fn joined(cpu: &Cpu, past: Option<&Tensor>, new: &Tensor, heads: Heads, batch: usize) -> Result<Tensor, OpError> {
    if past.is_none() && !heads.abreast {
        return Ok(new.clone());
    }
    let before = past.map_or(0, |past| past.shape()[2]);
    let rows = before + heads.rows;
    let mut result = cpu.allocate(new.dtype(), &[batch, heads.count, rows, heads.width])?;
    let (size, bytes) = (new.dtype().bytes(), new.bytes());
    let (row, old) = (heads.width * size, before * heads.width * size);
    if rows * row == 0 {
        return Ok(result.freeze());
    }
    for (place, to) in result.bytes_mut().chunks_exact_mut(rows * row).enumerate() {
        if let Some(past) = past {
            to[..old].copy_from_slice(&past.bytes()[place * old..(place + 1) * old]);
        }
        let start = heads.start(place / heads.count, place % heads.count) * size;
        for (index, to) in to[old..].chunks_exact_mut(row).enumerate() {
            let from = start + index * heads.row_stride() * size;
            to.copy_from_slice(&bytes[from..from + row]);
        }
    }
    Ok(result.freeze())
}

impl Operation for Attention {
    fn name(&self) -> &'static str {
        "Attention"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let facts = [needed(inputs, 0, "Q")?, needed(inputs, 1, "K")?, needed(inputs, 2, "V")?];
        for fact in facts {
            if !matches!(fact.dtype, DType::F32 | DType::F16 | DType::Bf16) {
                return Err(OpError::unsupported(format!("attention of {}", fact.dtype)));
            }
        }
        same_type(facts[0], facts[1])?;
        for (own, past) in [(facts[1], PAST_KEYS), (facts[2], PAST_VALUES)] {
            given(inputs, past).map_or(Ok(()), |past| same_type(own, past))?;
        }
        if let Some(mask) = given(inputs, MASK).filter(|mask| mask.dtype != DType::Bool) {
            same_type(facts[0], mask)?;
        }
        let past = self.past(inputs)?;
        match (facts.map(Fact::sizes), past) {
            ([Some(queries), Some(keys), Some(values)], Some(past)) => {
                let (extent, abreast) = self.extent([&queries, &keys, &values], past)?;
                self.results(inputs, &extent, abreast)
            }
            _ => self.unknown(inputs),
        }
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let sizes = [0, 1, 2].map(|index| given(inputs, index).and_then(Fact::sizes));
        let ([Some(queries), Some(keys), Some(values)], Ok(Some(past))) = (sizes, self.past(inputs)) else {
            return Cost::default();
        };
        let Ok((extent, _)) = self.extent([&queries, &keys, &values], past) else { return Cost::default() };
        let Extent { batch, heads, queries, keys, depth, width, .. } = extent;
        let product = |sizes: &[usize]| sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64));
        let scores = product(&[batch, heads, queries, keys]);
        /// Reading, masking and softmax of a score.
        const OF_A_SCORE: u64 = 4;
        Cost {
            multiply_adds: scores.saturating_mul((depth as u64).saturating_add(width as u64)),
            elements: outputs
                .iter()
                .fold(scores.saturating_mul(OF_A_SCORE), |sum, fact| sum.saturating_add(fact.elements())),
        }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (queries, keys, values) = (needed(inputs, 0, "Q")?, needed(inputs, 1, "K")?, needed(inputs, 2, "V")?);
        let (past_keys, past_values) = (given(inputs, PAST_KEYS), given(inputs, PAST_VALUES));
        let past = past_keys.map_or(0, |past| past.shape()[2]);
        let (extent, abreast) = self.extent([queries.shape(), keys.shape(), values.shape()], past)?;
        let Extent { batch, heads, key_heads, depth, width, .. } = extent;
        let new = Heads { count: key_heads, rows: extent.keys - past, width: depth, abreast };
        let joins = past_keys.is_some() || self.presents;
        let join = |past, tensor: &Tensor, width| {
            let heads = Heads { width, ..new };
            if joins { joined(cpu, past, tensor, heads, batch) } else { Ok(tensor.clone()) }
        };
        let (keys, values) = (join(past_keys, keys, depth)?, join(past_values, values, width)?);
        let all = Heads { rows: extent.keys, abreast: abreast && !joins, ..new };
        let attend = |queries: Cow<'_, [f32]>, out: &mut [f32], shown: Option<&mut [f32]>| {
            let own = Heads { count: heads, rows: extent.queries, width: depth, abreast };
            let work = Attend {
                cpu,
                extent,
                queries: (own, &queries),
                keys: (all, &floats(&keys)?),
                values: (Heads { width, ..all }, &floats(&values)?),
                sight: self.sight(inputs, &extent, past)?,
                scale: self.scale.unwrap_or_else(|| Unary::Reciprocal.of(Unary::Sqrt.of(depth as f32))),
                cap: self.cap,
                shown: self.shown,
            };
            work.run(Heads { width, ..own }, out, shown)
        };
        let shape = if abreast {
            vec![batch, extent.queries, heads * width]
        } else {
            vec![batch, heads, extent.queries, width]
        };
        let (dtype, scores_shape) = (queries.dtype(), [batch, heads, extent.queries, extent.keys]);
        let queries = floats(queries)?;
        let mut results = Vec::new();
        if self.shown.is_some() {
            let mut result = None;
            let scores = float_result(cpu, dtype, &scores_shape, |shown| {
                result = Some(float_result(cpu, dtype, &shape, |out| attend(queries, out, Some(shown)))?);
                Ok(())
            })?;
            results.extend(result);
            results.extend([keys, values, scores]);
        } else {
            results.push(float_result(cpu, dtype, &shape, |out| attend(queries, out, None))?);
            results.extend([keys, values].into_iter().filter(|_| self.presents));
        }
        Ok(results)
    }
}
