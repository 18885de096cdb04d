//! The last axes with mean 0 and variance 1, or a mean square of 1: LayerNormalization, RMSNormalization.

use std::borrow::Cow;

use poai_numerics::{Affine, Binary, Normalisation, Reduction, Strided};

use super::rows::expect_floats;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::movement::walk::Walk;
use crate::op::operand::{axis, broadcast, float_result, floats, given, needed, product, strides};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Operands: data, scale, and a shift. Results: what is normalised, then, if asked for, the means (not of an RMS
/// normalisation) and the inverse deviations, both f32.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    /// The first axis of a row.
    pub axis: i64,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the mean is left as it is.
    pub root_mean_square: bool,
    /// How many results are asked for.
    pub results: usize,
}

impl LayerNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let stash = source.int("stash_type")?.unwrap_or(FLOAT);
        if stash != FLOAT {
            return Err(OpError::unsupported(format!("stash_type {stash}")));
        }
        let centred = ["LayerNormalization", "com.microsoft.LayerNormalization"];
        Ok(Self {
            axis: source.int("axis")?.unwrap_or(-1),
            epsilon: source.float("epsilon")?.unwrap_or(1e-5),
            root_mean_square: !centred.contains(&source.qualified_operator().as_str()),
            results: source.output_count().max(1),
        })
    }

    /// The length of rows in a tensor of this shape.
    pub fn row_length(&self, shape: &[usize]) -> Option<usize> {
        product(&shape[axis(self.axis, shape.len()).ok()?..]).ok()
    }

    fn how(&self) -> Normalisation {
        let epsilon = self.epsilon;
        if self.root_mean_square { Normalisation::RootMeanSquare { epsilon } } else { Normalisation::Layer { epsilon } }
    }
}

/// ONNX's number of f32.
const FLOAT: i64 = 1;

/// A scale or shift as a number for each element of a row of this shape.
pub(super) fn for_row<'a>(tensor: &'a Tensor, row: &[usize]) -> Result<Cow<'a, [f32]>, OpError> {
    let values = floats(tensor)?;
    let leading = tensor.shape().len().saturating_sub(row.len());
    let (outer, shape) = tensor.shape().split_at(leading);
    if outer.iter().any(|&size| size != 1) {
        return Err(OpError::unsupported(format!("a scale of shape {:?} for rows of {row:?}", tensor.shape())));
    }
    if shape == row {
        return Ok(values);
    }
    if broadcast(shape, row)? != row {
        return Err(OpError::new(format!("a scale of shape {:?} does not spread over {row:?}", tensor.shape())));
    }
    let mut walk = Walk::over(shape);
    for _ in shape.len()..row.len() {
        walk = walk.repeated(0, 1);
    }
    let padded = [vec![1; row.len() - shape.len()], shape.to_vec()].concat();
    for (axis, (&size, &wanted)) in padded.iter().zip(row).enumerate() {
        if size != wanted {
            walk = walk.spread(axis, wanted);
        }
    }
    let mut spread = vec![0.0; product(row)?];
    walk.copy(&values, &mut spread);
    Ok(Cow::Owned(spread))
}

/// The means of rows, and 1 / √(variance + epsilon), as numerics computes them when it normalises.
pub(super) fn statistics(
    cpu: &Cpu,
    how: Normalisation,
    length: usize,
    values: &[f32],
) -> Result<[Vec<f32>; 2], OpError> {
    let rows = values.len() / length;
    let mut means = vec![0.0; rows];
    let mut squares = vec![0.0; rows];
    let processor = cpu.processor();
    let epsilon = match how {
        Normalisation::RootMeanSquare { epsilon } => {
            processor.reduce(Reduction::SumOfSquares, [rows, length, 1], values, &mut squares)?;
            epsilon
        }
        Normalisation::Layer { epsilon } => {
            processor.reduce(Reduction::Mean, [rows, length, 1], values, &mut means)?;
            let shape = [rows, length];
            let mut centred = vec![0.0; values.len()];
            let (values, means) =
                (Strided { data: values, strides: &strides(&shape) }, Strided { data: &means, strides: &[1, 0] });
            processor.binary(Binary::Sub, &shape, values, means, &mut centred)?;
            processor.reduce(Reduction::SumOfSquares, [rows, length, 1], &centred, &mut squares)?;
            epsilon
        }
    };
    for square in &mut squares {
        let variance = Binary::Add.of(Binary::Div.of(*square, length as f32), epsilon);
        *square = Binary::Div.of(1.0, poai_numerics::Unary::Sqrt.of(variance));
    }
    Ok([means, squares])
}

