//! Where the greatest are: ArgMax, ArgMin, TopK.

use std::cmp::Ordering;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, given, integer, needed, order, product, with_element};
use crate::{Cost, Cpu, DType, Dim, Element, Fact, OpError, Tensor};

/// Where the greatest or the least of an axis is: the first of several, or the last. A NaN is both, as for ReduceMax and
/// ReduceMin.
#[derive(Clone, Debug, PartialEq)]
pub struct Extreme {
    /// Whether the greatest is looked for.
    pub greatest: bool,
    /// The axis that is searched.
    pub axis: i64,
    /// Whether the axis stays, with one element.
    pub keep: bool,
    /// Whether the last of equal ones is found.
    pub last: bool,
}

impl Extreme {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self {
            greatest: source.qualified_operator() == "ArgMax",
            axis: source.int("axis")?.unwrap_or(0),
            keep: source.int("keepdims")?.unwrap_or(1) != 0,
            last: source.flag("select_last_index")?,
        })
    }

    /// Whether an element takes the place of the best so far.
    fn beats<T: Element>(&self, x: &T, best: &T) -> bool {
        let is_nan = |x: &T| x.partial_cmp(x).is_none();
        let order = x.partial_cmp(best).map(|order| if self.greatest { order } else { order.reverse() });
        match order.unwrap_or_else(|| is_nan(x).cmp(&is_nan(best))) {
            Ordering::Greater => true,
            Ordering::Equal => self.last,
            Ordering::Less => false,
        }
    }

    fn search<T: Element>(&self, values: &[T], [size, inner]: [usize; 2], out: &mut [i64]) {
        for (i, place) in out.iter_mut().enumerate() {
            let begin = i / inner * size * inner + i % inner;
            let mut best = 0;
            for candidate in 1..size {
                if self.beats(&values[begin + candidate * inner], &values[begin + best * inner]) {
                    best = candidate;
                }
            }
            *place = best as i64;
        }
    }

    fn left<D>(&self, mut shape: Vec<D>, one: D) -> Result<Vec<D>, OpError> {
        let along = axis(self.axis, shape.len())?;
        if self.keep {
            shape[along] = one;
        } else {
            shape.remove(along);
        }
        Ok(shape)
    }
}

impl Operation for Extreme {
    fn name(&self) -> &'static str {
        if self.greatest { "ArgMax" } else { "ArgMin" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let shape = data.shape.as_ref().map(|shape| {
            if shape[axis(self.axis, shape.len())?] == Dim::Size(0) {
                return Err(OpError::new("an axis without elements has no greatest"));
            }
            self.left(shape.clone(), Dim::Size(1))
        });
        Ok(vec![Fact { dtype: DType::I64, shape: shape.transpose()?, value: None }])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let along = axis(self.axis, data.shape().len())?;
        let mut result = cpu.allocate(DType::I64, &self.left(data.shape().to_vec(), 1)?)?;
        let sizes = [data.shape()[along], product(&data.shape()[along + 1..])?];
        with_element!(data.dtype(), T => self.search(data.slice::<T>()?, sizes, result.slice_mut()));
        Ok(vec![result.freeze()])
    }
}

/// Operands: data, k. Results: the k greatest or least along an axis, in their order, and where they are. Of equal ones
/// the first comes first; a NaN is greater than any number.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// The axis that is searched.
    pub axis: i64,
    /// Whether the greatest are looked for.
    pub greatest: bool,
}

impl TopK {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        // Before operator set 10 the number was an attribute.
        if let Some(k) = source.int("k")? {
            source.set_input(1, Tensor::new(&[1], &[k]));
        }
        // If their order does not matter, this one is as good as any.
        source.int("sorted")?;
        let (axis, greatest) = (source.int("axis")?.unwrap_or(-1), source.int("largest")?.unwrap_or(1) != 0);
        Ok(Self { axis, greatest })
    }

    fn search<T: Element>(&self, values: &[T], [size, inner, k]: [usize; 3], tops: &mut [T], places: &mut [i64]) {
        if k == 0 {
            return;
        }
        for i in 0..tops.len() / k {
            let begin = i / inner * size * inner + i % inner;
            let value = |place: usize| &values[begin + place * inner];
            let first = |&a: &usize, &b: &usize| {
                let order = order(value(a), value(b));
                (if self.greatest { order.reverse() } else { order }).then(a.cmp(&b))
            };
            let mut found: Vec<usize> = (0..size).collect();
            if k < size {
                found.select_nth_unstable_by(k, first);
                found.truncate(k);
            }
            found.sort_unstable_by(first);
            let begin = i / inner * k * inner + i % inner;
            for (rank, &place) in found.iter().enumerate() {
                tops[begin + rank * inner] = *value(place);
                places[begin + rank * inner] = place as i64;
            }
        }
    }
}

