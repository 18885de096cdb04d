//! A layer norm of sums: SkipLayerNormalization, SkipSimplifiedLayerNormalization, EmbedLayerNormalization.

use poai_numerics::{Affine, Binary, Normalisation, Strided};

use super::normalisation::statistics;
use super::rows::expect_floats;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::movement::gather::Gather;
use crate::op::operand::{float_result, floats, given, integers, narrowed, needed, same_type, strides};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Operands: input, skip, scale, shift (not if simplified), bias. `(input + skip) + bias` is normalised along its last
/// axis. Results: what is normalised, means, inverse deviations, the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct SkipLayerNormalization {
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the mean is left as it is.
    pub simplified: bool,
    /// How many results are asked for.
    pub results: usize,
}

impl SkipLayerNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self {
            epsilon: source.float("epsilon")?.unwrap_or(1e-12),
            simplified: source.qualified_operator().contains("Simplified"),
            results: source.output_count().max(1),
        })
    }

    fn how(&self) -> Normalisation {
        let epsilon = self.epsilon;
        if self.simplified { Normalisation::RootMeanSquare { epsilon } } else { Normalisation::Layer { epsilon } }
    }

    /// The places of shift and bias among the operands.
    pub fn places(&self) -> (Option<usize>, usize) {
        if self.simplified { (None, 3) } else { (Some(3), 4) }
    }
}

/// `left + right`, where the right repeats over leading axes of the left.
fn sum(cpu: &Cpu, left: &[f32], right: &[f32]) -> Result<Vec<f32>, OpError> {
    if right.is_empty() || !left.len().is_multiple_of(right.len()) {
        return Err(OpError::new(format!("{} elements are no whole turns of {}", left.len(), right.len())));
    }
    let shape = [left.len() / right.len(), right.len()];
    let mut sum = vec![0.0; left.len()];
    let (left, right) = (Strided { data: left, strides: &strides(&shape) }, Strided { data: right, strides: &[0, 1] });
    cpu.processor().binary(Binary::Add, &shape, left, right, &mut sum)?;
    Ok(sum)
}

/// An error unless `part` repeats over leading axes of `whole`.
fn expect_tail(whole: &Fact, part: &Fact, what: &str) -> Result<(), OpError> {
    let (Some(whole), Some(mut part)) = (whole.sizes(), part.sizes()) else { return Ok(()) };
    while part.len() > 1 && part[0] == 1 && whole.get(..part.len()) != Some(&part) {
        part.remove(0);
    }
    if whole.ends_with(&part) {
        Ok(())
    } else {
        Err(OpError::new(format!("{what} of {part:?} does not spread over {whole:?}")))
    }
}

/// Type and shape of means: the last axis has one element.
fn of_rows(data: &Fact) -> Fact {
    let mut shape = data.shape.clone();
    if let Some(last) = shape.as_mut().and_then(|shape| shape.last_mut()) {
        *last = Dim::Size(1);
    }
    Fact { dtype: DType::F32, shape, value: None }
}

impl Operation for SkipLayerNormalization {
    fn name(&self) -> &'static str {
        if self.simplified { "SkipSimplifiedLayerNormalization" } else { "SkipLayerNormalization" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, skip, scale) =
            (needed(inputs, 0, "input")?, needed(inputs, 1, "skip")?, needed(inputs, 2, "gamma")?);
        expect_floats(data)?;
        if data.rank() == Some(0) {
            return Err(OpError::new("what has no axes has no rows"));
        }
        same_type(data, skip)?;
        expect_tail(data, skip, "skip")?;
        let (shift, bias) = self.places();
        for fact in
            [Some(scale), shift.and_then(|index| given(inputs, index)), given(inputs, bias)].into_iter().flatten()
        {
            expect_floats(fact)?;
            let row = data.shape.as_ref().map(|shape| shape[shape.len() - 1..].to_vec());
            expect_tail(&Fact { shape: row, ..(*data).clone() }, fact, "a row")?;
        }
        let rows = of_rows(data);
        let all = [Fact { value: None, ..data.clone() }, rows.clone(), rows, Fact { value: None, ..data.clone() }];
        Ok(all.into_iter().take(self.results).collect())
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over a row.
        const WEIGHT: u64 = 6;
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, skip) = (needed(inputs, 0, "input")?, needed(inputs, 1, "skip")?);
        let (shape, dtype) = (data.shape(), data.dtype());
        let length = shape.last().copied().filter(|&length| length > 0);
        let length = length.ok_or_else(|| OpError::new("its rows have nothing to normalise"))?;
        let scale = floats(needed(inputs, 2, "gamma")?)?;
        let (shift, bias) = self.places();
        let shift = shift.and_then(|index| given(inputs, index)).map(floats).transpose()?;
        let mut total = sum(cpu, &floats(data)?, &floats(skip)?)?;
        if let Some(bias) = given(inputs, bias) {
            total = sum(cpu, &total, &floats(bias)?)?;
        }
        let affine = Affine { scale: &scale, shift: shift.as_deref() };
        let mut results = vec![float_result(cpu, dtype, shape, |out| {
            Ok(cpu.processor().normalise_from(self.how(), Some(affine), length, &total, out)?)
        })?];
        if self.results > 1 {
            let kept = [&shape[..shape.len() - 1], &[1]].concat();
            let [means, inverses] = statistics(cpu, self.how(), length, &total)?;
            results.extend([means, inverses].map(|numbers| Tensor::new(&kept, &numbers)));
            results.push(narrowed(cpu, dtype, shape, &total)?);
            results.truncate(self.results);
        }
        Ok(results)
    }
}

