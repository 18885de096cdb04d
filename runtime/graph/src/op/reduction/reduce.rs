//! Axes reduced to one number each: ReduceSum and its kin.

use poai_numerics::Reduction;

use super::fold::Fold;
use super::rows::Rows;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, float_result, floats, given, needed, product, row};
use crate::{Cpu, DType, Dim, Element, Fact, OpError, Tensor};

/// What many numbers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// Π x
    Product,
    /// Σ |x|
    SumOfSizes,
    /// √ Σ x²
    Norm,
    /// Σ x²
    SumOfSquares,
    /// ln Σ x
    LogSum,
    /// ln Σ eˣ
    LogSumExp,
}

impl Kind {
    const NAMES: [(Self, &'static str); 10] = [
        (Self::Sum, "ReduceSum"),
        (Self::Mean, "ReduceMean"),
        (Self::Max, "ReduceMax"),
        (Self::Min, "ReduceMin"),
        (Self::Product, "ReduceProd"),
        (Self::SumOfSizes, "ReduceL1"),
        (Self::Norm, "ReduceL2"),
        (Self::SumOfSquares, "ReduceSumSquare"),
        (Self::LogSum, "ReduceLogSum"),
        (Self::LogSumExp, "ReduceLogSumExp"),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }

    /// numerics' reduction of this kind.
    fn reduction(self) -> Reduction {
        match self {
            Self::Sum => Reduction::Sum,
            Self::Mean => Reduction::Mean,
            Self::Max => Reduction::Max,
            Self::Min => Reduction::Min,
            Self::Product => Reduction::Product,
            Self::SumOfSizes => Reduction::SumOfSizes,
            Self::Norm => Reduction::Norm,
            Self::SumOfSquares => Reduction::SumOfSquares,
            Self::LogSum => Reduction::LogSum,
            Self::LogSumExp => Reduction::LogSumExp,
        }
    }
}

/// Operands: data, and the axes to reduce; all axes if none are given.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// What becomes of the elements.
    pub kind: Kind,
    /// Whether reduced axes stay, with one element.
    pub keep: bool,
    /// Whether no axes means none, not all.
    pub none_if_empty: bool,
}

/// Elements as outer × axis × inner, of which the middle becomes one number: what other devices need to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// What they become.
    pub reduction: Reduction,
    /// Outer, axis and inner.
    pub sizes: [usize; 3],
    /// The result's shape.
    pub shape: Vec<usize>,
}

impl Reduce {
    /// What it reduces; none where the axes do not lie side by side.
    ///
    /// # Errors
    /// If such operands make no sense.
    pub fn extent(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Extent>, OpError> {
        let shape = needed(inputs, 0, "data")?.shape();
        let axes = self.axes(&given(inputs, 1).map_or(Ok(Vec::new()), row)?, shape.len())?;
        let Some((&first, &last)) = axes.first().zip(axes.last()) else { return Ok(None) };
        if last - first + 1 != axes.len() {
            return Ok(None);
        }
        let sizes = [product(&shape[..first])?, product(&shape[first..=last])?, product(&shape[last + 1..])?];
        Ok(Some(Extent { reduction: self.kind.reduction(), sizes, shape: self.left(shape, &axes, &1) }))
    }

    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let kind = Kind::of(&source.qualified_operator()).ok_or_else(|| OpError::unsupported("this reduction"))?;
        // The axes were an attribute before operator set 13 for sums, 18 for the others.
        if let Some(axes) = source.ints("axes")? {
            source.set_input(1, Tensor::new(&[axes.len()], &axes));
        }
        let keep = source.int("keepdims")?.unwrap_or(1) != 0;
        Ok(Self { kind, keep, none_if_empty: source.flag("noop_with_empty_axes")? })
    }

    /// The axes to reduce, in increasing order.
    fn axes(&self, asked: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
        if asked.is_empty() && !self.none_if_empty {
            return Ok((0..rank).collect());
        }
        let mut axes = axes(asked, rank)?;
        axes.sort_unstable();
        Ok(axes)
    }

    /// The dimensions that are left of `shape`.
    fn left<D: Clone>(&self, shape: &[D], axes: &[usize], one: &D) -> Vec<D> {
        let dim = |(axis, dim): (usize, &D)| match (axes.contains(&axis), self.keep) {
            (false, _) => Some(dim.clone()),
            (true, true) => Some(one.clone()),
            (true, false) => None,
        };
        shape.iter().enumerate().filter_map(dim).collect()
    }

