//! Recurrent networks: LSTM, GRU and RNN.
//!
//! Every sum is defined alike, whatever the batch and whether weights are packed: `(h · Rᵀ + Rb) + (x · Wᵀ + Wb)`, two
//! chains with their biases, then one addition. What follows are operations on single elements, in ONNX's order.

mod activation; // functions of gates
mod cell; // one step
mod sequence; // all steps, in both directions

use super::operand::{floats, given, integers, needed, same_type};
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
        Ok(std::iter::once(Fact::new(x.dtype, sequence)).chain(states).collect())
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
