//! com.microsoft's GroupQueryAttention: what exported language models have, with rotary embedding and a past of its own.

use poai_numerics::Unary;

use super::count;
use super::extent::{Extent, Heads};
use super::mask::Sight;
use super::scores::Attend;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{dims, float_result, floats, given, integer, integers, needed, same_type};
use crate::op::product::Rotary;
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Causal attention of heads that share keys. Operands: queries (batch, place, heads side by side; with keys and values
/// behind them in each row, if those are left out), keys, values, past keys, past values, the last key of each text, the
/// number of keys of the longest, cosines, sines, places. Results: what is attended, present keys, present values.
///
/// The past of a text is what its last key leaves before the new ones; none if there are as many new ones as keys.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupQuery {
    /// Heads of queries and of keys.
    pub heads: [usize; 2],
    /// Multiplies scores; `1 / √depth` without.
    pub scale: Option<f32>,
    /// What scores are softly kept within.
    pub cap: Option<f32>,
    /// How many keys a query sees, its own included.
    pub window: Option<usize>,
    /// How queries and keys are turned by their places, if they are.
    pub rotary: Option<Rotary>,
}

/// Places of operands.
const PAST: [usize; 2] = [3, 4];
const LAST: usize = 5;
const TOTAL: usize = 6;
const ANGLES: [usize; 2] = [7, 8];
const PLACES: usize = 9;
const OTHERS: [usize; 4] = [10, 11, 12, 13];

