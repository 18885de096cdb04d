//! Sequences backwards: ReverseSequence.

use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{integers, needed, product};
use crate::{Cpu, Fact, OpError, Tensor};

/// Operands: sequences, and how much of each is turned round; what is behind stays. Time and batch are the first two
/// axes.
#[derive(Clone, Debug, PartialEq)]
pub struct ReverseSequence {
    /// Whether time is the first axis.
    pub time_first: bool,
}

impl ReverseSequence {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let (batch, time) = (source.int("batch_axis")?.unwrap_or(1), source.int("time_axis")?.unwrap_or(0));
        match (time, batch) {
            (0, 1) => Ok(Self { time_first: true }),
            (1, 0) => Ok(Self { time_first: false }),
            _ => Err(OpError::new(format!("batch_axis is {batch}, and time_axis {time}"))),
        }
    }

    /// Time and batch of a shape, and the elements of one step of one sequence.
    fn sizes(&self, shape: &[usize]) -> Result<[usize; 3], OpError> {
        match *shape {
            [time, batch, ref rest @ ..] if self.time_first => Ok([time, batch, product(rest)?]),
            [batch, time, ref rest @ ..] => Ok([time, batch, product(rest)?]),
            _ => Err(OpError::new(format!("{shape:?} has no axes of time and batch"))),
        }
    }
}

impl Operation for ReverseSequence {
    fn name(&self) -> &'static str {
        "ReverseSequence"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, lengths) = (needed(inputs, 0, "data")?, needed(inputs, 1, "sequence_lens")?);
        if let (Some(shape), Some(found)) = (data.sizes(), lengths.sizes()) {
            let [_, batch, _] = self.sizes(&shape)?;
            if found != [batch] {
                return Err(OpError::new(format!("lengths of {found:?} are given for {batch} sequences")));
            }
        }
        Ok(vec![Fact { value: None, ..data.clone() }])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, lengths) = (needed(inputs, 0, "data")?, needed(inputs, 1, "sequence_lens")?);
        let [time, batch, part] = self.sizes(data.shape())?;
        let lengths: Vec<usize> =
            integers(lengths)?.into_iter().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).collect();
        if lengths.len() != batch || lengths.iter().any(|&length| length > time) {
            return Err(OpError::new(format!("sequences of {time} steps are not turned round as {lengths:?}")));
        }
        let mut result = cpu.allocate(data.dtype(), data.shape())?;
        let begin = |step: usize, sequence: usize| {
            part * if self.time_first { step * batch + sequence } else { sequence * time + step }
        };
        with_width!(data.dtype(), T => {
            let (from, to) = (bytemuck::cast_slice::<_, T>(data.bytes()), bytemuck::cast_slice_mut::<_, T>(result.bytes_mut()));
            for (sequence, &length) in lengths.iter().enumerate() {
                for step in 0..time {
                    let turned = if step < length { length - 1 - step } else { step };
                    let (from_begin, to_begin) = (begin(turned, sequence), begin(step, sequence));
                    to[to_begin..to_begin + part].copy_from_slice(&from[from_begin..from_begin + part]);
                }
            }
        });
        Ok(vec![result.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of ONNX's documentation, cut.
    #[test]
    fn the_beginning_of_each_sequence_is_turned_round() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[3, 2], &[0u32, 3, 1, 4, 2, 5]);
        let lengths = Tensor::new(&[2], &[3i64, 2]);
        let result = ReverseSequence { time_first: true }.run(&cpu, &[Some(&data), Some(&lengths)]).unwrap();
        assert_eq!(result, [Tensor::new(&[3, 2], &[2u32, 4, 1, 3, 0, 5])]);
        let lengths = Tensor::new(&[3], &[2i64, 0, 1]);
        let result = ReverseSequence { time_first: false }.run(&cpu, &[Some(&data), Some(&lengths)]).unwrap();
        assert_eq!(result, [Tensor::new(&[3, 2], &[3u32, 0, 1, 4, 2, 5])]);
        for wrong in [vec![3i64, 0, 0], vec![-1, 0, 0], vec![0, 0]] {
            let lengths = Tensor::new(&[wrong.len()], &wrong);
            assert!(ReverseSequence { time_first: false }.run(&cpu, &[Some(&data), Some(&lengths)]).is_err());
        }
    }
}
