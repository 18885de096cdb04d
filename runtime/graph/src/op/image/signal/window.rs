//! Window functions: sums of cosines of whole turns, `a₀ - a₁·cos t + a₂·cos 2t`, in fused steps.

use poai_numerics::step::{soft_fused, stored};

use super::rotation::rotation;
use super::{Operation, length, length_of};
use crate::onnx::Source;
use crate::op::operand::{float_result, needed};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// The sum's coefficients.
type Cosines = [f32; 3];

pub(super) const HANN: Cosines = [0.5, 0.5, 0.0];
pub(super) const HAMMING: Cosines = [25.0 / 46.0, 21.0 / 46.0, 0.0];
pub(super) const BLACKMAN: Cosines = [0.42, 0.5, 0.08];

/// A window of as many elements as its operand says.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalWindow {
    cosines: Cosines,
    /// One more element would be the first again.
    pub periodic: bool,
    /// The type of its elements.
    pub dtype: DType,
}

impl SignalWindow {
    pub(super) fn import(source: &mut Source<'_>, cosines: Cosines) -> Result<Self, OpError> {
        /// ONNX's numbers of types.
        const TYPES: [(i64, DType); 3] = [(1, DType::F32), (10, DType::F16), (16, DType::Bf16)];
        let number = source.int("output_datatype")?.unwrap_or(1);
        let dtype = TYPES.iter().find(|(known, _)| *known == number).map(|(_, dtype)| *dtype);
        let dtype = dtype.ok_or_else(|| OpError::unsupported(format!("a window of elements of type {number}")))?;
        Ok(Self { cosines, periodic: source.int("periodic")?.unwrap_or(1) != 0, dtype })
    }

    fn at(&self, place: usize, whole: usize) -> f32 {
        let [level, first, second] = self.cosines;
        let [once, _] = rotation(place % whole, whole);
        let [twice, _] = rotation(2 * place % whole, whole);
        stored(soft_fused(second, twice, soft_fused(-first, once, level)))
    }
}

impl Operation for SignalWindow {
    fn name(&self) -> &'static str {
        match self.cosines {
            HANN => "HannWindow",
            HAMMING => "HammingWindow",
            _ => "BlackmanWindow",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        needed(inputs, 0, "size")?;
        let size = length(inputs, 0, "size")?.map_or(Dim::Unknown, Dim::Size);
        Ok(vec![Fact::new(self.dtype, [size])])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let size = length_of(needed(inputs, 0, "size")?, "size")?;
        let whole = if self.periodic { size } else { size.saturating_sub(1) }.max(1);
        let window = float_result(cpu, self.dtype, &[size], |out| {
            out.iter_mut().enumerate().for_each(|(place, out)| *out = self.at(place, whole));
            Ok(())
        })?;
        Ok(vec![window])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::trial::results;
    use super::*;

    #[test]
    fn quarters_of_the_windows() {
        for (cosines, expected) in
            [(HANN, [0.0, 0.5, 1.0, 0.5]), (HAMMING, [4.0 / 46.0, 25.0 / 46.0, 1.0, 25.0 / 46.0])]
        {
            let window = SignalWindow { cosines, periodic: true, dtype: DType::F32 };
            let found = results(&window, &[&Tensor::scalar(4i32)]).unwrap().remove(0);
            let near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-7;
            assert!(found.get::<f32>().unwrap().iter().zip(&expected).all(near), "{cosines:?}");
            let symmetric = SignalWindow { periodic: false, ..window };
            let found = results(&symmetric, &[&Tensor::scalar(5i64)]).unwrap().remove(0);
            assert!(found.get::<f32>().unwrap().iter().zip(&expected).all(near), "{cosines:?}");
        }
        let none = SignalWindow { cosines: HANN, periodic: false, dtype: DType::F16 };
        assert_eq!(results(&none, &[&Tensor::scalar(0i64)]).unwrap()[0].shape(), [0]);
    }
}