impl GroupQuery {
    /// Reads GroupQueryAttention.
    pub(in crate::op::product) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        if OTHERS.iter().any(|&index| source.has_input(index)) {
            return Err(OpError::unsupported("a bias, sinks or scales of its caches"));
        }
        if source.int("smooth_softmax")?.is_some_and(|smooth| smooth > 0) {
            return Err(OpError::unsupported("a smooth softmax"));
        }
        let interleaved = source.flag("rotary_interleaved")?;
        let rotary = Rotary { heads: None, interleaved, turned: None, places_first: false };
        let window = match source.int("local_window_size")? {
            None | Some(-1) => None,
            size => Some(count("local_window_size", size)?),
        };
        Ok(Self {
            heads: [count("num_heads", source.int("num_heads")?)?, count("kv_num_heads", source.int("kv_num_heads")?)?],
            scale: source.float("scale")?.filter(|&scale| scale != 0.0),
            cap: source.float("softcap")?.filter(|&cap| cap != 0.0),
            window,
            rotary: source.flag("do_rotary")?.then_some(rotary),
        })
    }

    /// The sizes of a computation, `keys` being the new ones.
    fn extent(&self, queries: &[usize], keys: Option<&[usize]>) -> Result<Extent, OpError> {
        let wrong = || OpError::new(format!("queries {queries:?} and keys {keys:?} do not fit heads {:?}", self.heads));
        let [heads, key_heads] = self.heads;
        let &[batch, rows, width] = queries else { return Err(wrong()) };
        let all = if keys.is_some() {
            Some(heads)
        } else {
            key_heads.checked_mul(2).and_then(|both| both.checked_add(heads))
        };
        let all = all.filter(|&all| heads.is_multiple_of(key_heads) && width.is_multiple_of(all)).ok_or_else(wrong)?;
        let depth = width / all;
        if keys.is_some_and(|keys| {
            Some(keys)
                != key_heads.checked_mul(depth).map(|width| [batch, rows, width]).as_ref().map(|sizes| &sizes[..])
        }) {
            return Err(wrong());
        }
        Ok(Extent { batch, heads, key_heads, queries: rows, keys: rows, depth, width: depth })
    }

    /// Queries, keys and values, each a tensor.
    fn operands(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], extent: &Extent) -> Result<[Tensor; 3], OpError> {
        let queries = needed(inputs, 0, "query")?;
        if let (Some(keys), Some(values)) = (given(inputs, 1), given(inputs, 2)) {
            return Ok([queries.clone(), keys.clone(), values.clone()]);
        }
        let size = queries.dtype().bytes() * extent.depth;
        let mut from = 0;
        let row = (extent.heads + 2 * extent.key_heads) * size;
        let parts = [extent.heads, extent.key_heads, extent.key_heads].map(|heads| {
            let mut part = cpu.allocate(queries.dtype(), &[extent.batch, extent.queries, heads * extent.depth])?;
            let own = from..from + heads * size;
            from = own.end;
            if size > 0 {
                let rows = queries.bytes().chunks_exact(row);
                for (row, to) in rows.zip(part.bytes_mut().chunks_exact_mut(heads * size)) {
                    to.copy_from_slice(&row[own.clone()]);
                }
            }
            Ok::<_, OpError>(part.freeze())
        });
        let [queries, keys, values] = parts;
        Ok([queries?, keys?, values?])
    }

    /// Turned by their places, if they are.
    fn turned(
        &self,
        cpu: &Cpu,
        inputs: &[Option<&Tensor>],
        x: Tensor,
        heads: usize,
        places: &Tensor,
    ) -> Result<Tensor, OpError> {
        let Some(rotary) = &self.rotary else { return Ok(x) };
        let [cosines, sines] = ANGLES.map(|index| given(inputs, index));
        let half = cosines.and_then(|cosines| cosines.shape().last().copied());
        let rotary = Rotary { heads: Some(heads), turned: half.and_then(|half| half.checked_mul(2)), ..rotary.clone() };
        let facts = [&x, places].map(Fact::of);
        let angles = [cosines, sines].map(|angles| angles.map(Fact::of));
        rotary.infer(&[Some(&facts[0]), angles[0].as_ref(), angles[1].as_ref(), Some(&facts[1])])?;
        Ok(rotary.run(cpu, &[Some(&x), cosines, sines, Some(places)])?.remove(0))
    }

    /// The keys before the new ones, for each text, and all of its keys.
    fn texts(&self, inputs: &[Option<&Tensor>], extent: &Extent, past: usize) -> Result<Vec<(usize, usize)>, OpError> {
        let last = integers(needed(inputs, LAST, "seqlens_k")?)?;
        let longest = integer(needed(inputs, TOTAL, "total_sequence_length")?)?;
        let first = i64::try_from(extent.queries) == Ok(longest);
        let text = |&last: &i64| {
            let all = last.checked_add(1).and_then(|all| usize::try_from(all).ok())?;
            let before = if first { 0 } else { all.checked_sub(extent.queries)? };
            (before <= past && all <= before + extent.queries).then_some((before, all))
        };
        let texts: Option<Vec<_>> = last.iter().map(text).collect();
        let texts = texts.filter(|texts| texts.len() == extent.batch);
        texts.ok_or_else(|| OpError::new(format!("last keys {last:?} do not fit {past} of the past and {extent:?}")))
    }

    /// Keys or values of the past and new ones behind those of each text; the rest are zeros.
    fn joined(
        cpu: &Cpu,
        past: Option<&Tensor>,
        new: &Tensor,
        (heads, rows): (Heads, usize),
        texts: &[(usize, usize)],
    ) -> Result<Tensor, OpError> {
        let mut result = cpu.allocate(new.dtype(), &[texts.len(), heads.count, rows, heads.width])?;
        let row = heads.width * new.dtype().bytes();
        let old = past.map_or(0, |past| past.shape()[2] * row);
        result.bytes_mut().fill(0);
        if rows * row == 0 {
            return Ok(result.freeze());
        }
        for (place, to) in result.bytes_mut().chunks_exact_mut(rows * row).enumerate() {
            let (item, head) = (place / heads.count, place % heads.count);
            let before = texts[item].0 * row;
            if let Some(past) = past {
                to[..before].copy_from_slice(&past.bytes()[place * old..][..before]);
            }
            let start = heads.start(item, head) * new.dtype().bytes();
            for (index, to) in to[before..].chunks_exact_mut(row).take(heads.rows).enumerate() {
                let from = start + index * heads.row_stride() * new.dtype().bytes();
                to.copy_from_slice(&new.bytes()[from..from + row]);
            }
        }
        Ok(result.freeze())
    }

    /// How many keys the caches have room for, if that is known.
    fn room(&self, inputs: &[Option<&Fact>]) -> Result<Option<usize>, OpError> {
        let past = match given(inputs, PAST[0]) {
            Some(past) => past.shape.as_ref().and_then(|shape| shape.get(2)?.size()),
            None => Some(0),
        };
        let Some(total) = needed(inputs, TOTAL, "total_sequence_length")?.value.as_ref() else { return Ok(None) };
        let total = usize::try_from(integer(total)?).map_err(|_| OpError::new("a number of keys is below zero"))?;
        Ok(past.map(|past| past.max(total)))
    }
}

