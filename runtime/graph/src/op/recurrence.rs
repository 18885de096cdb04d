//! Recurrent networks: LSTM, GRU and RNN.
//!
//! Every sum is defined alike, whatever the batch and whether weights are packed: `(h · Rᵀ + Rb) + (x · Wᵀ + Wb)`, two
//! chains with their biases, then one addition. What follows are operations on single elements, in ONNX's order.

mod activation; // functions of gates
mod cell; // one step
mod sequence; // all steps, in both directions

use super::operand::{countable, floats, given, integers, needed, same_type};
use super::{Op, Operation};
use crate::device::KernelError;
use crate::onnx::Source;
use crate::{Cost, Cpu, DType, Dim, Fact, Kernel, OpError, Tensor};

pub use activation::Activation;
pub use cell::Cell;
use sequence::{Extent, Weights};

/// The operators of this family. Operands: X, W, R, B, sequence lengths, initial h, and, of an LSTM, initial c and
/// peepholes; all but the first three are optional.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// What a step computes.
    pub cell: Cell,
    /// The directions in which sequences are walked.
    pub directions: Vec<Direction>,
    /// Bounds of what activations read.
    pub clip: Option<f32>,
    /// Whether operands and results have the batch first; else the sequence is first.
    pub batch_first: bool,
    /// Elements of a state, if the file says it.
    pub hidden: Option<usize>,
}

/// One direction of a recurrent network.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// From a sequence's end to its begin.
    pub reverse: bool,
    /// The functions of gates: f, g, h of ONNX's formulas, as many as the cell has.
    pub activations: Vec<Activation>,
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    let cell = match source.qualified_operator().as_str() {
        "LSTM" => Cell::Lstm { coupled: source.flag("input_forget")? },
        "GRU" => Cell::Gru { reset_last: source.flag("linear_before_reset")? },
        "RNN" => Cell::Rnn,
        _ => return Ok(None),
    };
    let reverse: &[bool] = match source.text("direction")?.as_deref() {
        None | Some("forward") => &[false],
        Some("reverse") => &[true],
        Some("bidirectional") => &[false, true],
        Some(other) => return Err(OpError::new(format!("there is no direction {other}"))),
    };
    let mut activations = activation::read(source, cell.activations(), reverse.len())?.into_iter();
    let directions = reverse.iter().map(|&reverse| Direction {
        reverse,
        activations: activations.by_ref().take(cell.activations().len()).collect(),
    });
    let directions = directions.collect();
    let hidden = source.int("hidden_size")?.map(usize::try_from).transpose();
    Ok(Some(Op::Recurrence(Recurrence {
        cell,
        directions,
        clip: source.float("clip")?,
        batch_first: source.flag("layout")?,
        hidden: hidden.map_err(|_| OpError::new("its hidden size is below zero"))?,
    })))
}

/// An error unless an operand that is there has this shape, as far as its own is known.
fn expect(inputs: &[Option<&Fact>], index: usize, what: &str, shape: &[usize]) -> Result<(), OpError> {
    match given(inputs, index).and_then(Fact::sizes) {
        Some(found) if found != shape => Err(OpError::new(format!("{what} has shape {found:?} instead of {shape:?}"))),
        _ => Ok(()),
    }
}

