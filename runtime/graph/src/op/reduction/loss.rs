//! How wrong a classification is: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss.

use poai_numerics::{Binary, Reduction};

use super::rows::{brought, expect_floats};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{floats, given, integers, narrowed, needed, product};
use crate::{Cpu, Dim, Fact, OpError, Tensor};

/// What becomes of the losses of all places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Nothing: they are the result.
    Each,
    /// Their sum.
    Sum,
    /// Their sum, divided by that of the weights.
    Mean,
}

/// Operands: scores `[batch, class, …]`, the right classes `[batch, …]`, a weight for each class. A loss is
/// `-(log-probability · weight)`; sums are numerics' reductions over all places. Results: the losses, and, of scores that
/// are no log-probabilities yet, those.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Whether scores become log-probabilities by a log-softmax first.
    pub softmax: bool,
    /// The class that counts nothing, where it is the right one.
    pub ignored: Option<i64>,
    /// What becomes of the losses.
    pub total: Total,
    /// How many results are asked for.
    pub results: usize,
}

impl Loss {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let total = match source.text("reduction")?.as_deref() {
            Some("none") => Total::Each,
            Some("sum") => Total::Sum,
            None | Some("mean") => Total::Mean,
            Some(other) => return Err(OpError::new(format!("reduction is {other}"))),
        };
        Ok(Self {
            softmax: source.qualified_operator() == "SoftmaxCrossEntropyLoss",
            ignored: source.int("ignore_index")?,
            total,
            results: source.output_count().max(1),
        })
    }

    /// The loss of each place, and its weight.
    fn losses(
        &self,
        logs: &[f32],
        classes: usize,
        right: &[i64],
        weights: Option<&[f32]>,
    ) -> Result<[Vec<f32>; 2], OpError> {
        let (mut losses, mut counted) = (vec![0.0; right.len()], vec![0.0; right.len()]);
        for (place, &class) in right.iter().enumerate() {
            if self.ignored == Some(class) {
                continue;
            }
            let known = usize::try_from(class).ok().filter(|&class| class < classes);
            let class = known.ok_or_else(|| OpError::new(format!("class {class} is right, of {classes}")))?;
            let weight = weights.map_or(1.0, |weights| weights[class]);
            losses[place] = Binary::Sub.of(0.0, Binary::Mul.of(logs[place * classes + class], weight));
            counted[place] = weight;
        }
        Ok([losses, counted])
    }
}

/// Batch, classes and the places of one of the batch.
fn sizes(scores: &[usize], right: &[usize]) -> Result<[usize; 3], OpError> {
    match (scores, right) {
        (&[batch, classes, ref places @ ..], &[images, ref found @ ..]) if batch == images && places == found => {
            Ok([batch, classes, product(places)?])
        }
        _ => Err(OpError::new(format!("scores of {scores:?} have right classes of {right:?}"))),
    }
}

impl Operation for Loss {
    fn name(&self) -> &'static str {
        if self.softmax { "SoftmaxCrossEntropyLoss" } else { "NegativeLogLikelihoodLoss" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (scores, right) = (needed(inputs, 0, "scores")?, needed(inputs, 1, "target")?);
        expect_floats(scores)?;
        let weights = given(inputs, 2);
        if let (Some(scores), Some(right)) = (scores.sizes(), right.sizes()) {
            let [_, classes, _] = sizes(&scores, &right)?;
            if weights.and_then(Fact::sizes).is_some_and(|found| found != [classes]) {
                return Err(OpError::new(format!("each of {classes} classes has one weight")));
            }
        }
        let shape = if self.total == Total::Each { right.shape.clone() } else { Some(Vec::<Dim>::new()) };
        let loss = Fact { dtype: scores.dtype, shape, value: None };
        let logs = Fact { value: None, ..scores.clone() };
        let declared = if self.softmax { vec![loss, logs] } else { vec![loss] };
        Ok(declared.into_iter().take(self.results).collect())
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (scores, right) = (needed(inputs, 0, "scores")?, needed(inputs, 1, "target")?);
        let (processor, dtype) = (cpu.processor(), scores.dtype());
        let [batch, classes, places] = sizes(scores.shape(), right.shape())?;
        let weights = given(inputs, 2).map(floats).transpose()?;
        let values = floats(scores)?;
        let mut logs = brought(&values, &[batch, classes, places], &[0, 2, 1]).into_owned();
        if self.softmax && !logs.is_empty() {
            processor.log_softmax(classes, &mut logs)?;
        }
        let [losses, counted] = self.losses(&logs, classes, &integers(right)?, weights.as_deref())?;
        let sum = |values: &[f32]| {
            let mut sum = [0.0];
            processor.reduce(Reduction::Sum, [1, values.len(), 1], values, &mut sum).map(|()| sum[0])
        };
        let loss = match self.total {
            Total::Each => narrowed(cpu, dtype, right.shape(), &losses)?,
            Total::Sum => narrowed(cpu, dtype, &[], &[sum(&losses)?])?,
            Total::Mean => narrowed(cpu, dtype, &[], &[Binary::Div.of(sum(&losses)?, sum(&counted)?)])?,
        };
        let mut results = vec![loss];
        if self.softmax && self.results > 1 {
            let turned = brought(&logs, &[batch, places, classes], &[0, 2, 1]);
            results.push(narrowed(cpu, dtype, scores.shape(), &turned)?);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_weighted_and_summed() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let logs = Tensor::new(&[2, 3, 1], &[-1f32, -2., -3., -4., -5., -6.]);
        let right = Tensor::new(&[2, 1], &[2i64, 0]);
        let weights = Tensor::new(&[3], &[0.5f32, 1., 2.]);
        let run = |total, ignored, right: &Tensor| {
            let loss = Loss { softmax: false, ignored, total, results: 1 };
            loss.run(&cpu, &[Some(&logs), Some(right), Some(&weights)]).map(|mut results| results.remove(0))
        };
        assert_eq!(run(Total::Each, None, &right), Ok(Tensor::new(&[2, 1], &[6f32, 2.])));
        assert_eq!(run(Total::Sum, None, &right), Ok(Tensor::scalar(8f32)));
        assert_eq!(run(Total::Mean, None, &right), Ok(Tensor::scalar(8f32 / 2.5)));
        assert_eq!(run(Total::Mean, Some(2), &right), Ok(Tensor::scalar(4f32)));
        assert!(run(Total::Sum, None, &Tensor::new(&[2, 1], &[3i64, 0])).is_err());
        assert_eq!(run(Total::Sum, Some(-1), &Tensor::new(&[2, 1], &[-1i64, 0])), Ok(Tensor::scalar(2f32)));
    }
}
