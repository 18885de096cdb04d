//! Elements and parts written over those of another tensor: ScatterElements, ScatterND, TensorScatter.

use bytemuck::Pod;
use poai_numerics::Binary;

use super::gather::{expect_indices, place};
use super::index::{Parts, element_places, expect_within, named_parts};
use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, floats, given, integers, narrowed, needed, product, same_type};
use crate::{Cpu, DType, Element, Fact, OpError, Tensor};

/// What becomes of an element that an update meets. Updates are taken in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// The update takes its place.
    Replace,
    /// Their sum.
    Add,
    /// Their product.
    Mul,
    /// The lesser.
    Min,
    /// The greater.
    Max,
}

impl Meeting {
    fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        match source.text("reduction")?.as_deref() {
            None | Some("none") => Ok(Self::Replace),
            Some("add") => Ok(Self::Add),
            Some("mul") => Ok(Self::Mul),
            Some("min") => Ok(Self::Min),
            Some("max") => Ok(Self::Max),
            Some(other) => Err(OpError::new(format!("reduction is {other}"))),
        }
    }

    /// numerics' operation for it; none if there is nothing to compute.
    fn operation(self) -> Option<Binary> {
        match self {
            Self::Replace => None,
            Self::Add => Some(Binary::Add),
            Self::Mul => Some(Binary::Mul),
            Self::Min => Some(Binary::Min),
            Self::Max => Some(Binary::Max),
        }
    }

    fn scattered(self, cpu: &Cpu, data: &Tensor, parts: &Parts, updates: &Tensor) -> Result<Tensor, OpError> {
        let Some(operation) = self.operation() else {
            let mut result = cpu.allocate(data.dtype(), data.shape())?;
            result.bytes_mut().copy_from_slice(data.bytes());
            with_width!(data.dtype(), T => {
                let (to, from) = (bytemuck::cast_slice_mut(result.bytes_mut()), bytemuck::cast_slice(updates.bytes()));
                replace::<T>(to, parts, from);
            });
            return Ok(result.freeze());
        };
        let meet = |a: f32, b: f32| operation.of(a, b);
        match data.dtype() {
            DType::F32 | DType::F16 | DType::Bf16 => {
                let mut values = floats(data)?.into_owned();
                update(&mut values, parts, &floats(updates)?, meet);
                narrowed(cpu, data.dtype(), data.shape(), &values)
            }
            DType::F64 => self.met(cpu, data, parts, updates, |a, b| self.double(a, b)),
            DType::I8 => {
                self.met(cpu, data, parts, updates, |a: i8, b| self.whole(a, b, i8::wrapping_add, i8::wrapping_mul))
            }
            DType::I16 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, i16::wrapping_add, i16::wrapping_mul))
            }
            DType::I32 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, i32::wrapping_add, i32::wrapping_mul))
            }
            DType::I64 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, i64::wrapping_add, i64::wrapping_mul))
            }
            DType::U8 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, u8::wrapping_add, u8::wrapping_mul))
            }
            DType::U16 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, u16::wrapping_add, u16::wrapping_mul))
            }
            DType::U32 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, u32::wrapping_add, u32::wrapping_mul))
            }
            DType::U64 => {
                self.met(cpu, data, parts, updates, |a, b| self.whole(a, b, u64::wrapping_add, u64::wrapping_mul))
            }
            DType::Bool => Err(OpError::unsupported("sums of truth values")),
        }
    }

    fn met<T: Element>(
        self,
        cpu: &Cpu,
        data: &Tensor,
        parts: &Parts,
        updates: &Tensor,
        meet: impl Fn(T, T) -> T,
    ) -> Result<Tensor, OpError> {
        let mut result = cpu.allocate(data.dtype(), data.shape())?;
        result.bytes_mut().copy_from_slice(data.bytes());
        update(result.slice_mut::<T>(), parts, updates.slice::<T>()?, meet);
        Ok(result.freeze())
    }

    fn whole<T: Ord>(self, a: T, b: T, add: impl Fn(T, T) -> T, mul: impl Fn(T, T) -> T) -> T {
        match self {
            Self::Replace => b,
            Self::Add => add(a, b),
            Self::Mul => mul(a, b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }

    fn double(self, a: f64, b: f64) -> f64 {
        let met = match self {
            Self::Replace => b,
            Self::Add => a + b,
            Self::Mul => a * b,
            _ if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        };
        if met.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { met }
    }
}

fn replace<T: Pod>(to: &mut [T], parts: &Parts, updates: &[T]) {
    if parts.length > 0 {
        for (&begin, part) in parts.begins.iter().zip(updates.chunks_exact(parts.length)) {
            to[begin..begin + parts.length].copy_from_slice(part);
        }
    }
}

fn update<T: Copy>(to: &mut [T], parts: &Parts, updates: &[T], meet: impl Fn(T, T) -> T) {
    if parts.length > 0 {
        for (&begin, part) in parts.begins.iter().zip(updates.chunks_exact(parts.length)) {
            for (to, &update) in to[begin..begin + parts.length].iter_mut().zip(part) {
                *to = meet(*to, update);
            }
        }
    }
}

/// The three operands, of which the first gives the result its type and shape.
fn operands<'a, T>(inputs: &[Option<&'a T>]) -> Result<[&'a T; 3], OpError> {
    Ok([needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?, needed(inputs, 2, "updates")?])
}