impl Operation for GroupQuery {
    fn name(&self) -> &'static str {
        "GroupQueryAttention"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let queries = needed(inputs, 0, "query")?;
        if !matches!(queries.dtype, DType::F32 | DType::F16 | DType::Bf16) {
            return Err(OpError::unsupported(format!("attention of {}", queries.dtype)));
        }
        for other in [1, 2, PAST[0], PAST[1]].into_iter().filter_map(|index| given(inputs, index)) {
            same_type(queries, other)?;
        }
        if given(inputs, 1).is_some() != given(inputs, 2).is_some()
            || given(inputs, PAST[0]).is_some() != given(inputs, PAST[1]).is_some()
        {
            return Err(OpError::new("keys and values go together"));
        }
        needed(inputs, LAST, "seqlens_k")?;
        let room = self.room(inputs)?;
        let keys = given(inputs, 1).map(Fact::sizes);
        let (Some(sizes), Some(room), false) = (queries.sizes(), room, keys == Some(None)) else {
            let cache = || Fact::new(queries.dtype, vec![Dim::Unknown; 4]);
            return Ok(vec![Fact::new(queries.dtype, vec![Dim::Unknown; 3]), cache(), cache()]);
        };
        let extent = self.extent(&sizes, keys.flatten().as_deref())?;
        if given(inputs, 2).and_then(Fact::sizes) != given(inputs, 1).and_then(Fact::sizes) {
            return Err(OpError::new("keys and values have different shapes"));
        }
        let Extent { batch, heads, key_heads, depth, .. } = extent;
        let pasts = PAST.map(|index| given(inputs, index).and_then(Fact::sizes));
        let fits = |past: &Vec<usize>| past.len() == 4 && past[..2] == [batch, key_heads] && past[3] == depth;
        if pasts[0] != pasts[1] || !pasts.iter().flatten().all(fits) {
            return Err(OpError::new(format!("keys and values of the past, {pasts:?}, do not fit {extent:?}")));
        }
        if heads.checked_mul(room).is_none_or(|scores| scores > super::SCORES_OF_A_QUERY) {
            return Err(OpError::unsupported(format!("{heads} heads over {room} keys")));
        }
        let cache = || Fact::new(queries.dtype, dims(&[batch, key_heads, room, depth]));
        Ok(vec![Fact::new(queries.dtype, dims(&[batch, extent.queries, heads * depth])), cache(), cache()])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Reading, masking and softmax of a score.
        const OF_A_SCORE: u64 = 4;
        let keys = outputs.get(1).and_then(|fact| fact.shape.as_ref()?.get(2)?.size()).unwrap_or(0) as u64;
        let results = outputs.first().map_or(0, Fact::elements);
        let multiply_adds = results.saturating_mul(keys).saturating_mul(2);
        let depth = outputs.get(1).and_then(|fact| fact.shape.as_ref()?.get(3)?.size()).unwrap_or(1).max(1) as u64;
        let scores = (results / depth).saturating_mul(keys).saturating_mul(OF_A_SCORE);
        Cost { multiply_adds, elements: outputs.iter().fold(scores, |sum, fact| sum.saturating_add(fact.elements())) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let extent = self.extent(needed(inputs, 0, "query")?.shape(), given(inputs, 1).map(Tensor::shape))?;
        let Extent { batch, heads, key_heads, queries: rows, depth, .. } = extent;
        let [past_keys, past_values] = PAST.map(|index| given(inputs, index));
        let past = past_keys.map_or(0, |past| past.shape()[2]);
        let texts = self.texts(inputs, &extent, past)?;
        let total = usize::try_from(integer(needed(inputs, TOTAL, "total_sequence_length")?)?).unwrap_or(0);
        let room = past.max(total);
        if texts.iter().any(|&(_, all)| all > room) {
            return Err(OpError::new(format!("a text has more than the {room} keys of the longest")));
        }
        let places: Vec<i64> = match given(inputs, PLACES) {
            Some(places) => integers(places)?,
            None => texts.iter().flat_map(|&(before, _)| (before..before + rows).map(|place| place as i64)).collect(),
        };
        if places.len() != batch * rows {
            return Err(OpError::new(format!("{} places are not those of {batch} times {rows}", places.len())));
        }
        let places = Tensor::new(&[batch, rows], &places);
        let [queries, keys, values] = self.operands(cpu, inputs, &extent)?;
        let queries = self.turned(cpu, inputs, queries, heads, &places)?;
        let keys = self.turned(cpu, inputs, keys, key_heads, &places)?;
        let new = Heads { count: key_heads, rows, width: depth, abreast: true };
        let keys = Self::joined(cpu, past_keys, &keys, (new, room), &texts)?;
        let values = Self::joined(cpu, past_values, &values, (new, room), &texts)?;
        let all = Heads { rows: room, abreast: false, ..new };
        let own = Heads { count: heads, ..new };
        let result = float_result(cpu, queries.dtype(), &[batch, rows, heads * depth], |out| {
            let attend = Attend {
                cpu,
                extent: Extent { keys: room, ..extent },
                queries: (own, &floats(&queries)?),
                keys: (all, &floats(&keys)?),
                values: (all, &floats(&values)?),
                sight: Sight {
                    mask: None,
                    causal: true,
                    offsets: texts.iter().map(|text| text.0 as i64).collect(),
                    lengths: texts.iter().map(|text| text.1).collect(),
                    window: [self.window.map(|window| window - 1), None],
                },
                scale: self.scale.unwrap_or_else(|| Unary::Reciprocal.of(Unary::Sqrt.of(depth as f32))),
                cap: self.cap,
                shown: None,
            };
            attend.run(own, out, None)
        })?;
        Ok(vec![result, keys, values])
    }
}