impl Recurrence {
    /// The sizes of a computation, from operands of known shapes, all of which are checked.
    fn extent(&self, inputs: &[Option<&Fact>]) -> Result<Option<Extent>, OpError> {
        let facts = [needed(inputs, 0, "X")?, needed(inputs, 1, "W")?, needed(inputs, 2, "R")?];
        let [Some(x), Some(_), Some(recurrent)] = facts.map(Fact::sizes) else { return Ok(None) };
        let (&[first, second, input], &[.., hidden]) = (&x[..], &recurrent[..]) else {
            return Err(OpError::new("X and R have three dimensions each"));
        };
        let (batch, steps) = if self.batch_first { (first, second) } else { (second, first) };
        let (directions, gates) = (self.directions.len(), self.cell.gates());
        if self.hidden.is_some_and(|expected| expected != hidden) {
            return Err(OpError::new(format!("R is for states of {hidden}, and the hidden size is {:?}", self.hidden)));
        }
        let rows = gates.checked_mul(hidden).and_then(|rows| rows.checked_mul(2).map(|both| [rows, both]));
        let [rows, both] = rows.ok_or_else(|| OpError::new("its hidden size is beyond any memory"))?;
        let state = if self.batch_first { [batch, directions, hidden] } else { [directions, batch, hidden] };
        expect(inputs, 1, "W", &[directions, rows, input])?;
        expect(inputs, 2, "R", &[directions, rows, hidden])?;
        expect(inputs, 3, "B", &[directions, both])?;
        expect(inputs, 4, "sequence_lens", &[batch])?;
        expect(inputs, 5, "initial_h", &state)?;
        if let Cell::Lstm { .. } = self.cell {
            expect(inputs, 6, "initial_c", &state)?;
            expect(inputs, 7, "P", &[directions, 3 * hidden])?;
        }
        Ok(Some(Extent { steps, batch, input, hidden, directions, batch_first: self.batch_first }))
    }

    fn compute(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], weights: &[Weights]) -> Result<Vec<Tensor>, OpError> {
        let facts: Vec<_> = inputs.iter().map(|tensor| tensor.map(Fact::of)).collect();
        let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
        let extent = self.extent(&facts)?.ok_or_else(|| OpError::new("its operands have no shapes"))?;
        let optional = |index| given(inputs, index).map(floats).transpose();
        let lengths = match given(inputs, 4) {
            Some(lengths) => integers(lengths)?,
            None => vec![extent.steps as i64; extent.batch],
        };
        let operands = sequence::Operands {
            x: floats(needed(inputs, 0, "X")?)?,
            biases: optional(3)?,
            lengths: extent.lengths(&lengths)?,
            initial: [optional(5)?, if self.cell.states() == 2 { optional(6)? } else { None }],
            peepholes: if self.cell.states() == 2 { optional(7)? } else { None },
        };
        sequence::compute(self, cpu, &extent, &operands, weights, needed(inputs, 0, "X")?.dtype())
    }
}

impl Operation for Recurrence {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        inputs.iter().flatten().try_for_each(|fact| countable(fact))?;
        let x = needed(inputs, 0, "X")?;
        if !matches!(x.dtype, DType::F32 | DType::F16 | DType::Bf16) {
            return Err(OpError::unsupported(format!("{} of {}", self.name(), x.dtype)));
        }
        for operand in [1, 2, 3, 5, 6, 7].into_iter().filter_map(|index| given(inputs, index)) {
            same_type(x, operand)?;
        }
        if given(inputs, 4).is_some_and(|lengths| lengths.dtype != DType::I32) {
            return Err(OpError::new("sequence lengths are i32"));
        }
        let extent = self.extent(inputs)?;
        let dim = |fact: &Fact, index: usize| fact.shape.as_ref().and_then(|shape| shape.get(index).cloned());
        let known = |fact, index| dim(fact, index).unwrap_or(Dim::Unknown);
        let hidden =
            extent.map_or_else(|| known(needed(inputs, 2, "R").unwrap_or(x), 2), |extent| extent.hidden.into());
        let hidden = self.hidden.map_or(hidden, Dim::Size);
        let directions = Dim::Size(self.directions.len());
        let (sequence, state) = if self.batch_first {
            let (batch, steps) = (known(x, 0), known(x, 1));
            ([batch.clone(), steps, directions.clone(), hidden.clone()], [batch, directions, hidden])
        } else {
            let (steps, batch) = (known(x, 0), known(x, 1));
            ([steps, directions.clone(), batch.clone(), hidden.clone()], [directions, batch, hidden])
        };
        let states = std::iter::repeat_n(Fact::new(x.dtype, state), self.cell.states());
        let results: Vec<Fact> = std::iter::once(Fact::new(x.dtype, sequence)).chain(states).collect();
        results.iter().try_for_each(countable)?;
        Ok(results)
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let Ok(Some(extent)) = self.extent(inputs) else { return Cost::default() };
        let states = outputs.first().map_or(0, Fact::elements);
        let gates = states.saturating_mul(self.cell.gates() as u64);
        let depth = (extent.input as u64).saturating_add(extent.hidden as u64);
        Cost { multiply_adds: gates.saturating_mul(depth), elements: gates.saturating_mul(4).saturating_add(states) }
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let (Some(input), Some(recurrent)) = (given(constants, 1), given(constants, 2)) else { return Ok(None) };
        let weights = sequence::pack(self.cell, input, recurrent)?;
        Ok(Some(Box::new(PackedRecurrence { cpu: cpu.clone(), op: self.clone(), weights })))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let weights = sequence::pack(self.cell, needed(inputs, 1, "W")?, needed(inputs, 2, "R")?)?;
        self.compute(cpu, inputs, &weights)
    }
}

