//! com.microsoft's MultiHeadAttention: a bias before, and masks of another form.

use std::borrow::Cow;

use poai_numerics::{Binary, Strided};

use super::{Attention, count};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, given, integers, needed, same_type};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Attention of as many heads of keys as of queries. Operands: queries, keys, values, a bias (of all three, added first),
/// which keys count (batch, key; 0 where one does not), what is added to scores, past keys, past values.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiHead {
    /// What follows.
    pub attention: Attention,
}

/// Places of operands.
const BIAS: usize = 3;
const COUNTED: usize = 4;
const ADDED: usize = 5;
const PAST: [usize; 2] = [6, 7];
const OTHERS: [usize; 2] = [8, 9];

impl MultiHead {
    /// Reads MultiHeadAttention.
    pub(in crate::op::product) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        if OTHERS.iter().any(|&index| source.has_input(index)) || source.output_count() > 3 {
            return Err(OpError::unsupported("caches that are larger than the past, or scores as a result"));
        }
        // What it says is added to scores that do not count; here such keys are skipped.
        source.float("mask_filter_value")?;
        let heads = count("num_heads", source.int("num_heads")?)?;
        Ok(Self {
            attention: Attention {
                heads: Some([heads; 2]),
                scale: source.float("scale")?.filter(|&scale| scale != 0.0),
                causal: source.flag("unidirectional")?,
                cap: None,
                window: [None; 2],
                presents: source.output_count() > 1,
                shown: None,
            },
        })
    }

    /// The fact of the mask that attention takes.
    fn mask_fact(inputs: &[Option<&Fact>]) -> Result<Option<Fact>, OpError> {
        let added = given(inputs, ADDED);
        let Some(counted) = given(inputs, COUNTED) else { return Ok(added.cloned()) };
        if counted.dtype != DType::I32 || counted.rank().is_some_and(|rank| rank != 2) {
            return Err(OpError::unsupported("a padding mask that is not a number for each key of each text"));
        }
        match (added, &counted.shape) {
            (Some(added), _) => Ok(Some(Fact::of_type(added.dtype))),
            (None, Some(shape)) => {
                let shape = [shape[0].clone(), Dim::Size(1), Dim::Size(1), shape[1].clone()];
                Ok(Some(Fact::new(DType::Bool, shape)))
            }
            (None, None) => Ok(Some(Fact::of_type(DType::Bool))),
        }
    }

    /// The mask that attention takes: with both, -∞ is what is added to a score that does not count.
    fn mask<'a>(cpu: &Cpu, inputs: &[Option<&'a Tensor>]) -> Result<Option<Cow<'a, Tensor>>, OpError> {
        let added = given(inputs, ADDED);
        let Some(counted) = given(inputs, COUNTED) else { return Ok(added.map(Cow::Borrowed)) };
        let &[batch, keys] = counted.shape() else { return Err(OpError::new("a padding mask has two dimensions")) };
        let counts = integers(counted)?;
        let Some(added) = added else {
            let mut mask = cpu.allocate(DType::Bool, &[batch, 1, 1, keys])?;
            mask.slice_mut::<u8>().iter_mut().zip(&counts).for_each(|(seen, &count)| *seen = u8::from(count != 0));
            return Ok(Some(Cow::Owned(mask.freeze())));
        };
        let wrong = || OpError::new(format!("masks {:?} and {:?} do not fit", counted.shape(), added.shape()));
        let &[items, heads, queries, last] = added.shape() else { return Err(wrong()) };
        if last != keys || (items != 1 && items != batch) {
            return Err(wrong());
        }
        let values = floats(added)?;
        let item = heads * queries * keys;
        let mask = float_result(cpu, added.dtype(), &[batch, heads, queries, keys], |out| {
            for (index, out) in out.iter_mut().enumerate() {
                let (text, key) = (index / item, index % keys);
                let from = if items == 1 { index % item } else { index };
                *out = if counts[text * keys + key] == 0 { f32::NEG_INFINITY } else { values[from] };
            }
            Ok(())
        })?;
        Ok(Some(Cow::Owned(mask)))
    }

    /// Queries, keys and values with the bias added.
    fn biased<'a>(cpu: &Cpu, inputs: &[Option<&'a Tensor>]) -> Result<[Cow<'a, Tensor>; 3], OpError> {
        let operands = [needed(inputs, 0, "query")?, needed(inputs, 1, "key")?, needed(inputs, 2, "value")?];
        let Some(bias) = given(inputs, BIAS) else { return Ok(operands.map(Cow::Borrowed)) };
        let bias = floats(bias)?;
        let mut first = 0;
        let sums = operands.map(|operand| {
            let &[batch, rows, width] = operand.shape() else { return Err(OpError::new("an operand has no rows")) };
            let own = bias.get(first..first + width).ok_or_else(|| OpError::new("its bias is too short"))?;
            first += width;
            let values = floats(operand)?;
            float_result(cpu, operand.dtype(), operand.shape(), |out| {
                let values = Strided { data: &values, strides: &[width, 1] };
                let own = Strided { data: own, strides: &[0, 1] };
                Ok(cpu.processor().binary(Binary::Add, &[batch * rows, width], values, own, out)?)
            })
        });
        let [queries, keys, values] = sums;
        Ok([Cow::Owned(queries?), Cow::Owned(keys?), Cow::Owned(values?)])
    }
}

impl Operation for MultiHead {
    fn name(&self) -> &'static str {
        "MultiHeadAttention"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let operands = [needed(inputs, 0, "query")?, needed(inputs, 1, "key")?, needed(inputs, 2, "value")?];
        if operands.iter().any(|fact| fact.rank().is_some_and(|rank| rank != 3)) {
            return Err(OpError::unsupported("queries, keys or values that do not have three dimensions"));
        }
        if let Some(bias) = given(inputs, BIAS) {
            same_type(operands[0], bias)?;
            let widths: Option<Vec<usize>> = operands.iter().map(|fact| fact.shape.as_ref()?[2].size()).collect();
            if let (Some(widths), Some(sizes)) = (widths, bias.sizes())
                && sizes != [widths.iter().fold(0usize, |sum, &width| sum.saturating_add(width))]
            {
                return Err(OpError::new(format!("a bias of shape {sizes:?} for {widths:?}")));
            }
        }
        let mask = Self::mask_fact(inputs)?;
        let [past_keys, past_values] = PAST.map(|index| given(inputs, index));
        self.attention.infer(&[
            Some(operands[0]),
            Some(operands[1]),
            Some(operands[2]),
            mask.as_ref(),
            past_keys,
            past_values,
        ])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let [past_keys, past_values] = PAST.map(|index| given(inputs, index));
        let [queries, keys, values] = [0, 1, 2].map(|index| given(inputs, index));
        let inner = self.attention.cost(&[queries, keys, values, None, past_keys, past_values], outputs);
        let operands = inputs.iter().flatten().map(|fact| fact.elements()).fold(0, u64::saturating_add);
        Cost { elements: inner.elements.saturating_add(operands.saturating_mul(2)), ..inner }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let [queries, keys, values] = Self::biased(cpu, inputs)?;
        let mask = Self::mask(cpu, inputs)?;
        let [past_keys, past_values] = PAST.map(|index| given(inputs, index));
        self.attention
            .run(cpu, &[Some(&*queries), Some(&*keys), Some(&*values), mask.as_deref(), past_keys, past_values])
    }
}