    fn folded<T: Element + Fold>(
        &self,
        cpu: &Cpu,
        data: &Tensor,
        axes: &[usize],
        to: &[usize],
    ) -> Result<Tensor, OpError> {
        let rows = Rows::of(data.slice::<T>()?, data.shape(), axes)?.contiguous();
        let mut result = cpu.allocate(data.dtype(), to)?;
        for (i, place) in result.slice_mut::<T>().iter_mut().enumerate() {
            let row = &rows.values[i * rows.axis..(i + 1) * rows.axis];
            *place = T::fold(self.kind, row.iter().copied(), rows.axis)?;
        }
        Ok(result.freeze())
    }
}

impl Operation for Reduce {
    fn name(&self) -> &'static str {
        Kind::NAMES.iter().find(|entry| entry.0 == self.kind).map(|entry| entry.1).expect("every kind has a name")
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.dtype == DType::Bool && !matches!(self.kind, Kind::Max | Kind::Min) {
            return Err(OpError::new("truth values have no sums"));
        }
        let unknown = Fact::of_type(data.dtype);
        let Some(shape) = &data.shape else { return Ok(vec![unknown]) };
        let asked = match given(inputs, 1) {
            None => Vec::new(),
            Some(Fact { value: Some(value), .. }) => row(value)?,
            Some(_) if self.keep => return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; shape.len()])]),
            Some(_) => return Ok(vec![unknown]),
        };
        let axes = self.axes(&asked, shape.len())?;
        Ok(vec![Fact::new(data.dtype, self.left(shape, &axes, &Dim::Size(1)))])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let asked = given(inputs, 1).map_or(Ok(Vec::new()), row)?;
        let axes = self.axes(&asked, data.shape().len())?;
        let to = self.left(data.shape(), &axes, &1);
        let result = match data.dtype() {
            DType::F32 | DType::F16 | DType::Bf16 => {
                let values = floats(data)?;
                let Rows { values, outer, axis, inner } = Rows::of(&values, data.shape(), &axes)?;
                float_result(cpu, data.dtype(), &to, |out| {
                    let reduction = self.kind.reduction();
                    Ok(cpu.processor().reduce(reduction, [outer, axis, inner], &values, out)?)
                })?
            }
            DType::F64 => self.folded::<f64>(cpu, data, &axes, &to)?,
            DType::I8 => self.folded::<i8>(cpu, data, &axes, &to)?,
            DType::I16 => self.folded::<i16>(cpu, data, &axes, &to)?,
            DType::I32 => self.folded::<i32>(cpu, data, &axes, &to)?,
            DType::I64 => self.folded::<i64>(cpu, data, &axes, &to)?,
            DType::U8 => self.folded::<u8>(cpu, data, &axes, &to)?,
            DType::U16 => self.folded::<u16>(cpu, data, &axes, &to)?,
            DType::U32 => self.folded::<u32>(cpu, data, &axes, &to)?,
            DType::U64 => self.folded::<u64>(cpu, data, &axes, &to)?,
            // The least of no truth values is true, which is 1 and not the greatest byte.
            DType::Bool if data.is_empty() && self.kind == Kind::Min => constant_true(cpu, &to)?,
            DType::Bool => self.folded::<u8>(cpu, data, &axes, &to)?,
        };
        Ok(vec![result])
    }
}

fn constant_true(cpu: &Cpu, shape: &[usize]) -> Result<Tensor, OpError> {
    let mut result = cpu.allocate(DType::Bool, shape)?;
    result.bytes_mut().fill(1);
    Ok(result.freeze())
}

#[cfg(test)]
mod tests {
    use super::super::fold::CANONICAL_NAN;
    use super::*;

