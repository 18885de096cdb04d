//! Shapes as values: Shape.

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::needed;
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// The operand's dimensions, as i64.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The first dimension; a negative one counts from the end, and both are kept within the rank.
    pub start: i64,
    /// The one behind the last.
    pub end: Option<i64>,
}

impl Shape {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { start: source.int("start")?.unwrap_or(0), end: source.int("end")? })
    }

    fn part<'a, T>(&self, dims: &'a [T]) -> &'a [T] {
        let rank = dims.len() as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(self.start), self.end.map_or(dims.len(), place));
        &dims[start..end.max(start)]
    }
}

impl Operation for Shape {
    fn name(&self) -> &'static str {
        "Shape"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::new(DType::I64, [Dim::Unknown])]) };
        let part = self.part(shape);
        let mut fact = Fact::new(DType::I64, [part.len()]);
        let sizes: Option<Vec<i64>> = part.iter().map(|dim| dim.size().map(|size| size as i64)).collect();
        fact.value = sizes.map(|sizes| Tensor::new(&[sizes.len()], &sizes));
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], _outputs: &[Fact]) -> Cost {
        Cost::default()
    }

    fn run(&self, _cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let shape = self.part(needed(inputs, 0, "data")?.shape());
        let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        Ok(vec![Tensor::new(&[sizes.len()], &sizes)])
    }
}