/// A recurrent network whose weights are constant, and packed.
struct PackedRecurrence {
    cpu: Cpu,
    op: Recurrence,
    weights: Vec<Weights>,
}

impl Kernel for PackedRecurrence {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(self.op.compute(&self.cpu, inputs, &self.weights)?)
    }
}

#[cfg(test)]
mod tests {
    use poai_numerics::{Binary, Unary, oracle};

    use super::*;
    use crate::op::product::trial::{computed, noise, values};

    const HIDDEN: usize = 5;
    const INPUT: usize = 3;

    fn network(cell: Cell, reverse: &[bool]) -> Recurrence {
        let sigmoid = Activation::Unary(Unary::Sigmoid);
        let tanh = Activation::Unary(Unary::Tanh);
        let activations = match cell {
            Cell::Lstm { .. } => vec![sigmoid, tanh, tanh],
            Cell::Gru { .. } => vec![sigmoid, tanh],
            Cell::Rnn => vec![tanh],
        };
        let directions = reverse.iter().map(|&reverse| Direction { reverse, activations: activations.clone() });
        Recurrence { cell, directions: directions.collect(), clip: None, batch_first: false, hidden: Some(HIDDEN) }
    }

    /// W, R and B of some directions.
    fn weights(cell: Cell, directions: usize) -> [Tensor; 3] {
        let rows = cell.gates() * HIDDEN;
        [noise(&[directions, rows, INPUT], 1), noise(&[directions, rows, HIDDEN], 2), noise(&[directions, 2 * rows], 3)]
    }

    /// The definition, a number at a time.
    struct Defined {
        weights: [Vec<f32>; 3],
        rows: usize,
    }

    impl Defined {
        fn of(weights: &[Tensor; 3], cell: Cell) -> Self {
            Self { weights: weights.each_ref().map(values), rows: cell.gates() * HIDDEN }
        }

        fn chain(weights: &[f32], values: &[f32], row: usize) -> f32 {
            let row = &weights[row * values.len()..(row + 1) * values.len()];
            oracle::chain(values.iter().copied().zip(row.iter().copied()))
        }

        /// What the input adds to a row's sum.
        fn input(&self, x: &[f32], row: usize) -> f32 {
            Binary::Add.of(Self::chain(&self.weights[0], x, row), self.weights[2][row])
        }

        /// What the state adds.
        fn state(&self, h: &[f32], row: usize) -> f32 {
            Binary::Add.of(Self::chain(&self.weights[1], h, row), self.weights[2][self.rows + row])
        }

        fn sum(&self, x: &[f32], h: &[f32], row: usize) -> f32 {
            Binary::Add.of(self.state(h, row), self.input(x, row))
        }
    }

