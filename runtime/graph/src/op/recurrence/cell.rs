//! One step of a recurrent network, for a whole batch.

use poai_numerics::{Binary, Epilogue, Matrices, Packed, Processor, Strided, Unary};

use super::Activation;
use crate::OpError;

/// What a step computes. With `sum = (h · Rᵀ + Rb) + (x · Wᵀ + Wb)` for each gate, and each operation rounded:
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates i, o, f, c: `i = f(sum + P·c)`, `f` likewise, `C = f·c + i·g(sum)`, `o = f(sum + P·C)`, `H = o · h(C)`.
    Lstm {
        /// The forget gate is `1 - i`.
        coupled: bool,
    },
    /// Gates z, r, h: `z = f(sum)`, `r = f(sum)`, `H = (1 - z)·g(…) + z·h`.
    Gru {
        /// What g reads is `r · (h · Rᵀ + Rb) + (x · Wᵀ + Wb)`; else `((r·h) · Rᵀ + Rb) + (x · Wᵀ + Wb)`.
        reset_last: bool,
    },
    /// `H = f(sum)`
    Rnn,
}

impl Cell {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lstm { .. } => "LSTM",
            Self::Gru { .. } => "GRU",
            Self::Rnn => "RNN",
        }
    }

    /// Gates, each a row of weights for each element of a state.
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }

    /// How many gates each product with the state has.
    pub(super) fn products(self) -> &'static [usize] {
        match self {
            Self::Lstm { .. } => &[4],
            // The last gate of a GRU may read what another made of the state.
            Self::Gru { .. } => &[2, 1],
            Self::Rnn => &[1],
        }
    }

    /// States: h, and c of an LSTM.
    pub(super) fn states(self) -> usize {
        if let Self::Lstm { .. } = self { 2 } else { 1 }
    }

    /// The names of the functions that gates have by default.
    pub(super) fn activations(self) -> &'static [&'static str] {
        match self {
            Self::Lstm { .. } => &["Sigmoid", "Tanh", "Tanh"],
            Self::Gru { .. } => &["Sigmoid", "Tanh"],
            Self::Rnn => &["Tanh"],
        }
    }
}

/// What stays the same from step to step.
pub(super) struct Step<'a> {
    pub processor: &'a Processor,
    pub cell: Cell,
    pub activations: &'a [Activation],
    pub clip: Option<f32>,
    pub hidden: usize,
    /// Of [`Cell::products`].
    pub recurrent: &'a [Packed],
    /// Of the products with the state: a number for each row of R.
    pub bias: Option<&'a [f32]>,
    /// Of an LSTM: i, o, f.
    pub peepholes: Option<&'a [f32]>,
}

/// The states of a batch.
#[derive(Clone)]
pub(super) struct State {
    pub hidden: Vec<f32>,
    /// Empty but for an LSTM.
    pub cell: Vec<f32>,
}