/// Operands: words and their segments by number; the embeddings of words, places and segments; scale, shift; a mask; the
/// places, which are 0, 1, 2… if not given. `(word + place) + segment` is normalised. Results: what is normalised, how
/// many of each sequence the mask shows, and, if asked for, the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedLayerNormalization {
    /// Added to the variance.
    pub epsilon: f32,
    /// How many results are asked for.
    pub results: usize,
}

impl EmbedLayerNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        if source.int("mask_index_type")?.is_some_and(|kind| kind != 0 && kind != 1) {
            return Err(OpError::unsupported("this mask_index_type"));
        }
        Ok(Self { epsilon: source.float("epsilon")?.unwrap_or(1e-12), results: source.output_count().max(1) })
    }
}

/// Rows of a table, by number; they have `width` elements.
fn looked_up(cpu: &Cpu, table: &Tensor, width: usize, numbers: &[i64]) -> Result<Vec<f32>, OpError> {
    let rows = match *table.shape() {
        [rows, found] if found == width => rows as i64,
        ref other => return Err(OpError::new(format!("a table of {other:?} has no rows of {width}"))),
    };
    if let Some(number) = numbers.iter().find(|number| !(0..rows).contains(number)) {
        return Err(OpError::new(format!("row {number} is asked for, of {rows}")));
    }
    // Gathered first, so that of a table of narrow floats only these rows are widened.
    let numbers = Tensor::new(&[numbers.len()], numbers);
    let found = Gather { axis: 0 }.run(cpu, &[Some(table), Some(&numbers)])?.remove(0);
    Ok(floats(&found)?.into_owned())
}

impl Operation for EmbedLayerNormalization {
    fn name(&self) -> &'static str {
        "EmbedLayerNormalization"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (words, table) = (needed(inputs, 0, "input_ids")?, needed(inputs, 2, "word_embedding")?);
        for (index, what) in [(2, "word_embedding"), (3, "position_embedding"), (5, "gamma"), (6, "beta")] {
            expect_floats(needed(inputs, index, what)?)?;
        }
        let width = table.shape.as_ref().and_then(|shape| shape.get(1).cloned()).unwrap_or(Dim::Unknown);
        let [batch, length] = match words.shape.as_deref() {
            None => [Dim::Unknown, Dim::Unknown],
            Some([batch, length]) => [batch.clone(), length.clone()],
            Some(other) => return Err(OpError::new(format!("words have {} axes, and need two", other.len()))),
        };
        let embedded = Fact::new(table.dtype, [batch.clone(), length, width]);
        let all = [embedded.clone(), Fact::new(DType::I32, [batch]), embedded];
        Ok(all.into_iter().take(self.results).collect())
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over a row.
        const WEIGHT: u64 = 8;
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let words = needed(inputs, 0, "input_ids")?;
        let &[batch, length] = words.shape() else { return Err(OpError::new("words need two axes")) };
        let tables = [needed(inputs, 2, "word_embedding")?, needed(inputs, 3, "position_embedding")?];
        let dtype = tables[0].dtype();
        let places = match given(inputs, 8) {
            Some(places) => integers(places)?,
            None => (0..batch).flat_map(|_| 0..length as i64).collect(),
        };
        let width = tables[0].shape().last().copied().unwrap_or(0);
        let shape = [batch, length, width];
        let mut total = looked_up(cpu, tables[0], width, &integers(words)?)?;
        let scale = floats(needed(inputs, 5, "gamma")?)?;
        let shift = floats(needed(inputs, 6, "beta")?)?;
        if total.is_empty() {
            return Err(OpError::new("there are no words"));
        }
        total = sum(cpu, &total, &looked_up(cpu, tables[1], width, &places)?)?;
        if let (Some(segments), Some(table)) = (given(inputs, 1), given(inputs, 4)) {
            total = sum(cpu, &total, &looked_up(cpu, table, width, &integers(segments)?)?)?;
        }
        let how = Normalisation::Layer { epsilon: self.epsilon };
        let affine = Affine { scale: &scale, shift: Some(&shift) };
        let mut results = vec![float_result(cpu, dtype, &shape, |out| {
            Ok(cpu.processor().normalise_from(how, Some(affine), width, &total, out)?)
        })?];
        if self.results > 1 {
            let shown = given(inputs, 7).map(|mask| counted(mask, batch, length)).unwrap_or(Ok(vec![0; batch]))?;
            results.push(Tensor::new(&[batch], &shown));
            results.push(narrowed(cpu, dtype, &shape, &total)?);
            results.truncate(self.results);
        }
        Ok(results)
    }
}