impl Operation for LayerNormalization {
    fn name(&self) -> &'static str {
        if self.root_mean_square { "RMSNormalization" } else { "LayerNormalization" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        needed(inputs, 1, "scale")?;
        inputs.iter().flatten().try_for_each(|fact| expect_floats(fact))?;
        let statistics = data.shape.as_ref().map(|shape| {
            let first = axis(self.axis, shape.len())?;
            let dim = |(axis, dim): (usize, &Dim)| if axis < first { dim.clone() } else { Dim::Size(1) };
            Ok::<Vec<Dim>, OpError>(shape.iter().enumerate().map(dim).collect())
        });
        let statistics = Fact { dtype: DType::F32, shape: statistics.transpose()?, value: None };
        let mut facts = vec![Fact { value: None, ..data.clone() }];
        facts.resize(self.results, statistics);
        Ok(facts)
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over a row.
        const WEIGHT: u64 = 4;
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, scale) = (needed(inputs, 0, "data")?, needed(inputs, 1, "scale")?);
        let shape = data.shape();
        let first = axis(self.axis, shape.len())?;
        let (row, length) = (&shape[first..], product(&shape[first..])?);
        if length == 0 {
            return Err(OpError::new(format!("rows of {row:?} have nothing to normalise")));
        }
        let scale = for_row(scale, row)?;
        let shift = given(inputs, 2).map(|shift| for_row(shift, row)).transpose()?;
        let affine = Affine { scale: &scale, shift: shift.as_deref() };
        let values = floats(data)?;
        let mut results = vec![float_result(cpu, data.dtype(), shape, |out| {
            Ok(cpu.processor().normalise_from(self.how(), Some(affine), length, &values, out)?)
        })?];
        if self.results > 1 {
            let kept: Vec<usize> =
                shape.iter().enumerate().map(|(i, &size)| if i < first { size } else { 1 }).collect();
            let [means, inverses] = statistics(cpu, self.how(), length, &values)?;
            let wanted = if self.root_mean_square { vec![inverses] } else { vec![means, inverses] };
            results.extend(wanted.iter().map(|values| Tensor::new(&kept, values)));
            results.truncate(self.results);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use poai_numerics::oracle;

    use super::*;

    #[test]
    fn rows_are_normalised_scaled_and_described() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = [1f32, 2., 3., 4., -1., 0., 1., 8.];
        let tensors =
            [Tensor::new(&[2, 2, 2], &data), Tensor::new(&[2], &[2f32, 3.]), Tensor::new(&[2, 1], &[0.5f32, 1.])];
        let layer = LayerNormalization { axis: 1, epsilon: 0.25, root_mean_square: false, results: 3 };
        let operands: Vec<_> = tensors.iter().map(Some).collect();
        let facts: Vec<_> = tensors.iter().map(Fact::of).collect();
        let inferred = layer.infer(&facts.iter().map(Some).collect::<Vec<_>>()).unwrap();
        let results = layer.run(&cpu, &operands).unwrap();
        let (how, affine) = (
            Normalisation::Layer { epsilon: 0.25 },
            Affine { scale: &[2., 3., 2., 3.], shift: Some(&[0.5, 0.5, 1., 1.]) },
        );
        let expected = [&data[..4], &data[4..]].map(|row| oracle::normalise(how, Some(affine), row)).concat();
        assert_eq!(results[0].slice::<f32>().unwrap(), expected);
        // Means 2.5 and 2; variances 1.25 and 12.5, so that with epsilon the first root is exact: 1 / √1.5, 1 / √12.75.
        assert_eq!(results[1], Tensor::new(&[2, 1, 1], &[2.5f32, 2.]));
        assert_eq!(results[2], Tensor::new(&[2, 1, 1], &[1.0 / 1.5f32.sqrt(), 1.0 / 12.75f32.sqrt()]));
        for (fact, result) in inferred.iter().zip(&results) {
            assert_eq!((fact.dtype, fact.sizes().unwrap()), (result.dtype(), result.shape().to_vec()));
        }
    }

    #[test]
    fn types_and_shapes_that_make_no_sense_are_refused() {
        let layer = LayerNormalization { axis: -1, epsilon: 0.0, root_mean_square: true, results: 1 };
        let fact = |dtype, shape: &[usize]| Fact::new(dtype, shape.iter().copied());
        assert!(layer.infer(&[Some(&fact(DType::F64, &[2])), Some(&fact(DType::F64, &[2]))]).is_err());
        assert!(layer.infer(&[Some(&fact(DType::F32, &[])), Some(&fact(DType::F32, &[]))]).is_err());
        assert!(for_row(&Tensor::new(&[3], &[0f32; 3]), &[2]).is_err());
        assert!(for_row(&Tensor::new(&[2, 2], &[0f32; 4]), &[2]).is_err());
    }
}