    /// `a · b + c · d`
    fn blend(a: f32, b: f32, c: f32, d: f32) -> f32 {
        Binary::Add.of(Binary::Mul.of(a, b), Binary::Mul.of(c, d))
    }

    #[test]
    fn lstm_with_peepholes_and_bounds() {
        let cell = Cell::Lstm { coupled: false };
        let op = Recurrence { clip: Some(0.5), ..network(cell, &[false]) };
        let weights = weights(cell, 1);
        let (x, peepholes) = (noise(&[4, 2, INPUT], 4), noise(&[1, 3 * HIDDEN], 5));
        let initial = [noise(&[1, 2, HIDDEN], 6), noise(&[1, 2, HIDDEN], 7)];
        let [w, r, b] = &weights;
        let inputs =
            [Some(&x), Some(w), Some(r), Some(b), None, Some(&initial[0]), Some(&initial[1]), Some(&peepholes)];
        let found = computed(op, &inputs).unwrap();

        let (defined, peepholes) = (Defined::of(&weights, cell), values(&peepholes));
        let (x, [mut h, mut c]) = (values(&x), initial.each_ref().map(values));
        let clipped = |sum: f32| Unary::Clip { low: -0.5, high: 0.5 }.of(sum);
        let mut sequence = Vec::new();
        for step in 0..4 {
            for row in 0..2 {
                let x = &x[(step * 2 + row) * INPUT..][..INPUT];
                let (before, state) = (h[row * HIDDEN..][..HIDDEN].to_vec(), &mut c[row * HIDDEN..][..HIDDEN]);
                for i in 0..HIDDEN {
                    let sum = |gate: usize| defined.sum(x, &before, gate * HIDDEN + i);
                    let seen = |gate: usize, which: usize, state: f32| {
                        let seen = Binary::Mul.of(peepholes[which * HIDDEN + i], state);
                        Unary::Sigmoid.of(clipped(Binary::Add.of(sum(gate), seen)))
                    };
                    let (enter, keep) = (seen(0, 0, state[i]), seen(2, 2, state[i]));
                    state[i] = blend(keep, state[i], enter, Unary::Tanh.of(clipped(sum(3))));
                    h[row * HIDDEN + i] = Binary::Mul.of(seen(1, 1, state[i]), Unary::Tanh.of(state[i]));
                }
            }
            sequence.extend(&h);
        }
        assert_eq!(found.iter().map(values).collect::<Vec<_>>(), [sequence, h, c]);
    }

    #[test]
    fn gru_resets_before_or_after_the_product() {
        for reset_last in [false, true] {
            let cell = Cell::Gru { reset_last };
            let weights = weights(cell, 1);
            let x = noise(&[3, 1, INPUT], 4);
            let [w, r, b] = &weights;
            let found = computed(network(cell, &[false]), &[Some(&x), Some(w), Some(r), Some(b)]).unwrap();

            let (defined, x) = (Defined::of(&weights, cell), values(&x));
            let (mut h, mut sequence) = (vec![0.0; HIDDEN], Vec::new());
            for x in x.chunks(INPUT) {
                let gate = |gate: usize, i: usize| Unary::Sigmoid.of(defined.sum(x, &h, gate * HIDDEN + i));
                let kept: Vec<f32> = (0..HIDDEN).map(|i| Binary::Mul.of(gate(1, i), h[i])).collect();
                let next = (0..HIDDEN).map(|i| {
                    let row = 2 * HIDDEN + i;
                    let state = if reset_last {
                        Binary::Mul.of(gate(1, i), defined.state(&h, row))
                    } else {
                        defined.state(&kept, row)
                    };
                    let new = Unary::Tanh.of(Binary::Add.of(state, defined.input(x, row)));
                    blend(Binary::Sub.of(1.0, gate(0, i)), new, gate(0, i), h[i])
                });
                h = next.collect();
                sequence.extend(&h);
            }
            assert_eq!(found.iter().map(values).collect::<Vec<_>>(), [sequence, h], "{reset_last}");
        }
    }

