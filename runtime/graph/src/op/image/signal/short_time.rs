//! Fourier transforms of frames that slide over a signal.
//!
//! Operands: signals (batch, elements, 1 or 2 numbers), the step from frame to frame, perhaps a window that frames are
//! multiplied with, perhaps the frames' length. A frame that does not fit is left out.

use poai_numerics::{Binary, Strided};

use super::super::{Operation, float_type};
use super::fourier::transformed;
use super::rotation::Transform;
use super::{length, length_of};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, given, needed};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// STFT.
#[derive(Clone, Debug, PartialEq)]
pub struct ShortTime {
    /// Only half of the frequencies: the others are their conjugates.
    pub one_sided: bool,
}

const STEP: usize = 1;
const WINDOW: usize = 2;
const LENGTH: usize = 3;

/// How frames lie in a signal.
struct Frames {
    step: usize,
    count: usize,
    transform: Transform,
}

impl ShortTime {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { one_sided: source.int("onesided")?.unwrap_or(1) != 0 })
    }

    fn frames(&self, elements: usize, parts: usize, step: usize, length: usize) -> Result<Frames, OpError> {
        if step == 0 || length == 0 || length > elements {
            let reason = format!("frames of {length}, by steps of {step}, over {elements} elements");
            return Err(OpError::new(reason));
        }
        let complex = match parts {
            1 => false,
            2 if !self.one_sided => true,
            2 => return Err(OpError::new("half of the frequencies do not say all of a complex signal")),
            other => return Err(OpError::new(format!("elements of {other} numbers are neither real nor complex"))),
        };
        let wanted = if self.one_sided { length / 2 + 1 } else { length };
        let transform =
            Transform { length, given: length, wanted, complex: [complex, true], inverse: false, half_given: false };
        transform.numbers()?;
        Ok(Frames { step, count: (elements - length) / step + 1, transform })
    }
}

/// The one length that operands say.
fn agreed(window: Option<usize>, length: Option<usize>) -> Result<Option<usize>, OpError> {
    match (window, length) {
        (Some(window), Some(length)) if window != length => {
            Err(OpError::new(format!("a window of {window} elements meets frames of {length}")))
        }
        (window, length) => Ok(length.or(window)),
    }
}

impl Operation for ShortTime {
    fn name(&self) -> &'static str {
        "STFT"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let signal = needed(inputs, 0, "signal")?;
        float_type(signal.dtype)?;
        let window = given(inputs, WINDOW);
        window.map_or(Ok(()), |window| crate::op::operand::same_type(signal, window))?;
        let Some(shape) = &signal.shape else { return Ok(vec![Fact::of_type(signal.dtype)]) };
        let [batch, elements, parts] = &shape[..] else {
            return Err(OpError::new(format!("a signal of rank {}", shape.len())));
        };
        let window = match window.and_then(Fact::sizes).as_deref() {
            None => None,
            Some(&[size]) => Some(size),
            Some(other) => return Err(OpError::new(format!("a window of shape {other:?}"))),
        };
        let length = agreed(window, length(inputs, LENGTH, "frame_length")?)?;
        let step = self::length(inputs, STEP, "frame_step")?;
        let (count, wanted) = match (elements, parts, step, length) {
            (Dim::Size(elements), Dim::Size(parts), Some(step), Some(length)) => {
                let frames = self.frames(*elements, *parts, step, length)?;
                (Dim::Size(frames.count), Dim::Size(frames.transform.wanted))
            }
            _ => (Dim::Unknown, Dim::Unknown),
        };
        Ok(vec![Fact::new(signal.dtype, [batch.clone(), count, wanted, Dim::Size(2)])])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let result = outputs[0].elements();
        // A frame is no longer than twice the frequencies that are wanted of it, of two numbers each.
        let wanted = outputs[0].sizes().map_or(0, |sizes| sizes[2] as u64);
        let read = inputs[0].map_or(0, Fact::elements);
        Cost { multiply_adds: result.saturating_mul(wanted).saturating_mul(4), elements: read.saturating_add(result) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let signal = needed(inputs, 0, "signal")?;
        let &[batch, elements, parts] = signal.shape() else {
            return Err(OpError::new(format!("a signal of rank {}", signal.shape().len())));
        };
        let window = given(inputs, WINDOW).map(floats).transpose()?;
        let length = given(inputs, LENGTH).map(|value| length_of(value, "frame_length")).transpose()?;
        let length = agreed(window.as_ref().map(|window| window.len()), length)?;
        let length = length.ok_or_else(|| OpError::new("neither a window nor frame_length is given"))?;
        let step = length_of(needed(inputs, STEP, "frame_step")?, "frame_step")?;
        let frames = self.frames(elements, parts, step, length)?;
        let values = floats(signal)?;
        let mut rows = Vec::with_capacity(batch * frames.count * length * parts);
        for signal in values.chunks_exact((elements * parts).max(1)) {
            for frame in 0..frames.count {
                rows.extend_from_slice(&signal[frame * frames.step * parts..][..length * parts]);
            }
        }
        if let Some(window) = window {
            rows = windowed(cpu, [batch * frames.count, length, parts], &rows, &window)?;
        }
        let shape = [batch, frames.count, frames.transform.wanted, 2];
        let found = transformed(cpu, &frames.transform, batch * frames.count, &rows)?;
        let result = float_result(cpu, signal.dtype(), &shape, |out| {
            out.copy_from_slice(&found);
            Ok(())
        })?;
        Ok(vec![result])
    }
}

/// Each frame times the window.
fn windowed(cpu: &Cpu, shape: [usize; 3], rows: &[f32], window: &[f32]) -> Result<Vec<f32>, OpError> {
    let mut product = vec![0.0; rows.len()];
    let [_, length, parts] = shape;
    let rows = Strided { data: rows, strides: &[length * parts, parts, 1] };
    let window = Strided { data: window, strides: &[0, 1, 0] };
    cpu.processor().binary(Binary::Mul, &shape, rows, window, &mut product)?;
    Ok(product)
}

#[cfg(test)]
mod tests {
    use super::super::super::trial::results_of;
    use super::*;

    #[test]
    fn frames_of_four_by_hand() {
        let signal = Tensor::new::<f32>(&[1, 7, 1], &[1., 2., 3., 5., 9., 9., 9.]);
        let (step, length) = (Tensor::scalar(2i64), Tensor::scalar(4i64));
        let short = ShortTime { one_sided: true };
        let found = results_of(&short, &[Some(&signal), Some(&step), None, Some(&length)]).unwrap();
        // (1, 2, 3, 5), and (3, 5, 9, 9); a third would begin at the fifth element and end behind the last.
        let expected = [11., 0., -2., 3., -3., 0., 26., 0., -6., 4., -2., 0.];
        assert_eq!(found, [Tensor::new::<f32>(&[1, 2, 3, 2], &expected)]);
        let window = Tensor::new::<f32>(&[4], &[1., 0., 1., 0.]);
        let found = results_of(&short, &[Some(&signal), Some(&step), Some(&window), None]).unwrap();
        let expected = [4., 0., -2., 0., 4., 0., 12., 0., -6., 0., 12., 0.];
        assert_eq!(found, [Tensor::new::<f32>(&[1, 2, 3, 2], &expected)]);
        for (step, length) in [(0i64, 4i64), (2, 8), (2, 0), (-1, 4)] {
            let (step, length) = (Tensor::scalar(step), Tensor::scalar(length));
            assert!(results_of(&short, &[Some(&signal), Some(&step), None, Some(&length)]).is_err());
        }
    }
}
