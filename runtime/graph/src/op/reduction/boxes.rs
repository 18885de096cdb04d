//! Boxes that do not overlap: NonMaxSuppression.

use poai_numerics::Binary;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{given, integer, needed, order};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Operands: boxes `[batch, box, 4]`, scores `[batch, class, box]`, the most boxes of a class, how much of their union two
/// boxes may share, the least score. The result has a row `[batch, class, box]` for each box that is chosen: of each
/// class the best first, of equal scores the first, each unless it shares too much with one that is chosen already.
///
/// All numbers are f32, and each operation is an element-wise one of numerics: areas `height · width`, the union
/// `(area + area) - common`, the share `common / union`.
#[derive(Clone, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// Whether a box is given by centre, width and height, not by two corners.
    pub centred: bool,
}

/// A box by its corners.
#[derive(Clone, Copy)]
struct Corners {
    low: [f32; 2],
    high: [f32; 2],
    area: f32,
}

impl NonMaxSuppression {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        match source.int("center_point_box")?.unwrap_or(0) {
            0 => Ok(Self { centred: false }),
            1 => Ok(Self { centred: true }),
            other => Err(OpError::new(format!("center_point_box is {other}"))),
        }
    }

    fn corners(&self, numbers: &[f32]) -> Corners {
        let (a, b) = ([numbers[0], numbers[1]], [numbers[2], numbers[3]]);
        let (low, high) = if self.centred {
            let half = b.map(|size| Binary::Mul.of(size, 0.5));
            let moved = |operation: Binary| [operation.of(a[0], half[0]), operation.of(a[1], half[1])];
            (moved(Binary::Sub), moved(Binary::Add))
        } else {
            // Any two corners that lie across from each other.
            let each = |operation: Binary| [operation.of(a[0], b[0]), operation.of(a[1], b[1])];
            (each(Binary::Min), each(Binary::Max))
        };
        let area = Binary::Mul.of(Binary::Sub.of(high[0], low[0]), Binary::Sub.of(high[1], low[1]));
        Corners { low, high, area }
    }

    /// The boxes of a class that are chosen.
    fn choose(&self, boxes: &[Corners], scores: &[f32], limits: Limits) -> Vec<usize> {
        let mut candidates: Vec<usize> =
            (0..boxes.len()).filter(|&i| limits.score.is_none_or(|least| scores[i] > least)).collect();
        candidates.sort_by(|&a, &b| order(&scores[b], &scores[a]).then(a.cmp(&b)));
        let mut chosen: Vec<usize> = Vec::new();
        for candidate in candidates {
            if chosen.len() >= limits.boxes {
                break;
            }
            if chosen.iter().all(|&other| shared(&boxes[other], &boxes[candidate]) <= limits.share) {
                chosen.push(candidate);
            }
        }
        chosen
    }
}

/// How much of their union two boxes share.
fn shared(a: &Corners, b: &Corners) -> f32 {
    let side = |i: usize| {
        let (low, high) = (Binary::Max.of(a.low[i], b.low[i]), Binary::Min.of(a.high[i], b.high[i]));
        Binary::Max.of(Binary::Sub.of(high, low), 0.0)
    };
    let common = Binary::Mul.of(side(0), side(1));
    // Without this, empty boxes would share 0 / 0.
    if common > 0.0 { Binary::Div.of(common, Binary::Sub.of(Binary::Add.of(a.area, b.area), common)) } else { 0.0 }
}

#[derive(Clone, Copy)]
struct Limits {
    boxes: usize,
    share: f32,
    score: Option<f32>,
}

impl Limits {
    fn of(inputs: &[Option<&Tensor>]) -> Result<Self, OpError> {
        let number = |index| match given(inputs, index).map(|tensor: &Tensor| tensor.slice::<f32>()).transpose()? {
            None => Ok(None),
            Some(&[value]) => Ok(Some(value)),
            Some(_) => Err(OpError::new("a threshold is one number")),
        };
        let share = number(3)?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&share) {
            return Err(OpError::new(format!("two boxes may share {share} of their union")));
        }
        // Nothing is chosen unless a number is given.
        let boxes = given(inputs, 2).map_or(Ok(0), integer)?;
        Ok(Self { boxes: usize::try_from(boxes).unwrap_or(0), share, score: number(4)? })
    }
}

