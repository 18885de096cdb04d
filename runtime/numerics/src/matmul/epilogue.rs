//! What is done to a product while it is still in the cache.

use crate::elementwise::{MapUnary, Unary};
use crate::error::{NumericsError, expect_length};
use crate::isa::Isa;
use crate::lanes::{One, Register, Several};
use crate::sequence::Following;
use crate::step::{absorbs, element, stored};
use crate::stream::Stream;

/// Registers side by side: sixty-four columns.
type Four<I> = Several<<I as Isa>::Sixteen, 4>;

/// Elements that are finished at a time.
const BLOCK: usize = 2048;

/// Element-wise operations after a product, in this order. Each is the operation of its own, so that fusing it keeps
/// every bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Multiplies everything.
    pub scale: Option<f32>,
    /// Added, a number for each column.
    pub bias: Option<&'a [f32]>,
    /// Added, a number for each element of the result.
    pub residual: Option<&'a [f32]>,
    /// Applied to all of that.
    pub activation: Option<Unary>,
    /// Replaces the result at last.
    pub following: Option<&'a Following<'a>>,
}

impl Epilogue<'_> {
    pub(crate) fn check(&self, elements: usize, columns: usize) -> Result<(), NumericsError> {
        if let Some(bias) = self.bias {
            expect_length("the bias", bias.len(), columns)?;
        }
        if let Some(residual) = self.residual {
            expect_length("the residual", residual.len(), elements)?;
        }
        self.following.map_or(Ok(()), |following| following.check(elements))
    }

    /// Nothing is to be done but what follows.
    pub(crate) fn is_empty(&self) -> bool {
        self.scale.is_none() && self.bias.is_none() && self.residual.is_none() && self.activation.is_none()
    }

    /// Finishes whole rows for good, from the first column on: what follows too.
    #[inline(always)]
    pub(crate) fn complete<I: Isa>(&self, values: &mut [f32], start: usize, columns: usize) {
        if !self.is_empty() {
            self.finish_rows::<I>(values, start, 0, columns);
        }
        if let Some(following) = self.following {
            following.replace::<I>(start, values);
        }
    }

    /// Finishes `values`, which lie at `start` in the result and begin at `column` of the bias.
    #[inline(always)]
    pub(crate) fn finish<I: Isa>(&self, values: &mut [f32], start: usize, column: usize) {
        self.finish_rows::<I>(values, start, column, values.len());
    }

    /// Finishes whole rows of `columns`, which lie at `start` in the result and begin at `column` of the bias: some at a
    /// time, so that they stay in the first-level cache.
    #[inline(always)]
    pub(crate) fn finish_rows<I: Isa>(&self, values: &mut [f32], start: usize, column: usize, columns: usize) {
        let bias = self.bias.map(|bias| &bias[column..column + columns]);
        // With such terms, what counts as +0 need not be made it.
        let absorbs = bias.is_some_and(|bias| bias.iter().fold(true, |all, term| all & absorbs(*term)));
        let block = (BLOCK / columns).max(1) * columns;
        for (index, values) in values.chunks_mut(block).enumerate() {
            let start = start + index * block;
            if absorbs {
                self.finish_block::<I, true>(values, start, bias);
            } else {
                self.finish_block::<I, false>(values, start, bias);
            }
        }
    }

    /// The same of one block, where the bias is that of its columns; `ABSORBS` if all of its terms do.
    #[inline(always)]
    fn finish_block<I: Isa, const ABSORBS: bool>(&self, values: &mut [f32], start: usize, bias: Option<&[f32]>) {
        if let Some(scale) = self.scale {
            let scale = element(scale);
            values.iter_mut().for_each(|value| *value = stored(element(*value) * scale));
        }
        let Self { residual, activation, .. } = *self;
        // It is part of the last addition, if there is one.
        let relu = activation == Some(Unary::Relu) && (bias.is_some() || residual.is_some());
        if let Some(bias) = bias {
            if relu && residual.is_none() {
                add_to_rows::<I, true, ABSORBS>(values, bias);
            } else {
                add_to_rows::<I, false, ABSORBS>(values, bias);
            }
        }
        if let Some(residual) = residual {
            let residual = &residual[start..start + values.len()];
            if relu {
                add::<I::Sixteen, true>(values, residual);
            } else {
                add::<I::Sixteen, false>(values, residual);
            }
        }
        if let Some(activation) = activation.filter(|_| !relu) {
            I::enter(MapUnary(activation, Stream::in_place(values)));
        }
    }
}

/// Adds terms to each of some rows of as many, and perhaps takes the greater of the sum and 0; all terms absorb what counts
/// as +0 if `ABSORBS`.
#[inline(always)]
fn add_to_rows<I: Isa, const RELU: bool, const ABSORBS: bool>(rows: &mut [f32], terms: &[f32]) {
    let mut column = 0;
    while terms.len() - column >= Four::<I>::COUNT {
        add_to_columns::<Four<I>, RELU, ABSORBS>(rows, terms, column);
        column += Four::<I>::COUNT;
    }
    while terms.len() - column >= I::Sixteen::COUNT {
        add_to_columns::<I::Sixteen, RELU, ABSORBS>(rows, terms, column);
        column += I::Sixteen::COUNT;
    }
    for column in column..terms.len() {
        add_to_columns::<One<I::Fused>, RELU, ABSORBS>(rows, terms, column);
    }
}

/// The same for some columns side by side.
#[inline(always)]
fn add_to_columns<V: Register, const RELU: bool, const ABSORBS: bool>(rows: &mut [f32], terms: &[f32], column: usize) {
    let term = V::read(&terms[column..]);
    let term = if ABSORBS { term } else { term.element() };
    for row in rows.chunks_exact_mut(terms.len()) {
        let values = &mut row[column..];
        let x = V::read(values);
        finished::<V, RELU>(if ABSORBS { x } else { x.element() } + term).write(values);
    }
}

/// Adds terms, and perhaps takes the greater of the sum and 0.
#[inline(always)]
fn add<V: Register, const RELU: bool>(values: &mut [f32], terms: &[f32]) {
    let whole = values.len() / V::COUNT * V::COUNT;
    let (values, values_rest) = values.split_at_mut(whole);
    let (terms, terms_rest) = terms[..whole + values_rest.len()].split_at(whole);
    for (value, term) in values.chunks_exact_mut(V::COUNT).zip(terms.chunks_exact(V::COUNT)) {
        finished::<V, RELU>(V::read(value).element() + V::read(term).element()).write(value);
    }
    for (value, &term) in values_rest.iter_mut().zip(terms_rest) {
        let sum = stored(element(*value) + element(term));
        *value = if RELU && sum < 0.0 { 0.0 } else { sum };
    }
}

#[inline(always)]
fn finished<V: Register, const RELU: bool>(sum: V) -> V {
    if RELU { sum.at_least(V::splat(0.0)).stored_size() } else { sum.stored() }
}
