//! Casts: numbers of one type as numbers of another.
//!
//! - An integer keeps its low bits in a narrower integer.
//! - A float loses its fraction in an integer; what lies beyond the integers becomes the nearest of them, NaN becomes 0.
//! - What a float cannot hold is rounded to nearest, halves to even, once; only to bf16, which is the upper half of an
//!   f32, everything goes by way of f32. Subnormals and -0 stay; a NaN becomes the one of its type.
//! - A `bool` is whether a number is not 0; as a number it is 0 or 1.

use super::function::canonical;
use super::integer::with_integer;
use crate::op::operand::{floats, narrowed};
use crate::{Cpu, DType, Element, OpError, Tensor};

/// Elements below which a second thread is not worth waking.
const PIECE: usize = 1 << 14;

/// Runs an expression with `$values` as a tensor's elements, those of 16 bits as f32.
macro_rules! with_numbers {
    ($tensor:expr, $values:ident => $body:expr) => {
        match $tensor.dtype() {
            DType::F64 => {
                let $values: &[f64] = $tensor.slice()?;
                $body
            }
            DType::Bool => {
                let $values: &[u8] = $tensor.slice()?;
                $body
            }
            other => with_integer!(other, T => {
                let $values: &[T] = $tensor.slice()?;
                $body
            }, _float => {
                let $values: &[f32] = &floats($tensor)?;
                $body
            }),
        }
    };
}

/// The elements as numbers of a type.
pub(super) fn run(cpu: &Cpu, to: DType, x: &Tensor) -> Result<Tensor, OpError> {
    let from = x.dtype();
    if from == to {
        return Ok(x.clone());
    }
    if matches!(to, DType::F16 | DType::Bf16) {
        return narrow(cpu, to, x);
    }
    let mut result = cpu.allocate(to, x.shape())?;
    match to {
        DType::Bool => with_numbers!(x, values => truths(values, result.slice_mut())),
        DType::F32 => with_numbers!(x, values => share(cpu, values, result.slice_mut::<f32>())),
        DType::F64 => with_numbers!(x, values => share(cpu, values, result.slice_mut::<f64>())),
        _ => with_integer!(to, B => with_numbers!(x, values => share(cpu, values, result.slice_mut::<B>())), other => {
            return Err(OpError::unsupported(format!("a cast to {other}")));
        }),
    }
    Ok(result.freeze())
}

/// Numbers of any type as f32.
pub(in crate::op) fn to_floats(x: &Tensor) -> Result<Vec<f32>, OpError> {
    let mut out = vec![0f32; x.len()];
    with_numbers!(x, values => convert(values, &mut out));
    Ok(out)
}

/// Numbers of any type as i32.
pub(in crate::op) fn to_integers(x: &Tensor) -> Result<Vec<i32>, OpError> {
    let mut out = vec![0i32; x.len()];
    with_numbers!(x, values => convert(values, &mut out));
    Ok(out)
}

/// Several operations on floats of one type as if they were one: as f32, rounded to the type at the end.
pub(super) fn in_f32(
    cpu: &Cpu,
    operands: &[&Tensor],
    compute: impl FnOnce(&[&Tensor]) -> Result<Tensor, OpError>,
) -> Result<Tensor, OpError> {
    let Some(first) = operands.first() else { return compute(&[]) };
    let wide = operands.iter().map(|operand| run(cpu, DType::F32, operand)).collect::<Result<Vec<_>, _>>()?;
    run(cpu, first.dtype(), &compute(&wide.iter().collect::<Vec<_>>())?)
}

fn narrow(cpu: &Cpu, to: DType, x: &Tensor) -> Result<Tensor, OpError> {
    match x.dtype() {
        DType::F64 if to == DType::F16 => {
            let sticky: Vec<f32> = x.slice::<f64>()?.iter().copied().map(rounded_to_odd).collect();
            narrowed(cpu, to, x.shape(), &sticky)
        }
        DType::F32 | DType::F16 | DType::Bf16 => narrowed(cpu, to, x.shape(), &floats(x)?),
        // No integer that f16 can hold is rounded to become an f32.
        _ => narrowed(cpu, to, x.shape(), &to_floats(x)?),
    }
}

/// Towards zero, and the last bit set if anything was lost: rounding that to fewer bits is as if `x` itself were rounded.
fn rounded_to_odd(x: f64) -> f32 {
    let near = x as f32;
    if x.is_nan() || f64::from(near) == x {
        return near;
    }
    let outward = f64::from(near).abs() > x.abs();
    f32::from_bits((near.to_bits() - u32::from(outward)) | 1)
}

fn truths<A: Element>(from: &[A], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = u8::from(from != A::default()));
}

/// The same as `convert`, parts at once.
fn share<A: Number, B: Number>(cpu: &Cpu, from: &[A], to: &mut [B]) {
    cpu.processor().lines(to, 1, PIECE, |first, to| convert(&from[first..first + to.len()], to));
}

fn convert<A: Number, B: Number>(from: &[A], to: &mut [B]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.become_number());
}

/// A number that becomes one of another type by way of the widest of its kind, which holds it exactly.
trait Number: Element {
    fn become_number<B: Number>(self) -> B;
    fn of_signed(x: i64) -> Self;
    fn of_unsigned(x: u64) -> Self;
    fn of_double(x: f64) -> Self;
}

