//! Operands with labelled dimensions, joined one after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use poai_numerics::{Epilogue, Matrices, Reduction};

use super::super::scalar::Scalar;
use super::equation::Label;
use crate::op::operand::strides;
use crate::{Cpu, Element, OpError};

/// Elements of what lies between two joins; results are bounded by whoever pays for them.
const BETWEEN: usize = 1 << 26;

/// A type that can be joined and summed.
pub(super) trait Summed: Element {
    /// `left · right` of each pair of matrices.
    fn products(cpu: &Cpu, sizes: &JoinSizes, left: &[Self], right: &[Self]) -> Result<Vec<Self>, OpError>;

    /// The sum of each row.
    fn sums(cpu: &Cpu, rows: usize, length: usize, values: &[Self]) -> Result<Vec<Self>, OpError>;
}

/// The sizes of a join, as of matrices: (batch, rows, depth) and (batch, depth, columns).
pub(super) struct JoinSizes {
    batch: usize,
    rows: usize,
    depth: usize,
    columns: usize,
}

impl Summed for f32 {
    fn products(cpu: &Cpu, sizes: &JoinSizes, left: &[Self], right: &[Self]) -> Result<Vec<Self>, OpError> {
        let JoinSizes { batch, rows, depth, columns } = *sizes;
        let mut out = vec![0.0; batch * rows * columns];
        if out.is_empty() {
            return Ok(out);
        }
        let starts = |length: usize| -> Vec<usize> { (0..batch).map(|item| item * length).collect() };
        let (left_starts, right_starts) = (starts(rows * depth), starts(depth * columns));
        let left = Matrices { data: left, starts: &left_starts, row_stride: depth, column_stride: 1 };
        let right = Matrices { data: right, starts: &right_starts, row_stride: columns, column_stride: 1 };
        cpu.processor().matmul([rows, depth, columns], left, right, &Epilogue::default(), &mut out)?;
        Ok(out)
    }

    fn sums(cpu: &Cpu, rows: usize, length: usize, values: &[Self]) -> Result<Vec<Self>, OpError> {
        let mut out = vec![0.0; rows];
        cpu.processor().reduce(Reduction::Sum, [rows, length, 1], values, &mut out)?;
        Ok(out)
    }
}

impl<T: Scalar> Summed for T {
    fn products(_cpu: &Cpu, sizes: &JoinSizes, left: &[Self], right: &[Self]) -> Result<Vec<Self>, OpError> {
        let JoinSizes { batch, rows, depth, columns } = *sizes;
        let element = |index: usize| {
            let (item, row, column) = (index / columns / rows, index / columns % rows, index % columns);
            let (left, right) = (&left[(item * rows + row) * depth..], &right[item * depth * columns + column..]);
            let sum = (0..depth).fold(T::default(), |sum, k| sum.plus_product(left[k], right[k * columns]));
            sum.stored()
        };
        Ok((0..batch * rows * columns).map(element).collect())
    }

    fn sums(_cpu: &Cpu, rows: usize, length: usize, values: &[Self]) -> Result<Vec<Self>, OpError> {
        let sum =
            |row: usize| values[row * length..(row + 1) * length].iter().fold(T::default(), |sum, &x| sum.plus(x));
        Ok((0..rows).map(|row| sum(row).stored()).collect())
    }
}

/// Elements with a label for each dimension.
struct Labelled<'a, T: Clone> {
    labels: Vec<Label>,
    values: Cow<'a, [T]>,
}

/// How operands are joined: labels and sizes alone.
pub(super) struct Contraction {
    /// Of each operand: its labels, as they stand, and its sizes.
    operands: Vec<(Vec<Label>, Vec<usize>)>,
    result: Vec<Label>,
    sizes: BTreeMap<Label, usize>,
}

/// The labels of a join: those of both operands that stay, those of the left alone, those that are summed, those of the
/// right alone.
struct Join {
    batch: Vec<Label>,
    rows: Vec<Label>,
    depth: Vec<Label>,
    columns: Vec<Label>,
}

impl Contraction {
    /// Of operands with a label for each dimension. Sizes of one are broadcast.
    pub(super) fn new(operands: Vec<(Vec<Label>, Vec<usize>)>, result: Vec<Label>) -> Result<Self, OpError> {
        let mut sizes = BTreeMap::new();
        for (&label, &size) in operands.iter().flat_map(|(labels, sizes)| labels.iter().zip(sizes)) {
            let known = sizes.entry(label).or_insert(size);
            if *known == 1 {
                *known = size;
            } else if size != 1 && size != *known {
                return Err(OpError::new(format!("an index has the sizes {known} and {size}")));
            }
        }
        let contraction = Self { operands, result, sizes };
        for (place, join) in contraction.joins().iter().enumerate() {
            let last = place + 2 == contraction.operands.len();
            let between = contraction.count(join.batch.iter().chain(&join.rows).chain(&join.columns));
            if !last && between.is_none_or(|between| between > BETWEEN) {
                return Err(OpError::unsupported(format!("an intermediate result of more than {BETWEEN} elements")));
            }
        }
        if crate::tensor::elements(&contraction.result()).is_none() {
            return Err(OpError::new("its result is beyond any memory"));
        }
        Ok(contraction)
    }

    /// The sizes of the result.
    pub(super) fn result(&self) -> Vec<usize> {
        self.result.iter().map(|label| self.sizes[label]).collect()
    }