impl Step<'_> {
    /// The next state of each row; `input` has what the input adds, gate after gate, for each row.
    pub(super) fn next(&self, input: &[f32], state: &State) -> Result<State, OpError> {
        match self.cell {
            Cell::Lstm { coupled } => self.lstm(coupled, input, state),
            Cell::Gru { reset_last } => self.gru(reset_last, input, state),
            Cell::Rnn => {
                let sums = self.product(0, &state.hidden, Some(input))?;
                let mut hidden = vec![0.0; sums.len()];
                self.gate(0, sums, &mut hidden)?;
                Ok(State { hidden, cell: Vec::new() })
            }
        }
    }

    /// The product of the state with some gates' weights, its bias, and what the input adds.
    fn product(&self, which: usize, state: &[f32], input: Option<&[f32]>) -> Result<Vec<f32>, OpError> {
        let weights = &self.recurrent[which];
        let first: usize = self.cell.products()[..which].iter().sum();
        let bias = self.bias.map(|bias| &bias[first * self.hidden..][..weights.columns()]);
        let rows = state.len() / self.hidden;
        let mut sums = vec![0.0; rows * weights.columns()];
        let left = Matrices::one(state, self.hidden);
        let epilogue = Epilogue { bias, residual: input, ..Epilogue::default() };
        self.processor.matmul_packed(rows, left, weights, &epilogue, &mut sums)?;
        Ok(sums)
    }

    fn binary(&self, operation: Binary, a: &[f32], b: &[f32]) -> Result<Vec<f32>, OpError> {
        let mut out = vec![0.0; a.len()];
        let step = |data: &'_ [f32]| usize::from(data.len() == a.len());
        let (a_step, b_step) = ([1], [step(b)]);
        let (a, b) = (Strided { data: a, strides: &a_step }, Strided { data: b, strides: &b_step });
        self.processor.binary(operation, &[out.len()], a, b, &mut out)?;
        Ok(out)
    }

    /// `1 - values`
    fn rest(&self, values: &[f32]) -> Result<Vec<f32>, OpError> {
        let mut out = vec![0.0; values.len()];
        let (one, values) = (Strided { data: &[1.0], strides: &[0] }, Strided { data: values, strides: &[1] });
        self.processor.binary(Binary::Sub, &[out.len()], one, values, &mut out)?;
        Ok(out)
    }

    /// `first · second + third · fourth`
    fn blend(&self, first: [&[f32]; 2], second: [&[f32]; 2]) -> Result<Vec<f32>, OpError> {
        let product = |[a, b]: [&[f32]; 2]| self.binary(Binary::Mul, a, b);
        self.binary(Binary::Add, &product(first)?, &product(second)?)
    }

    /// Keeps sums within the bounds, and applies an activation.
    fn gate(&self, activation: usize, mut sums: Vec<f32>, out: &mut [f32]) -> Result<(), OpError> {
        if let Some(clip) = self.clip {
            self.processor.unary(Unary::Clip { low: -clip, high: clip }, &sums, out)?;
            sums.copy_from_slice(out);
        }
        self.activations[activation].apply(self.processor, &sums, out)
    }

    /// A gate of one row: its activation of the sums, and of what a peephole sees.
    fn row_gate(
        &self,
        activation: usize,
        sums: &[f32],
        peephole: Option<(usize, &[f32])>,
    ) -> Result<Vec<f32>, OpError> {
        let sums = match (self.peepholes, peephole) {
            (Some(weights), Some((which, cell))) => {
                let weights = &weights[which * self.hidden..][..self.hidden];
                self.binary(Binary::Add, sums, &self.binary(Binary::Mul, weights, cell)?)?
            }
            _ => sums.to_vec(),
        };
        let mut out = vec![0.0; sums.len()];
        self.gate(activation, sums, &mut out)?;
        Ok(out)
    }

    fn lstm(&self, coupled: bool, input: &[f32], state: &State) -> Result<State, OpError> {
        let sums = self.product(0, &state.hidden, Some(input))?;
        let mut next = State { hidden: Vec::with_capacity(state.hidden.len()), cell: Vec::new() };
        for (sums, before) in sums.chunks_exact(4 * self.hidden).zip(state.cell.chunks_exact(self.hidden)) {
            let sums_of = |gate: usize| &sums[gate * self.hidden..(gate + 1) * self.hidden];
            let enter = self.row_gate(0, sums_of(0), Some((0, before)))?;
            let keep = if coupled { self.rest(&enter)? } else { self.row_gate(0, sums_of(2), Some((2, before)))? };
            let new = self.row_gate(1, sums_of(3), None)?;
            let cell = self.blend([&keep, before], [&enter, &new])?;
            let leave = self.row_gate(0, sums_of(1), Some((1, &cell)))?;
            let mut shown = vec![0.0; cell.len()];
            self.activations[2].apply(self.processor, &cell, &mut shown)?;
            next.hidden.extend(self.binary(Binary::Mul, &leave, &shown)?);
            next.cell.extend(cell);
        }
        Ok(next)
    }

    fn gru(&self, reset_last: bool, input: &[f32], state: &State) -> Result<State, OpError> {
        let hidden = self.hidden;
        let gather = |gates: std::ops::Range<usize>| -> Vec<f32> {
            let rows = input.chunks_exact(3 * hidden);
            rows.flat_map(|row| &row[gates.start * hidden..gates.end * hidden]).copied().collect()
        };
        let sums = self.product(0, &state.hidden, Some(&gather(0..2)))?;
        let mut gates = vec![0.0; sums.len()];
        self.gate(0, sums, &mut gates)?;
        let plane = |which: usize| -> Vec<f32> {
            gates.chunks_exact(2 * hidden).flat_map(|row| &row[which * hidden..(which + 1) * hidden]).copied().collect()
        };
        let (update, reset) = (plane(0), plane(1));
        let sums = if reset_last {
            let kept = self.binary(Binary::Mul, &reset, &self.product(1, &state.hidden, None)?)?;
            self.binary(Binary::Add, &kept, &gather(2..3))?
        } else {
            self.product(1, &self.binary(Binary::Mul, &reset, &state.hidden)?, Some(&gather(2..3)))?
        };
        let mut new = vec![0.0; sums.len()];
        self.gate(1, sums, &mut new)?;
        let hidden = self.blend([&self.rest(&update)?, &new], [&update, &state.hidden])?;
        Ok(State { hidden, cell: Vec::new() })
    }
}
