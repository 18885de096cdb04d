//! A part of each axis: Slice.

use super::walk::Walk;
use super::{carried, moved};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, given, needed, row};
use crate::tensor::elements;
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Operands: data, starts, ends, and, if not all axes are meant or all elements wanted, axes and steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice;

/// What is asked of one axis: Python's `[start:end:step]`, but that backwards it begins at the first place at least.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    start: i64,
    end: i64,
    step: i64,
}

/// What that is in an axis of known size.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    first: usize,
    step: isize,
    size: usize,
}

impl Part {
    const WHOLE: Self = Self { start: 0, end: i64::MAX, step: 1 };

    /// Starts and ends count from the end where negative, and are kept within the axis.
    fn of(self, size: usize) -> Run {
        let length = size as i64;
        // Backwards, the first place is within the axis, and the end may be the place in front of it.
        let (low, high) = if self.step > 0 { (0, length) } else { (-1, length - 1) };
        let place = |at: i64| (if at < 0 { at.saturating_add(length) } else { at }).clamp(low, high);
        let (start, end) = (place(self.start).max(0), place(self.end));
        let span = if self.step > 0 { end - start } else { start - end };
        let size = if size == 0 { 0 } else { span.max(0).unsigned_abs().div_ceil(self.step.unsigned_abs()) };
        Run { first: start as usize, step: self.step as isize, size: size as usize }
    }
}

impl Slice {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        // Before operator set 10 these were attributes.
        for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
            if let Some(values) = source.ints(name)? {
                source.set_input(index, Tensor::new(&[values.len()], &values));
            }
        }
        Ok(Self)
    }

    /// What is asked of each of `rank` axes.
    fn parts(rank: usize, starts: &[i64], ends: &[i64], asked: Asked<'_>) -> Result<Vec<Part>, OpError> {
        let count = starts.len();
        let counted: Vec<i64> = (0..count as i64).collect();
        let chosen = axes(asked.axes.unwrap_or(&counted), rank)?;
        let steps = asked.steps.map_or_else(|| vec![1; count], <[i64]>::to_vec);
        if ends.len() != count || chosen.len() != count || steps.len() != count {
            let lengths = [count, ends.len(), chosen.len(), steps.len()];
            return Err(OpError::new(format!("the numbers of starts, ends, axes and steps differ: {lengths:?}")));
        }
        let mut parts = vec![Part::WHOLE; rank];
        for (i, axis) in chosen.into_iter().enumerate() {
            if steps[i] == 0 {
                return Err(OpError::new(format!("the step along axis {axis} is 0")));
            }
            // Beyond any axis, the size of a step makes no difference, and its negative has to exist.
            let step = steps[i].clamp(-(isize::MAX as i64), isize::MAX as i64);
            parts[axis] = Part { start: starts[i], end: ends[i], step };
        }
        Ok(parts)
    }
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    axes: Option<&'a [i64]>,
    steps: Option<&'a [i64]>,
}

/// The parts that these operands ask for.
fn read(rank: usize, inputs: [Option<&Tensor>; 4]) -> Result<Vec<Part>, OpError> {
    let [starts, ends, axes, steps] = inputs;
    let missing = || OpError::new("starts or ends are missing");
    let (starts, ends) = (row(starts.ok_or_else(missing)?)?, row(ends.ok_or_else(missing)?)?);
    let (axes, steps) = (axes.map(row).transpose()?, steps.map(row).transpose()?);
    Slice::parts(rank, &starts, &ends, Asked { axes: axes.as_deref(), steps: steps.as_deref() })
}

/// The way through the parts, and their sizes.
fn walk(shape: &[usize], parts: &[Part]) -> (Walk, Vec<usize>) {
    let runs: Vec<Run> = parts.iter().zip(shape).map(|(part, &size)| part.of(size)).collect();
    let sizes: Vec<usize> = runs.iter().map(|run| run.size).collect();
    if sizes.contains(&0) {
        return (Walk::over(&sizes), sizes);
    }
    let mut walk = Walk::over(shape);
    for (axis, run) in runs.into_iter().enumerate() {
        walk = walk.sliced(axis, run.first, run.step, run.size);
    }
    (walk, sizes)
}