macro_rules! numbers {
    ($($rust:ty: $of_wide:ident $(, $canonical:ident)?;)*) => {$(impl Number for $rust {
        fn become_number<B: Number>(self) -> B {
            B::$of_wide(self.into())
        }

        fn of_signed(x: i64) -> Self {
            x as Self
        }

        fn of_unsigned(x: u64) -> Self {
            x as Self
        }

        fn of_double(x: f64) -> Self {
            $(let x = $canonical(x);)?
            x as Self
        }
    })*};
}

numbers! {
    i8: of_signed;
    i16: of_signed;
    i32: of_signed;
    i64: of_signed;
    u8: of_unsigned;
    u16: of_unsigned;
    u32: of_unsigned;
    u64: of_unsigned;
    f32: of_double, canonical;
    f64: of_double, canonical;
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use poai_numerics::Kernels;

    use super::*;

    fn cast(to: DType, x: &Tensor) -> Tensor {
        run(&Cpu::new(Kernels::Scalar, 1).unwrap(), to, x).unwrap()
    }

    #[test]
    fn floats_become_the_nearest_integers_inside_the_range() {
        let x = Tensor::new(&[7], &[1.9f32, -1.9, 300.0, -1e20, f32::NAN, f32::INFINITY, -0.5]);
        assert_eq!(cast(DType::U8, &x), Tensor::new(&[7], &[1u8, 0, 255, 0, 0, 255, 0]));
        assert_eq!(cast(DType::I8, &x), Tensor::new(&[7], &[1i8, -1, 127, -128, 0, 127, 0]));
        let (most, least) = (i64::MAX, i64::MIN);
        assert_eq!(cast(DType::I64, &x), Tensor::new(&[7], &[1i64, -1, 300, least, 0, most, 0]));
        let half = Tensor::new(&[1], &[f16::from_f32(-2.5)]);
        assert_eq!(cast(DType::I32, &half), Tensor::new(&[1], &[-2i32]));
    }

    #[test]
    fn integers_keep_their_low_bits() {
        let x = Tensor::new(&[3], &[200i16, -1, 0x1234]);
        assert_eq!(cast(DType::I8, &x), Tensor::new(&[3], &[-56i8, -1, 0x34]));
        assert_eq!(cast(DType::U64, &x), Tensor::new(&[3], &[200, u64::MAX, 0x1234]));
        assert_eq!(cast(DType::I64, &Tensor::scalar(u64::MAX)), Tensor::scalar(-1i64));
    }

    #[test]
    fn a_bool_is_whether_a_number_is_not_zero() {
        let truths = cast(DType::Bool, &Tensor::new(&[5], &[0.0f32, -0.0, 1e-45, f32::NAN, 36.0]));
        assert_eq!((truths.dtype(), truths.bytes()), (DType::Bool, &[0u8, 0, 1, 1, 1][..]));
        assert_eq!(cast(DType::F32, &truths), Tensor::new(&[5], &[0f32, 0.0, 1.0, 1.0, 1.0]));
    }

    #[test]
    fn floats_are_rounded_once_halves_to_even() {
        // Halfway between 1 and the next f16 is 1 + 2⁻¹¹; by way of f32 the last one would fall on it, and go down.
        let x = [1.0 + 2f64.powi(-11), 1.0 + 3.0 * 2f64.powi(-11), 1.0 + 2f64.powi(-11) + 2f64.powi(-40), 65520.0];
        let bits = [0x3c00, 0x3c02, 0x3c01, 0x7c00].map(f16::from_bits);
        assert_eq!(cast(DType::F16, &Tensor::new(&[4], &x)), Tensor::new(&[4], &bits));
        let x = [1.0 + 2f32.powi(-8), 1.0 + 3.0 * 2f32.powi(-8), f32::MAX, -0.0, 1e-45];
        let bits = [0x3f80, 0x3f82, 0x7f80, 0x8000, 0].map(bf16::from_bits);
        assert_eq!(cast(DType::Bf16, &Tensor::new(&[5], &x)), Tensor::new(&[5], &bits));
        assert_eq!(cast(DType::F32, &Tensor::scalar(16_777_219i64)), Tensor::scalar(16_777_220f32));
        assert_eq!(cast(DType::F16, &Tensor::scalar(65_519i32)), Tensor::scalar(f16::from_f32(65_504.0)));
    }

    #[test]
    fn a_nan_is_the_one_of_its_type() {
        let nan = Tensor::scalar(f32::from_bits(0xffc0_1234));
        assert_eq!(cast(DType::F64, &nan), Tensor::scalar(f64::from_bits(0x7ff8_0000_0000_0000)));
        assert_eq!(cast(DType::F16, &nan), Tensor::scalar(f16::from_bits(0x7e00)));
        let narrow = Tensor::scalar(f16::from_bits(0xfe01));
        assert_eq!(cast(DType::F32, &narrow), Tensor::scalar(f32::from_bits(0x7fc0_0000)));
        assert_eq!(cast(DType::Bf16, &narrow), Tensor::scalar(bf16::from_bits(0x7fc0)));
    }
}