/// Batch, classes and boxes.
fn sizes(boxes: &[usize], scores: &[usize]) -> Result<[usize; 3], OpError> {
    match (boxes, scores) {
        (&[batch, count, 4], &[images, classes, scored]) if batch == images && count == scored => {
            Ok([batch, classes, count])
        }
        _ => Err(OpError::new(format!("boxes of {boxes:?} have scores of {scores:?}"))),
    }
}

impl Operation for NonMaxSuppression {
    fn name(&self) -> &'static str {
        "NonMaxSuppression"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (boxes, scores) = (needed(inputs, 0, "boxes")?, needed(inputs, 1, "scores")?);
        if let Some(other) = [boxes, scores].into_iter().find(|fact| fact.dtype != DType::F32) {
            return Err(OpError::new(format!("{} elements are no boxes or scores", other.dtype)));
        }
        if let (Some(boxes), Some(scores)) = (boxes.sizes(), scores.sizes()) {
            sizes(&boxes, &scores)?;
        }
        Ok(vec![Fact::new(DType::I64, [Dim::Unknown, Dim::Size(3)])])
    }

    fn cost(&self, inputs: &[Option<&Fact>], _outputs: &[Fact]) -> Cost {
        /// What comparing two boxes costs.
        const WEIGHT: u64 = 16;
        let count = |index: usize| given(inputs, index).map_or(0, Fact::elements);
        let candidates = given(inputs, 0).and_then(Fact::sizes).and_then(|sizes| sizes.get(1).copied()).unwrap_or(0);
        let most =
            given(inputs, 2).and_then(|fact| fact.value.as_ref()).and_then(|value| integer(value).ok()).unwrap_or(0);
        let chosen = most.clamp(1, candidates.max(1) as i64).unsigned_abs();
        Cost {
            multiply_adds: 0,
            elements: count(0).saturating_add(count(1).saturating_mul(chosen).saturating_mul(WEIGHT)),
        }
    }

    fn run(&self, _cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (boxes, scores) = (needed(inputs, 0, "boxes")?, needed(inputs, 1, "scores")?);
        let [batch, classes, count] = sizes(boxes.shape(), scores.shape())?;
        let limits = Limits::of(inputs)?;
        let corners: Vec<Corners> =
            boxes.slice::<f32>()?.chunks_exact(4).map(|numbers| self.corners(numbers)).collect();
        let scores = scores.slice::<f32>()?;
        let mut rows = Vec::new();
        for image in 0..batch {
            for class in 0..classes {
                let begin = (image * classes + class) * count;
                let boxes = &corners[image * count..(image + 1) * count];
                for place in self.choose(boxes, &scores[begin..begin + count], limits) {
                    rows.extend([image as i64, class as i64, place as i64]);
                }
            }
        }
        Ok(vec![Tensor::new(&[rows.len() / 3, 3], &rows)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_boxes_stay() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        // The second overlaps the first by 0.9 of 1.1; the third is its own twin with corners exchanged; the last is empty.
        let corners = [0f32, 0., 1., 1., 0., 0.1, 1., 1.1, 5., 5., 4., 4., 4., 4., 5., 5., 7., 7., 7., 7.];
        let boxes = Tensor::new(&[1, 5, 4], &corners);
        let scores = Tensor::new(&[1, 1, 5], &[0.9f32, 0.75, 0.6, 0.6, 0.1]);
        let run = |most: i64, share: f32, least: Option<f32>| {
            let (most, share, least) = (Tensor::scalar(most), Tensor::scalar(share), least.map(Tensor::scalar));
            let operands = [Some(&boxes), Some(&scores), Some(&most), Some(&share), least.as_ref()];
            let result = NonMaxSuppression { centred: false }.run(&cpu, &operands)?.remove(0);
            Ok::<_, OpError>(result.slice::<i64>()?.chunks(3).map(|row| row[2]).collect::<Vec<_>>())
        };
        assert_eq!(run(10, 0.5, None), Ok(vec![0, 2, 4]));
        assert_eq!(run(10, 0.5, Some(0.1)), Ok(vec![0, 2]));
        assert_eq!(run(10, 0.9, None), Ok(vec![0, 1, 2, 4]));
        assert_eq!(run(1, 0.5, None), Ok(vec![0]));
        assert_eq!(run(0, 0.5, None), Ok(vec![]));
        assert_eq!(run(-1, 0.5, None), Ok(vec![]));
        assert!(run(1, f32::NAN, None).is_err());
    }
}