impl Operation for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        needed(inputs, 1, "starts")?;
        needed(inputs, 2, "ends")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let operands: Vec<Option<&Fact>> = (1..5).map(|index| given(inputs, index)).collect();
        let value = |index: usize| operands[index].and_then(|fact| fact.value.as_ref());
        if operands.iter().flatten().any(|fact| fact.value.is_none()) {
            return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; shape.len()])]);
        }
        let parts = read(shape.len(), [value(0), value(1), value(2), value(3)])?;
        let dims = shape.iter().zip(&parts).map(|(dim, &part)| match dim {
            Dim::Size(size) => Dim::Size(part.of(*size).size),
            other if part == Part::WHOLE => other.clone(),
            _ => Dim::Unknown,
        });
        let mut fact = Fact::new(data.dtype, dims);
        if let (Some(value), Some(sizes)) = (&data.value, fact.sizes())
            && carried(data.dtype, &sizes)
        {
            fact.value = Some(carry(value, &parts)?);
        }
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let operands = [1, 2, 3, 4].map(|index| given(inputs, index));
        let (walk, sizes) = walk(data.shape(), &read(data.shape().len(), operands)?);
        if sizes == data.shape() && walk == Walk::over(&sizes) {
            return Ok(vec![data.clone()]);
        }
        Ok(vec![walk.read(cpu, data, &sizes)?])
    }
}

/// The parts of a small value.
fn carry(value: &Tensor, parts: &[Part]) -> Result<Tensor, OpError> {
    let (walk, sizes) = walk(value.shape(), parts);
    let count = elements(&sizes).unwrap_or(0);
    if let Some(values) = value.get::<i32>() {
        let mut carried = vec![0i32; count];
        walk.copy(values, &mut carried);
        return Ok(Tensor::new(&sizes, &carried));
    }
    let mut carried = vec![0i64; count];
    walk.copy(value.slice::<i64>()?, &mut carried);
    Ok(Tensor::new(&sizes, &carried))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python's `list(range(size))[start:end:step]`, asked of Python.
    #[test]
    fn parts_are_those_of_python() {
        for (size, start, end, step, expected) in [
            (5, 0, i64::MAX, 1, vec![0, 1, 2, 3, 4]),
            (5, 1, -1, 1, vec![1, 2, 3]),
            (5, -3, 100, 2, vec![2, 4]),
            (5, -100, 3, 1, vec![0, 1, 2]),
            (5, i64::MIN, i64::MAX, i64::MAX, vec![0]),
            (5, 4, i64::MIN, -1, vec![4, 3, 2, 1, 0]),
            (5, 100, 0, -2, vec![4, 2]),
            (5, -1, -4, -2, vec![4, 2]),
            // Here ONNX parts from Python, which has nothing in front of the first place to begin at.
            (5, -100, -200, -1, vec![0]),
            (5, 3, 3, 1, vec![]),
            (5, 5, 9, 1, vec![]),
            (0, 0, 5, 1, vec![]),
            (0, -1, -5, -1, vec![]),
        ] {
            let run = Part { start, end, step }.of(size);
            let found: Vec<isize> = (0..run.size as isize).map(|i| run.first as isize + i * run.step).collect();
            assert_eq!(found, expected, "{size}: [{start}:{end}:{step}]");
        }
    }

    #[test]
    fn slices_of_values_and_of_shapes_agree() {
        let data = Tensor::new(&[3, 4], &[0i64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let operand = |values: &[i64]| Tensor::new(&[values.len()], values);
        let operands = [data, operand(&[-1, 0]), operand(&[i64::MIN, 3]), operand(&[0, 1]), operand(&[-2, 2])];
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let result = Slice.run(&cpu, &operands.iter().map(Some).collect::<Vec<_>>()).unwrap().remove(0);
        assert_eq!(result, Tensor::new(&[2, 2], &[8i64, 10, 0, 2]));
        let facts: Vec<Fact> = operands.iter().map(Fact::of).collect();
        let inferred = Slice.infer(&facts.iter().map(Some).collect::<Vec<_>>()).unwrap().remove(0);
        assert_eq!(inferred, Fact::of(&result));
    }

    #[test]
    fn operands_that_make_no_sense_are_refused() {
        let asked = |axes, steps| Slice::parts(2, &[0, 0], &[1, 1], Asked { axes, steps });
        assert!(asked(None, None).is_ok());
        assert!(asked(Some(&[0, 0]), None).is_err());
        assert!(asked(Some(&[0, 2]), None).is_err());
        assert!(asked(Some(&[0]), None).is_err());
        assert!(asked(None, Some(&[1, 0])).is_err());
    }
}
