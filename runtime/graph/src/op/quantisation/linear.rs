//! Floats to integers and back: one division and one rounding, or one product.

use poai_numerics::{Bytes, Range, dequantise, quantise};

use super::granularity::Parameters;
use crate::op::elementwise::cast;
use crate::op::operand::{float_result, floats};
use crate::{Cpu, DType, OpError, Tensor};

/// The integers that floats are quantised to.
pub(super) fn check_quantised(dtype: DType) -> Result<(), OpError> {
    match dtype {
        DType::U8 | DType::I8 | DType::U16 | DType::I16 => Ok(()),
        other => Err(OpError::new(format!("nothing is quantised to {other}"))),
    }
}

/// `clamp(round(x / scale) + zero)` of each element.
pub(super) fn to_integers(cpu: &Cpu, x: &Tensor, parameters: &Parameters<'_>, to: DType) -> Result<Tensor, OpError> {
    let whole;
    let values: &[f32] = if x.dtype() == DType::I32 {
        whole = cast::to_floats(x)?;
        &whole
    } else {
        &floats(x)?
    };
    let mut result = cpu.allocate(to, x.shape())?;
    match to {
        DType::U8 => bytes(cpu, values, parameters, Range::Unsigned, result.bytes_mut())?,
        DType::I8 => bytes(cpu, values, parameters, Range::Signed, result.bytes_mut())?,
        DType::U16 => {
            let out = result.slice_mut::<u16>();
            each(values, parameters, out, |x, scale, zero| quantise(x, scale, zero, (0, u16::MAX.into())) as u16)?;
        }
        DType::I16 => {
            let bounds = (i16::MIN.into(), i16::MAX.into());
            let out = result.slice_mut::<i16>();
            each(values, parameters, out, |x, scale, zero| quantise(x, scale, zero, bounds) as i16)?;
        }
        other => check_quantised(other)?,
    }
    Ok(result.freeze())
}

fn bytes(cpu: &Cpu, values: &[f32], parameters: &Parameters<'_>, range: Range, out: &mut [u8]) -> Result<(), OpError> {
    parameters.granularity.rows(out.len(), |row, places| {
        let (values, out) = (&values[row.clone()], &mut out[row]);
        match (&parameters.scales[places.clone()], &parameters.zeros[places]) {
            (&[scale], &[zero]) => cpu.processor().quantise(range, scale, zero, values, out)?,
            (scales, zeros) => {
                for (((out, &x), &scale), &zero) in out.iter_mut().zip(values).zip(scales).zip(zeros) {
                    *out = range.quantise(x, scale, zero) as u8;
                }
            }
        }
        Ok(())
    })
}

/// `out = f(value, scale, zero)`, element by element.
fn each<A: Copy, B>(
    values: &[A],
    parameters: &Parameters<'_>,
    out: &mut [B],
    f: impl Fn(A, f32, i32) -> B,
) -> Result<(), OpError> {
    parameters.granularity.rows(out.len(), |row, places| {
        let (values, out) = (&values[row.clone()], &mut out[row]);
        match (&parameters.scales[places.clone()], &parameters.zeros[places]) {
            (&[scale], &[zero]) => out.iter_mut().zip(values).for_each(|(out, &x)| *out = f(x, scale, zero)),
            (scales, zeros) => {
                for (((out, &x), &scale), &zero) in out.iter_mut().zip(values).zip(scales).zip(zeros) {
                    *out = f(x, scale, zero);
                }
            }
        }
        Ok(())
    })
}

/// The integers that floats are made of again.
pub(super) fn check_dequantised(dtype: DType) -> Result<(), OpError> {
    if dtype == DType::I32 { Ok(()) } else { check_quantised(dtype) }
}

/// `(x - zero) · scale` of each element.
pub(super) fn to_floats(cpu: &Cpu, x: &Tensor, parameters: &Parameters<'_>, to: DType) -> Result<Tensor, OpError> {
    float_result(cpu, to, x.shape(), |out| floats_of(cpu, x, parameters, out))
}

/// [`to_floats`], into memory that is there.
pub(super) fn floats_of(cpu: &Cpu, x: &Tensor, parameters: &Parameters<'_>, out: &mut [f32]) -> Result<(), OpError> {
    let single =
        if let (&[scale], &[zero]) = (&*parameters.scales, &*parameters.zeros) { Some((scale, zero)) } else { None };
    match (x.dtype(), single) {
        (DType::U8, Some((scale, zero))) => {
            Ok(cpu.processor().dequantise(scale, zero, Bytes::Unsigned(x.slice()?), out)?)
        }
        (DType::I8, Some((scale, zero))) => {
            Ok(cpu.processor().dequantise(scale, zero, Bytes::Signed(x.slice()?), out)?)
        }
        (DType::U8, None) => {
            each(x.slice::<u8>()?, parameters, out, |x, scale, zero| dequantise(x.into(), scale, zero))
        }
        (DType::I8, None) => {
            each(x.slice::<i8>()?, parameters, out, |x, scale, zero| dequantise(x.into(), scale, zero))
        }
        (DType::U16, _) => each(x.slice::<u16>()?, parameters, out, |x, scale, zero| dequantise(x.into(), scale, zero)),
        (DType::I16, _) => each(x.slice::<i16>()?, parameters, out, |x, scale, zero| dequantise(x.into(), scale, zero)),
        (DType::I32, _) => each(x.slice::<i32>()?, parameters, out, dequantise),
        (other, _) => Err(OpError::new(format!("{other} elements are not quantised"))),
    }
}

/// Bytes over the range of the numbers and zero, their scale and their zero point.
pub(super) fn dynamic(cpu: &Cpu, x: &Tensor) -> Result<Vec<Tensor>, OpError> {
    let mut result = cpu.allocate(DType::U8, x.shape())?;
    let (scale, zero) = cpu.processor().dynamic_quantise(x.slice()?, result.slice_mut())?;
    let zero = u8::try_from(zero).expect("a zero point is a byte");
    Ok(vec![result.freeze(), Tensor::scalar(scale), Tensor::scalar(zero)])
}