/// How many words of each sequence a mask shows.
fn counted(mask: &Tensor, batch: usize, length: usize) -> Result<Vec<i32>, OpError> {
    if mask.shape() != [batch, length] {
        return Err(OpError::new(format!("a mask of {:?} is given for {batch} sequences of {length}", mask.shape())));
    }
    let shown = integers(mask)?;
    Ok(shown.chunks_exact(length).map(|row| row.iter().filter(|&&shown| shown != 0).count() as i32).collect())
}

#[cfg(test)]
mod tests {
    use poai_numerics::oracle;

    use super::*;

    fn run(operator: &impl Operation, operands: &[Option<Tensor>]) -> Vec<Tensor> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let facts: Vec<Option<Fact>> = operands.iter().map(|tensor| tensor.as_ref().map(Fact::of)).collect();
        let inferred = operator.infer(&facts.iter().map(Option::as_ref).collect::<Vec<_>>()).unwrap();
        let results = operator.run(&cpu, &operands.iter().map(Option::as_ref).collect::<Vec<_>>()).unwrap();
        let described = |tensor: &Tensor| (tensor.dtype(), tensor.shape().to_vec());
        let expected: Vec<_> = inferred.iter().map(|fact| (fact.dtype, fact.sizes().unwrap())).collect();
        assert_eq!(results.iter().map(described).collect::<Vec<_>>(), expected);
        results
    }

    #[test]
    fn sums_are_normalised_and_given() {
        let row = |values: &[f32]| Some(Tensor::new(&[values.len()], values));
        let input = Some(Tensor::new(&[1, 2, 2], &[1f32, 2., 3., 4.]));
        let skip = Some(Tensor::new(&[2, 2], &[1f32, 1., 0., 5.]));
        let operator = SkipLayerNormalization { epsilon: 0.5, simplified: false, results: 4 };
        let results = run(&operator, &[input.clone(), skip.clone(), row(&[1., 2.]), row(&[0.5, 0.]), row(&[0., 1.])]);
        let total = [2f32, 4., 3., 10.];
        assert_eq!(results[3], Tensor::new(&[1, 2, 2], &total));
        let affine = Affine { scale: &[1., 2.], shift: Some(&[0.5, 0.]) };
        let how = Normalisation::Layer { epsilon: 0.5 };
        let expected = [&total[..2], &total[2..]].map(|row| oracle::normalise(how, Some(affine), row)).concat();
        assert_eq!(results[0].slice::<f32>().unwrap(), expected);
        assert_eq!(results[1], Tensor::new(&[1, 2, 1], &[3f32, 6.5]));
        let operator = SkipLayerNormalization { epsilon: 0.5, simplified: true, results: 1 };
        let results = run(&operator, &[input, skip, row(&[1., 2.])]);
        let affine = Affine { scale: &[1., 2.], shift: None };
        let how = Normalisation::RootMeanSquare { epsilon: 0.5 };
        let expected = [&[2f32, 3.], &[3f32, 9.]].map(|row| oracle::normalise(how, Some(affine), row)).concat();
        assert_eq!(results[0].slice::<f32>().unwrap(), expected);
    }

    #[test]
    fn words_become_rows() {
        let table = |values: &[f32]| Some(Tensor::new(&[values.len() / 2, 2], values));
        let operator = EmbedLayerNormalization { epsilon: 0.5, results: 3 };
        let results = run(
            &operator,
            &[
                Some(Tensor::new(&[1, 2], &[2i32, 0])),
                Some(Tensor::new(&[1, 2], &[0i32, 1])),
                table(&[1., 2., 3., 4., 5., 6.]),
                table(&[10., 20., 30., 40.]),
                table(&[0., 0., 100., 200.]),
                Some(Tensor::new(&[2], &[1f32, 1.])),
                Some(Tensor::new(&[2], &[0f32, 0.])),
                Some(Tensor::new(&[1, 2], &[1i32, 0])),
            ],
        );
        assert_eq!(results[1], Tensor::new(&[1], &[1i32]));
        assert_eq!(results[2], Tensor::new(&[1, 2, 2], &[15f32, 26., 131., 242.]));
    }
}