fn count(k: &Tensor) -> Result<usize, OpError> {
    let k = integer(k)?;
    usize::try_from(k).map_err(|_| OpError::new(format!("k is {k}")))
}

fn expect_enough(size: usize, k: usize) -> Result<(), OpError> {
    if k <= size { Ok(()) } else { Err(OpError::new(format!("the first {k} of {size} are asked for"))) }
}

impl Operation for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, k) = (needed(inputs, 0, "data")?, needed(inputs, 1, "k")?);
        let k = k.value.as_ref().map(count).transpose()?;
        let shape = data.shape.as_ref().map(|shape| {
            let along = axis(self.axis, shape.len())?;
            if let (Some(size), Some(k)) = (shape[along].size(), k) {
                expect_enough(size, k)?;
            }
            let mut dims = shape.clone();
            dims[along] = k.map_or(Dim::Unknown, Dim::Size);
            Ok::<_, OpError>(dims)
        });
        let shape = shape.transpose()?;
        Ok([data.dtype, DType::I64].map(|dtype| Fact { dtype, shape: shape.clone(), value: None }).into())
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Comparisons of an element while the greatest are found, and of those while they are sorted.
        const WEIGHTS: [u64; 2] = [4, 32];
        let data = given(inputs, 0).map_or(0, Fact::elements).saturating_mul(WEIGHTS[0]);
        let found = outputs.first().map_or(0, Fact::elements).saturating_mul(WEIGHTS[1]);
        Cost { multiply_adds: 0, elements: data.saturating_add(found) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, k) = (needed(inputs, 0, "data")?, count(needed(inputs, 1, "k")?)?);
        let along = axis(self.axis, data.shape().len())?;
        let size = data.shape()[along];
        expect_enough(size, k)?;
        let mut shape = data.shape().to_vec();
        shape[along] = k;
        let sizes = [size, product(&data.shape()[along + 1..])?, k];
        let mut tops = cpu.allocate(data.dtype(), &shape)?;
        let mut places = cpu.allocate(DType::I64, &shape)?;
        with_element!(data.dtype(), T => {
            self.search(data.slice::<T>()?, sizes, tops.slice_mut(), places.slice_mut());
        });
        Ok(vec![tops.freeze(), places.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extreme_is_found_among_equals() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[2, 3], &[2f32, 1., 2., 3., f32::NAN, 1.]);
        for (greatest, axis, keep, last, expected) in [
            (true, 1, false, false, Tensor::new(&[2], &[0i64, 1])),
            (true, -1, true, true, Tensor::new(&[2, 1], &[2i64, 1])),
            (false, 1, false, false, Tensor::new(&[2], &[1i64, 1])),
            (false, 0, true, false, Tensor::new(&[1, 3], &[0i64, 1, 1])),
        ] {
            let extreme = Extreme { greatest, axis, keep, last };
            assert_eq!(extreme.run(&cpu, &[Some(&data)]).unwrap()[0], expected);
            let inferred = extreme.infer(&[Some(&Fact::of(&data))]).unwrap().remove(0);
            assert_eq!(inferred.sizes().as_deref(), Some(expected.shape()));
        }
        let empty = Fact::new(DType::I8, [2usize, 0]);
        assert!(Extreme { greatest: true, axis: 1, keep: true, last: false }.infer(&[Some(&empty)]).is_err());
    }

    #[test]
    fn the_first_of_equals_comes_first() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[5, 2], &[1i16, 0, 3, 0, 1, 7, 3, 0, 2, 7]);
        let k = Tensor::new(&[1], &[3i64]);
        for (greatest, tops, places) in
            [(true, [3i16, 7, 3, 7, 2, 0], [1i64, 2, 3, 4, 4, 0]), (false, [1, 0, 1, 0, 2, 0], [0, 0, 2, 1, 4, 3])]
        {
            let result = TopK { axis: 0, greatest }.run(&cpu, &[Some(&data), Some(&k)]).unwrap();
            assert_eq!(result, [Tensor::new(&[3, 2], &tops), Tensor::new(&[3, 2], &places)]);
        }
        let top = TopK { axis: 1, greatest: true };
        assert!(top.infer(&[Some(&Fact::of(&data)), Some(&Fact::of(&k))]).is_err());
        assert!(top.run(&cpu, &[Some(&data), Some(&Tensor::scalar(-1i64))]).is_err());
    }
}
