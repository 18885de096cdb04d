//! Each value once: Unique.

use std::cmp::Ordering;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, needed, order, product, with_element};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// Results: the different elements, or parts along an axis; where each first is; for each element of the operand, which
/// of them it is; and how often each is there. -0 is 0, and every NaN is the same and the greatest.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique {
    /// The axis along which parts are compared; without one the data are a row.
    pub axis: Option<i64>,
    /// Whether the least comes first, not the one that is found first.
    pub sorted: bool,
}

/// Which part of the operand is which.
struct Found {
    /// Where each of the different ones first is.
    first: Vec<usize>,
    /// Which of those each part is.
    inverse: Vec<usize>,
    /// How often each is there.
    counts: Vec<i64>,
}

impl Unique {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?, sorted: source.int("sorted")?.unwrap_or(1) != 0 })
    }

    fn find(&self, parts: usize, order: impl Fn(usize, usize) -> Ordering) -> Found {
        let mut places: Vec<usize> = (0..parts).collect();
        places.sort_by(|&a, &b| order(a, b).then(a.cmp(&b)));
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        for place in places {
            match groups.last_mut() {
                Some((first, members)) if order(*first, place).is_eq() => members.push(place),
                _ => groups.push((place, vec![place])),
            }
        }
        if !self.sorted {
            groups.sort_by_key(|group| group.0);
        }
        let mut inverse = vec![0; parts];
        for (index, (_, members)) in groups.iter().enumerate() {
            members.iter().for_each(|&member| inverse[member] = index);
        }
        let counts = groups.iter().map(|group| group.1.len() as i64).collect();
        Found { first: groups.into_iter().map(|group| group.0).collect(), inverse, counts }
    }
}

impl Operation for Unique {
    fn name(&self) -> &'static str {
        "Unique"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let values = match (self.axis, &data.shape) {
            (None, _) => Fact::new(data.dtype, [Dim::Unknown]),
            (Some(_), None) => Fact::of_type(data.dtype),
            (Some(along), Some(shape)) => {
                let mut dims = shape.clone();
                dims[axis(along, shape.len())?] = Dim::Unknown;
                Fact::new(data.dtype, dims)
            }
        };
        let parts = match (self.axis, &data.shape) {
            (_, None) => Dim::Unknown,
            (Some(along), Some(shape)) => shape[axis(along, shape.len())?].clone(),
            (None, Some(_)) => data.sizes().map_or(Ok(Dim::Unknown), |sizes| product(&sizes).map(Dim::Size))?,
        };
        let unknown = Fact::new(DType::I64, [Dim::Unknown]);
        Ok(vec![values, unknown.clone(), Fact::new(DType::I64, [parts]), unknown])
    }

    fn cost(&self, inputs: &[Option<&Fact>], _outputs: &[Fact]) -> Cost {
        /// Comparisons of an element while it is sorted.
        const WEIGHT: u64 = 32;
        let elements = inputs.iter().flatten().map(|fact| fact.elements()).fold(0, u64::saturating_add);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let flat = data.reshaped(&[data.len()])?;
        let (data, along) = match self.axis {
            Some(along) => (data, axis(along, data.shape().len())?),
            None => (&flat, 0),
        };
        let (outer, inner) = (product(&data.shape()[..along])?, product(&data.shape()[along + 1..])?);
        let size = data.shape()[along];
        let mut shape = data.shape().to_vec();
        let (found, values) = with_element!(data.dtype(), T => {
            let values = data.slice::<T>()?;
            let part = |place: usize| (0..outer * inner).map(move |i| &values[(i / inner * size + place) * inner + i % inner]);
            let found = self.find(size, |a, b| {
                let pairs = part(a).zip(part(b)).map(|(a, b)| order(a, b));
                pairs.fold(Ordering::Equal, Ordering::then)
            });
            shape[along] = found.first.len();
            let mut result = cpu.allocate(data.dtype(), &shape)?;
            super::gather::write_parts(values, size, inner, &found.first, result.slice_mut::<T>());
            (found, result.freeze())
        });
        let numbers = |places: &[usize]| {
            Tensor::new(&[places.len()], &places.iter().map(|&place| place as i64).collect::<Vec<_>>())
        };
        let counts = Tensor::new(&[found.counts.len()], &found.counts);
        Ok(vec![values, numbers(&found.first), numbers(&found.inverse), counts])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(axis: Option<i64>, sorted: bool, data: &Tensor) -> Vec<Tensor> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        Unique { axis, sorted }.run(&cpu, &[Some(data)]).unwrap()
    }

    fn row(values: &[i64]) -> Tensor {
        Tensor::new(&[values.len()], values)
    }

    /// The examples of ONNX's documentation.
    #[test]
    fn each_value_stands_once() {
        let data = Tensor::new(&[6], &[2f32, 1., 1., 3., 4., 3.]);
        let unsorted = run(None, false, &data);
        assert_eq!(unsorted[0], Tensor::new(&[4], &[2f32, 1., 3., 4.]));
        assert_eq!(unsorted[1..], [row(&[0, 1, 3, 4]), row(&[0, 1, 1, 2, 3, 2]), row(&[1, 2, 2, 1])]);
        let data = Tensor::new(&[3, 3], &[1i32, 0, 0, 1, 0, 0, 2, 3, 4]);
        let sorted = run(Some(0), true, &data);
        assert_eq!(sorted[0], Tensor::new(&[2, 3], &[1i32, 0, 0, 2, 3, 4]));
        assert_eq!(sorted[1..], [row(&[0, 2]), row(&[0, 0, 1]), row(&[2, 1])]);
        let columns = run(Some(1), true, &data);
        assert_eq!(columns[0], Tensor::new(&[3, 3], &[0i32, 0, 1, 0, 0, 1, 3, 4, 2]));
    }

    #[test]
    fn zeros_and_nans_are_one_each() {
        let data = Tensor::new(&[5], &[f32::NAN, 0., -0., -f32::NAN, 5.]);
        let found = run(None, true, &data);
        assert_eq!(found[1..], [row(&[1, 4, 0]), row(&[2, 0, 0, 2, 1]), row(&[2, 1, 2])]);
        assert_eq!(run(None, true, &Tensor::new::<u8>(&[0], &[]))[3], row(&[]));
    }
}
