//! Shapes as values, and values by their shapes: Shape, Size, ConstantOfShape.

use bytemuck::Pod;

use super::repetition::sizes;
use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{dims, needed, row};
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

/// How many elements the operand has, as i64.
#[derive(Clone, Debug, PartialEq)]
pub struct Size;

impl Size {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }
}

impl Operation for Size {
    fn name(&self) -> &'static str {
        "Size"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let mut fact = Fact::new(DType::I64, Vec::<Dim>::new());
        if data.sizes().is_some() {
            let count = i64::try_from(data.elements());
            let count = count.map_err(|_| OpError::new("it has more elements than an i64 counts"))?;
            fact.value = Some(Tensor::scalar(count));
        }
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], _outputs: &[Fact]) -> Cost {
        Cost::default()
    }

    fn run(&self, _cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![Tensor::scalar(needed(inputs, 0, "data")?.len() as i64)])
    }
}

/// Operand: a shape. Each element of the result is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantOfShape {
    /// The element, as a tensor of one.
    pub value: Tensor,
}

impl ConstantOfShape {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let value = source.tensor("value")?.unwrap_or_else(|| Tensor::new(&[1], &[0f32]));
        if value.len() != 1 {
            return Err(OpError::new(format!("attribute value has {} elements", value.len())));
        }
        Ok(Self { value })
    }
}

impl Operation for ConstantOfShape {
    fn name(&self) -> &'static str {
        "ConstantOfShape"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (shape, dtype) = (needed(inputs, 0, "shape")?, self.value.dtype());
        let Some(value) = &shape.value else {
            let rank = shape.sizes().and_then(|sizes| sizes.first().copied());
            let unknown = |rank| Fact::new(dtype, vec![Dim::Unknown; rank]);
            return Ok(vec![rank.map_or(Fact::of_type(dtype), unknown)]);
        };
        Ok(vec![Fact::new(dtype, dims(&sizes(&row(value)?)?))])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let shape = sizes(&row(needed(inputs, 0, "shape")?)?)?;
        let mut result = cpu.allocate(self.value.dtype(), &shape)?;
        with_width!(self.value.dtype(), T => fill::<T>(self.value.bytes(), result.bytes_mut()));
        Ok(vec![result.freeze()])
    }
}

fn fill<T: Pod>(value: &[u8], to: &mut [u8]) {
    bytemuck::cast_slice_mut::<_, T>(to).fill(bytemuck::pod_read_unaligned(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_known_as_far_as_their_dimensions_are() {
        let data = Fact::new(DType::F32, [Dim::Size(2), Dim::Named("n".into()), Dim::Size(5)]);
        let value = |start, end| Shape { start, end }.infer(&[Some(&data)]).unwrap().remove(0);
        assert_eq!(value(0, None), Fact::new(DType::I64, [3usize]));
        assert_eq!(value(-1, None), Fact::of(&Tensor::new(&[1], &[5i64])));
        assert_eq!(value(0, Some(1)), Fact::of(&Tensor::new(&[1], &[2i64])));
        assert_eq!(value(2, Some(1)), Fact::of(&Tensor::new::<i64>(&[0], &[])));
        assert_eq!(value(i64::MIN, Some(i64::MAX)), Fact::new(DType::I64, [3usize]));
    }

    #[test]
    fn values_are_made_of_shapes() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let constant = ConstantOfShape { value: Tensor::new(&[1], &[-3i16]) };
        let result = constant.run(&cpu, &[Some(&Tensor::new(&[2], &[2i64, 1]))]).unwrap();
        assert_eq!(result, [Tensor::new(&[2, 1], &[-3i16, -3])]);
        assert_eq!(Size.run(&cpu, &[Some(&result[0])]).unwrap(), [Tensor::scalar(2i64)]);
        let huge = Fact::of(&Tensor::new(&[2], &[i64::MAX, -1]));
        assert!(constant.infer(&[Some(&huge)]).is_err());
    }
}
