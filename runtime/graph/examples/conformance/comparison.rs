//! What came out against what another implementation gives.

use half::{bf16, f16};
use poai_graph::{DType, Element, Tensor};

/// How far a float may be from the one to expect: `absolute + relative × |expected|`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// Of the number's size.
    pub(crate) relative: f64,
    /// Whatever its size.
    pub(crate) absolute: f64,
}

/// What ONNX's own backend tests allow.
impl Default for Tolerance {
    fn default() -> Self {
        Self { relative: 1e-3, absolute: 1e-7 }
    }
}

impl Tolerance {
    /// Two units in the last place of a bf16, which ONNX's backend tests allow it at least.
    const BF16_RELATIVE: f64 = 0.015625;

    fn allows(self, expected: f64, found: f64) -> bool {
        let same = expected == found || (expected.is_nan() && found.is_nan());
        same || (found - expected).abs() <= self.absolute + self.relative * expected.abs() && found.is_finite()
    }
}

/// Compares one output.
///
/// # Errors
/// The first difference, in words.
pub(crate) fn compare(expected: &Tensor, found: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    if (expected.dtype(), expected.shape()) != (found.dtype(), found.shape()) {
        return Err(format!("it is {found:?} instead of {expected:?}"));
    }
    let wide = Tolerance { relative: tolerance.relative.max(Tolerance::BF16_RELATIVE), ..tolerance };
    match expected.dtype() {
        DType::F32 => floats::<f32>(expected, found, |value| value.into(), tolerance),
        DType::F64 => floats::<f64>(expected, found, |value| value, tolerance),
        DType::F16 => floats::<f16>(expected, found, f16::to_f64, tolerance),
        DType::Bf16 => floats::<bf16>(expected, found, bf16::to_f64, wide),
        DType::I8 => integers::<i8>(expected, found),
        DType::I16 => integers::<i16>(expected, found),
        DType::I32 => integers::<i32>(expected, found),
        DType::I64 => integers::<i64>(expected, found),
        DType::U8 | DType::Bool => integers::<u8>(expected, found),
        DType::U16 => integers::<u16>(expected, found),
        DType::U32 => integers::<u32>(expected, found),
        DType::U64 => integers::<u64>(expected, found),
    }
}

fn floats<T: Element>(
    expected: &Tensor,
    found: &Tensor,
    wide: impl Fn(T) -> f64,
    tolerance: Tolerance,
) -> Result<(), String> {
    differences::<T>(expected, found, |&a, &b| tolerance.allows(wide(a), wide(b)), |&value| wide(value).to_string())
}

fn integers<T: Element + std::fmt::Display>(expected: &Tensor, found: &Tensor) -> Result<(), String> {
    differences::<T>(expected, found, |a, b| a == b, T::to_string)
}

fn differences<T: Element>(
    expected: &Tensor,
    found: &Tensor,
    same: impl Fn(&T, &T) -> bool,
    show: impl Fn(&T) -> String,
) -> Result<(), String> {
    let elements = |tensor: &Tensor| tensor.slice::<T>().map(<[T]>::to_vec).map_err(|error| error.to_string());
    let (expected, found) = (elements(expected)?, elements(found)?);
    let mut different = expected.iter().zip(&found).enumerate().filter(|(_, (a, b))| !same(a, b));
    let Some((place, (a, b))) = different.next() else { return Ok(()) };
    let (total, count) = (expected.len(), 1 + different.count());
    Err(format!("{count} of {total} elements differ, first at {place}: {} instead of {}", show(b), show(a)))
}