    /// Rows of a batch, lengths, directions and layouts change nothing but where numbers stand.
    #[test]
    fn every_row_is_computed_as_if_alone() {
        for cell in [Cell::Rnn, Cell::Lstm { coupled: true }] {
            let op = network(cell, &[false, true]);
            let [w, r, b] = &weights(cell, 2);
            let (steps, lengths) = (4, [4usize, 2, 0]);
            let x = noise(&[steps, 3, INPUT], 8);
            let sizes = Tensor::new(&[3], &lengths.map(|length| length as i32));
            let found = computed(op.clone(), &[Some(&x), Some(w), Some(r), Some(b), Some(&sizes)]).unwrap();
            let (x, all, last) = (values(&x), values(&found[0]), values(&found[1]));
            let mut first = vec![0.0; 3 * steps * INPUT];
            for (row, &length) in lengths.iter().enumerate() {
                let own: Vec<f32> =
                    (0..length).flat_map(|step| x[(step * 3 + row) * INPUT..][..INPUT].to_vec()).collect();
                first[row * steps * INPUT..][..own.len()].copy_from_slice(&own);
                let alone = Tensor::new(&[length, 1, INPUT], &own);
                let alone = computed(op.clone(), &[Some(&alone), Some(w), Some(r), Some(b)]).unwrap();
                let (sequence, state) = (values(&alone[0]), values(&alone[1]));
                for direction in 0..2 {
                    let of_last = &last[(direction * 3 + row) * HIDDEN..][..HIDDEN];
                    assert_eq!(of_last, &state[direction * HIDDEN..][..HIDDEN]);
                    for step in 0..steps {
                        let place = ((step * 2 + direction) * 3 + row) * HIDDEN;
                        let expected = if step < length {
                            sequence[(step * 2 + direction) * HIDDEN..][..HIDDEN].to_vec()
                        } else {
                            vec![0.0; HIDDEN]
                        };
                        assert_eq!(all[place..place + HIDDEN], expected, "row {row}, step {step}");
                    }
                }
            }
            let first = Tensor::new(&[3, steps, INPUT], &first);
            let op = Recurrence { batch_first: true, ..op };
            let turned = computed(op, &[Some(&first), Some(w), Some(r), Some(b), Some(&sizes)]).unwrap();
            let (turned, states) = (values(&turned[0]), values(&turned[1]));
            for (row, step, direction) in (0..3).flat_map(|r| (0..4).flat_map(move |s| (0..2).map(move |d| (r, s, d))))
            {
                let own = &turned[((row * steps + step) * 2 + direction) * HIDDEN..][..HIDDEN];
                assert_eq!(own, &all[((step * 2 + direction) * 3 + row) * HIDDEN..][..HIDDEN]);
                let state = &states[(row * 2 + direction) * HIDDEN..][..HIDDEN];
                assert_eq!(state, &last[(direction * 3 + row) * HIDDEN..][..HIDDEN]);
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let [w, r, b] = &weights(Cell::Rnn, 1);
        let (x, op) = (noise(&[2, 1, INPUT], 1), network(Cell::Rnn, &[false]));
        let refused = |inputs: &[Option<&Tensor>]| computed(op.clone(), inputs).is_err();
        assert!(refused(&[Some(&noise(&[2, 1, 4], 1)), Some(w), Some(r)]), "a width");
        assert!(refused(&[Some(&x), Some(r), Some(w)]), "weights the wrong way round");
        let long = Tensor::new(&[1], &[3i32]);
        assert!(refused(&[Some(&x), Some(w), Some(r), Some(b), Some(&long)]), "a sequence longer than it is");
        let other = Recurrence { hidden: Some(6), ..op.clone() };
        assert!(computed(other, &[Some(&x), Some(w), Some(r)]).is_err(), "another hidden size");
    }
}