fn infer_scatter(inputs: &[Option<&Fact>]) -> Result<[Fact; 1], OpError> {
    let [data, indices, updates] = operands(inputs)?;
    expect_indices(indices)?;
    same_type(data, updates)?;
    Ok([Fact { value: None, ..data.clone() }])
}

/// Operands: data, indices, updates. An update goes to its own place, but along one axis, where its index says.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterElements {
    /// The axis that indices count.
    pub axis: i64,
    /// What becomes of what is there.
    pub meeting: Meeting,
}

impl ScatterElements {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?.unwrap_or(0), meeting: Meeting::import(source)? })
    }
}

impl Operation for ScatterElements {
    fn name(&self) -> &'static str {
        "ScatterElements"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let facts = infer_scatter(inputs)?;
        let [data, indices, updates] = operands(inputs)?;
        let along = data.rank().map(|rank| axis(self.axis, rank)).transpose()?;
        if let (Some(data), Some(indices), Some(updates), Some(along)) =
            (data.sizes(), indices.sizes(), updates.sizes(), along)
        {
            expect_within(&data, &indices, along)?;
            if indices != updates {
                return Err(OpError::new(format!("updates of {updates:?} have indices of {indices:?}")));
            }
        }
        Ok(facts.into())
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let [data, indices, updates] = operands(inputs)?;
        let begins = element_places(data.shape(), indices, axis(self.axis, data.shape().len())?)?;
        Ok(vec![self.meeting.scattered(cpu, data, &Parts { begins, length: 1 }, updates)?])
    }
}

/// Operands: data, indices, whose last axis holds tuples, and updates. An update goes to the part that its tuple names.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterND {
    /// What becomes of what is there.
    pub meeting: Meeting,
}

impl ScatterND {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { meeting: Meeting::import(source)? })
    }
}

impl Operation for ScatterND {
    fn name(&self) -> &'static str {
        "ScatterND"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let facts = infer_scatter(inputs)?;
        let [data, indices, updates] = operands(inputs)?;
        if let (Some(data), Some(indices), Some(updates)) = (data.sizes(), indices.sizes(), updates.sizes()) {
            let split = indices.split_last().and_then(|(&tuple, outer)| Some((outer, data.get(tuple..)?)));
            if split.is_none_or(|(outer, part)| [outer, part].concat() != updates) {
                return Err(OpError::new(format!("updates of {updates:?} go to no {indices:?} of {data:?}")));
            }
        }
        Ok(facts.into())
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let [data, indices, updates] = operands(inputs)?;
        let parts = named_parts(data.shape(), indices, 0)?;
        Ok(vec![self.meeting.scattered(cpu, data, &parts, updates)?])
    }
}

/// Operands: a cache, an update that is shorter along one axis, and for each of the batch where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorScatter {
    /// The axis along which the cache is filled.
    pub axis: i64,
    /// Whether what would lie behind the end is written at the beginning.
    pub circular: bool,
}

impl TensorScatter {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let circular = match source.text("mode")?.as_deref() {
            None | Some("linear") => false,
            Some("circular") => true,
            Some(other) => return Err(OpError::new(format!("mode is {other}"))),
        };
        Ok(Self { axis: source.int("axis")?.unwrap_or(-2), circular })
    }

    /// Where each part of the update that is contiguous in the cache goes.
    fn parts(&self, cache: &[usize], update: &[usize], starts: Option<&[i64]>) -> Result<Parts, OpError> {
        let along = axis(self.axis, cache.len())?;
        let (size, count) = (cache[along], update[along]);
        let length = product(&cache[along + 1..])?;
        let rows = product(&cache[..along])?;
        let each = product(cache.get(1..along).unwrap_or(&[]))?;
        let mut begins = Vec::with_capacity(product(&update[..=along])?);
        for row in 0..rows {
            let start = starts.map_or(0, |starts| starts[row / each.max(1)]);
            for step in 0..count {
                let index = start.checked_add(step as i64);
                let wrapped =
                    index.map(|index| if self.circular { index.rem_euclid(size.max(1) as i64) } else { index });
                let index = wrapped.filter(|&index| index >= 0).unwrap_or(i64::MAX);
                begins.push((row * size + place(index, size)?) * length);
            }
        }
        Ok(Parts { begins, length })
    }
}