    fn run(kind: Kind, keep: bool, data: &Tensor, axes: Option<&[i64]>) -> Result<Tensor, OpError> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let axes = axes.map(|axes| Tensor::new(&[axes.len()], axes));
        let reduce = Reduce { kind, keep, none_if_empty: false };
        let facts = [Some(Fact::of(data)), axes.as_ref().map(Fact::of)];
        let inferred = reduce.infer(&[facts[0].as_ref(), facts[1].as_ref()])?;
        let result = reduce.run(&cpu, &[Some(data), axes.as_ref()])?.remove(0);
        assert_eq!(inferred[0].sizes().as_deref(), Some(result.shape()));
        Ok(result)
    }

    /// Sums of small whole numbers are exact in any order, so that f32, f64 and integers agree with sums by hand.
    #[test]
    fn any_axes_of_any_type_are_reduced() {
        let numbers: [i32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let shape = [2, 3, 2];
        let single = Tensor::new(&shape, &numbers.map(|x| x as f32));
        let double = Tensor::new(&shape, &numbers.map(f64::from));
        let whole = Tensor::new(&shape, &numbers);
        for (kind, axes, expected) in [
            (Kind::Sum, vec![1], vec![9, 12, 27, 30]),
            (Kind::Sum, vec![-1, 0], vec![18, 26, 34]),
            (Kind::Sum, vec![], vec![78]),
            (Kind::Mean, vec![1], vec![3, 4, 9, 10]),
            (Kind::Max, vec![0, 1], vec![11, 12]),
            (Kind::Min, vec![2], vec![1, 3, 5, 7, 9, 11]),
            (Kind::Product, vec![1], vec![15, 48, 693, 960]),
            (Kind::SumOfSizes, vec![0], vec![8, 10, 12, 14, 16, 18]),
            (Kind::SumOfSquares, vec![2], vec![5, 25, 61, 113, 181, 265]),
        ] {
            let result = |data: &Tensor| run(kind, false, data, Some(&axes)).unwrap();
            assert_eq!(result(&whole).slice::<i32>().unwrap(), expected, "{kind:?} {axes:?}");
            let floats: Vec<f32> = expected.iter().map(|&x| x as f32).collect();
            assert_eq!(result(&single).slice::<f32>().unwrap(), floats, "{kind:?} {axes:?}");
            let doubles: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
            assert_eq!(result(&double).slice::<f64>().unwrap(), doubles, "{kind:?} {axes:?}");
        }
        assert_eq!(run(Kind::Max, true, &whole, Some(&[0, 2])).unwrap(), Tensor::new(&[1, 3, 1], &[8, 10, 12]));
    }

    #[test]
    fn nothing_is_reduced_to_the_neutral_element() {
        let empty = Tensor::new::<f32>(&[2, 0], &[]);
        for (kind, expected) in [
            (Kind::Sum, 0.0),
            (Kind::Product, 1.0),
            (Kind::Max, f32::NEG_INFINITY),
            (Kind::Min, f32::INFINITY),
            (Kind::LogSum, f32::NEG_INFINITY),
            (Kind::LogSumExp, f32::NEG_INFINITY),
        ] {
            assert_eq!(run(kind, false, &empty, Some(&[1])).unwrap(), Tensor::new(&[2], &[expected; 2]), "{kind:?}");
        }
        let whole = Tensor::new::<i8>(&[0], &[]);
        assert_eq!(run(Kind::Max, false, &whole, None), Ok(Tensor::scalar(i8::MIN)));
        assert!(run(Kind::Mean, false, &whole, None).is_err());
        let truth = Tensor::from_bytes(DType::Bool, &[0], bytes::Bytes::new()).unwrap();
        assert_eq!(run(Kind::Min, false, &truth, None).unwrap().bytes(), [1]);
    }

    #[test]
    fn integers_wrap_and_nan_is_the_one() {
        let large = Tensor::new(&[3], &[i64::MAX, 1, i64::MIN]);
        assert_eq!(run(Kind::Sum, false, &large, None), Ok(Tensor::scalar(0i64)));
        assert_eq!(run(Kind::SumOfSizes, false, &Tensor::new(&[1], &[i8::MIN]), None), Ok(Tensor::scalar(i8::MIN)));
        assert_eq!(run(Kind::Product, false, &Tensor::new(&[2], &[16u8, 17]), None), Ok(Tensor::scalar(16u8)));
        let odd = Tensor::new(&[2], &[f64::from_bits(0xfff8_0000_0000_0001), 1.0]);
        assert_eq!(run(Kind::Max, false, &odd, None), Ok(Tensor::scalar(CANONICAL_NAN)));
    }
}