    fn count<'a>(&self, labels: impl IntoIterator<Item = &'a Label>) -> Option<usize> {
        labels.into_iter().try_fold(1usize, |count, label| count.checked_mul(self.sizes[label]))
    }

    /// An operand's labels without those that are broadcast, each once.
    fn own(&self, operand: usize) -> Vec<Label> {
        let (labels, sizes) = &self.operands[operand];
        let mut own = Vec::new();
        for (label, &size) in labels.iter().zip(sizes) {
            if size == self.sizes[label] && !own.contains(label) {
                own.push(*label);
            }
        }
        own
    }

    /// Whether the result, or an operand from this one on, has a label; `but` is not asked.
    fn wanted(&self, label: &Label, first: usize, but: usize) -> bool {
        let later = (first..self.operands.len()).any(|operand| operand != but && self.own(operand).contains(label));
        later || self.result.contains(label)
    }

    /// An operand's labels that stay, and those that are summed at once.
    fn split(&self, operand: usize) -> (Vec<Label>, Vec<Label>) {
        self.own(operand).into_iter().partition(|label| self.wanted(label, 0, operand))
    }

    fn joins(&self) -> Vec<Join> {
        let mut before = self.split(0).0;
        let join = |operand: usize| {
            let own = self.split(operand).0;
            let wanted = |label: &&Label| self.wanted(label, operand + 1, operand);
            let both = || before.iter().filter(|label| own.contains(label));
            let join = Join {
                batch: both().filter(wanted).copied().collect(),
                depth: both().filter(|label| !wanted(label)).copied().collect(),
                rows: before.iter().filter(|label| !own.contains(label)).copied().collect(),
                columns: own.iter().filter(|label| !before.contains(label)).copied().collect(),
            };
            before = [&join.batch[..], &join.rows, &join.columns].concat();
            join
        };
        (1..self.operands.len()).map(join).collect()
    }

    /// What all joins cost.
    pub(super) fn multiply_adds(&self) -> u64 {
        let of = |join: &Join| {
            let all = join.batch.iter().chain(&join.rows).chain(&join.depth).chain(&join.columns);
            all.fold(1u64, |product, label| product.saturating_mul(self.sizes[label] as u64))
        };
        self.joins().iter().map(of).fold(0, u64::saturating_add)
    }

    /// Computes the result, row-major.
    pub(super) fn compute<T: Summed>(&self, cpu: &Cpu, operands: Vec<Cow<'_, [T]>>) -> Result<Vec<T>, OpError> {
        let mut operands = operands.into_iter().enumerate().map(|(index, values)| self.reduced(cpu, index, &values));
        let mut before = operands.next().expect("an equation has an operand")?;
        for (join, own) in self.joins().iter().zip(operands) {
            let own = own?;
            let size = |labels: &[Label]| self.count(labels).expect("checked when it was made");
            let sizes = JoinSizes {
                batch: size(&join.batch),
                rows: size(&join.rows),
                depth: size(&join.depth),
                columns: size(&join.columns),
            };
            let left = self.arranged(&before, &[&join.batch[..], &join.rows, &join.depth].concat());
            let right = self.arranged(&own, &[&join.batch[..], &join.depth, &join.columns].concat());
            let values = Cow::Owned(T::products(cpu, &sizes, &left, &right)?);
            before = Labelled { labels: [&join.batch[..], &join.rows, &join.columns].concat(), values };
        }
        Ok(self.arranged(&before, &self.result))
    }

    /// An operand with the labels that stay, the others summed.
    fn reduced<T: Summed>(&self, cpu: &Cpu, operand: usize, values: &[T]) -> Result<Labelled<'static, T>, OpError> {
        let (labels, sizes) = &self.operands[operand];
        let (kept, summed) = self.split(operand);
        // The steps of a label that stands twice add up: that is the diagonal.
        let mut steps = BTreeMap::new();
        for ((label, &size), step) in labels.iter().zip(sizes).zip(strides(sizes)) {
            if size == self.sizes[label] {
                *steps.entry(*label).or_insert(0) += step;
            }
        }
        let values = self.walked(values, &[&kept[..], &summed].concat(), &steps);
        if summed.is_empty() {
            return Ok(Labelled { labels: kept, values: Cow::Owned(values) });
        }
        let size = |labels: &[Label]| self.count(labels).expect("an operand has no more elements than it has");
        let sums = T::sums(cpu, size(&kept), size(&summed), &values)?;
        Ok(Labelled { labels: kept, values: Cow::Owned(sums) })
    }

    /// The same elements, their dimensions in another order.
    fn arranged<T: Summed>(&self, from: &Labelled<'_, T>, order: &[Label]) -> Vec<T> {
        let sizes: Vec<usize> = from.labels.iter().map(|label| self.sizes[label]).collect();
        let steps = from.labels.iter().copied().zip(strides(&sizes)).collect();
        self.walked(&from.values, order, &steps)
    }

    /// Elements at steps for each label, in the order of the labels.
    fn walked<T: Summed>(&self, values: &[T], order: &[Label], steps: &BTreeMap<Label, usize>) -> Vec<T> {
        let mut places = vec![0usize];
        for label in order {
            let (size, step) = (self.sizes[label], steps[label]);
            places = places.iter().flat_map(|place| (0..size).map(move |index| place + index * step)).collect();
        }
        places.into_iter().map(|place| values[place]).collect()
    }
}
