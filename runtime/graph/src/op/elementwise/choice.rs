//! Choosing elements, and keeping them within bounds.

use bytemuck::Pod;
use poai_numerics::Unary;

use super::arithmetic::{self, Arithmetic};
use super::function;
use super::spread::Spread;
use crate::op::operand::floats;
use crate::{Cpu, OpError, Tensor};

/// The elements of `yes` where the condition holds, those of `no` elsewhere. Bits only move.
pub(super) fn choose(cpu: &Cpu, condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor, OpError> {
    let spread = Spread::of([condition, yes, no])?;
    let mut result = cpu.allocate(yes.dtype(), spread.shape())?;
    let (condition, yes_bytes, no_bytes, out) = (condition.slice()?, yes.bytes(), no.bytes(), result.bytes_mut());
    match yes.dtype().bytes() {
        1 => of_width::<u8>(&spread, condition, yes_bytes, no_bytes, out),
        2 => of_width::<u16>(&spread, condition, yes_bytes, no_bytes, out),
        4 => of_width::<u32>(&spread, condition, yes_bytes, no_bytes, out),
        _ => of_width::<u64>(&spread, condition, yes_bytes, no_bytes, out),
    }
    Ok(result.freeze())
}

fn of_width<T: Pod>(spread: &Spread<3>, condition: &[u8], yes: &[u8], no: &[u8], out: &mut [u8]) {
    let (yes, no) = (bytemuck::cast_slice::<u8, T>(yes), bytemuck::cast_slice::<u8, T>(no));
    let out = bytemuck::cast_slice_mut::<u8, T>(out);
    spread.rows(|row, [condition_row, yes_row, no_row]| {
        let (condition, yes, no, out) = (&condition[condition_row], &yes[yes_row], &no[no_row], &mut out[row]);
        match (condition, yes, no) {
            (&[holds], yes, no) => fill(out, if holds != 0 { yes } else { no }),
            (_, &[yes], &[no]) => {
                out.iter_mut().zip(condition).for_each(|(out, &holds)| *out = if holds != 0 { yes } else { no });
            }
            (_, yes, no) => {
                fill(out, no);
                let chosen = out.iter_mut().zip(condition).enumerate().filter(|(_, (_, holds))| **holds != 0);
                chosen.for_each(|(i, (out, _))| *out = yes[if yes.len() == 1 { 0 } else { i }]);
            }
        }
    });
}

/// Copies a row, or repeats its only element.
fn fill<T: Copy>(out: &mut [T], from: &[T]) {
    match from {
        &[only] => out.fill(only),
        from => out.copy_from_slice(from),
    }
}

/// `min(max(x, low), high)`; a bound that is left out does not bound.
pub(super) fn clip(cpu: &Cpu, x: &Tensor, low: Option<&Tensor>, high: Option<&Tensor>) -> Result<Tensor, OpError> {
    let bounds = (low.map(bound).transpose()?, high.map(bound).transpose()?);
    if x.dtype().is_computed_as_f32() {
        let float = |bound: Option<Tensor>, none| bound.map_or(Ok::<_, OpError>(none), |bound| Ok(floats(&bound)?[0]));
        let (low, high) = (float(bounds.0, f32::NEG_INFINITY)?, float(bounds.1, f32::INFINITY)?);
        return function::run(cpu, Unary::Clip { low, high }, x);
    }
    let above = bounds.0.map_or_else(|| Ok(x.clone()), |low| arithmetic::run(cpu, Arithmetic::Max, x, &low))?;
    bounds.1.map_or_else(|| Ok(above.clone()), |high| arithmetic::run(cpu, Arithmetic::Min, &above, &high))
}

/// A bound, which is one element, without dimensions.
fn bound(tensor: &Tensor) -> Result<Tensor, OpError> {
    let wrong = |_| OpError::new(format!("a bound of shape {:?} is not one number", tensor.shape()));
    tensor.reshaped(&[]).map_err(wrong)
}