impl Operation for TensorScatter {
    fn name(&self) -> &'static str {
        "TensorScatter"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (cache, update) = (needed(inputs, 0, "past_cache")?, needed(inputs, 1, "update")?);
        same_type(cache, update)?;
        if let (Some(cache), Some(update)) = (cache.sizes(), update.sizes()) {
            let along = axis(self.axis, cache.len())?;
            let mut fitting = cache.clone();
            if let Some(&count) = update.get(along).filter(|&&count| count <= cache[along]) {
                fitting[along] = count;
            }
            let starts = given(inputs, 2).and_then(Fact::sizes);
            if along == 0 || fitting != update || starts.is_some_and(|starts| starts != cache[..1]) {
                return Err(OpError::new(format!("an update of {update:?} is no part of a cache of {cache:?}")));
            }
        }
        Ok(vec![Fact { value: None, ..cache.clone() }])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (cache, update) = (needed(inputs, 0, "past_cache")?, needed(inputs, 1, "update")?);
        let starts = given(inputs, 2).map(integers).transpose()?;
        let parts = self.parts(cache.shape(), update.shape(), starts.as_deref())?;
        Ok(vec![Meeting::Replace.scattered(cpu, cache, &parts, update)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operator: &impl Operation, operands: &[&Tensor]) -> Result<Tensor, OpError> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let facts: Vec<Fact> = operands.iter().map(|tensor| Fact::of(tensor)).collect();
        let inferred = operator.infer(&facts.iter().map(Some).collect::<Vec<_>>())?.remove(0);
        let result = operator.run(&cpu, &operands.iter().map(|tensor| Some(*tensor)).collect::<Vec<_>>())?.remove(0);
        assert_eq!(inferred.sizes().as_deref(), Some(result.shape()));
        Ok(result)
    }

    /// By hand. In f32 a sum of 1, 2²⁴ and 1 is 2²⁴ in this order, and no other.
    #[test]
    fn updates_meet_in_the_order_of_their_indices() {
        let indices = Tensor::new(&[1, 3], &[1i64, 1, -1]);
        let elements = |meeting| ScatterElements { axis: 1, meeting };
        let whole = Tensor::new(&[1, 3], &[1i8, 100, 3]);
        let updates = Tensor::new(&[1, 3], &[100i8, 2, -5]);
        for (meeting, expected) in [
            (Meeting::Replace, [1, 2, -5]),
            (Meeting::Add, [1, -54, -2]),
            (Meeting::Mul, [1, 32, -15]),
            (Meeting::Min, [1, 2, -5]),
            (Meeting::Max, [1, 100, 3]),
        ] {
            let result = run(&elements(meeting), &[&whole, &indices, &updates]);
            assert_eq!(result, Ok(Tensor::new::<i8>(&[1, 3], &expected)), "{meeting:?}");
        }
        let floats = Tensor::new(&[1, 3], &[0f32, 1., 0.]);
        let updates = Tensor::new(&[1, 3], &[16_777_216f32, 1., -0.0]);
        let result = run(&elements(Meeting::Add), &[&floats, &indices, &updates]);
        assert_eq!(result, Ok(Tensor::new(&[1, 3], &[0f32, 16_777_216., 0.])));
    }

    #[test]
    fn parts_go_where_their_tuples_say() {
        let data = Tensor::new(&[3, 2], &[1u16, 2, 3, 4, 5, 6]);
        let indices = Tensor::new(&[2, 1], &[2i64, 0]);
        let updates = Tensor::new(&[2, 2], &[10u16, 20, 30, 40]);
        let replace = ScatterND { meeting: Meeting::Replace };
        assert_eq!(run(&replace, &[&data, &indices, &updates]), Ok(Tensor::new(&[3, 2], &[30u16, 40, 3, 4, 10, 20])));
        assert!(run(&replace, &[&data, &indices, &data]).is_err());
        assert!(run(&replace, &[&data, &Tensor::new(&[2, 1], &[3i64, 0]), &updates]).is_err());
    }

    #[test]
    fn a_cache_is_filled_where_each_of_the_batch_stands() {
        let cache = Tensor::new(&[2, 3, 1], &[1u8, 2, 3, 4, 5, 6]);
        let update = Tensor::new(&[2, 2, 1], &[10u8, 20, 30, 40]);
        let starts = Tensor::new(&[2], &[1i64, 2]);
        let circular = TensorScatter { axis: 1, circular: true };
        let expected = Tensor::new(&[2, 3, 1], &[1u8, 10, 20, 40, 5, 30]);
        assert_eq!(run(&circular, &[&cache, &update, &starts]), Ok(expected));
        assert!(run(&TensorScatter { axis: 1, circular: false }, &[&cache, &update, &starts]).is_err());
        assert!(run(&circular, &[&update, &cache, &starts]).is_err());
    }
}
