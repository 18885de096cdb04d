//! How two operands meet in a product: numpy.matmul's rules of vectors, matrices and batches.

use poai_numerics::Matrices;

use crate::op::operand::{broadcast, broadcast_dims, dims};
use crate::{Cost, Dim, Fact, OpError};

/// The sizes of a product of matrices, and of its batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sizes {
    pub batch: Vec<usize>,
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    left: Operand,
    right: Operand,
}

/// One operand: its batch, and whether it has a dimension of its own beside the depth.
#[derive(Clone, Debug, PartialEq)]
struct Operand {
    batch: Vec<usize>,
    vector: bool,
    /// Its last two dimensions are the wrong way round.
    transposed: bool,
    /// The step along each of its dimensions, if it does not lie row by row.
    strides: Option<Vec<usize>>,
}

impl Operand {
    /// Steps along its last two dimensions as it lies: row by row unless told otherwise, with rows of so many.
    fn last_strides(&self, row: usize) -> (usize, usize) {
        match self.strides.as_deref() {
            Some([.., outer, inner]) => (*outer, *inner),
            _ => (row, 1),
        }
    }
}

/// An operand's batch, its own dimension (rows of a left operand, columns of a right one; none of a vector) and the
/// depth.
fn parts<T: Clone>(shape: &[T], is_left: bool, transposed: bool) -> Result<(&[T], Option<T>, T), OpError> {
    match shape {
        [] => Err(OpError::new("a product's operand needs at least one dimension")),
        [depth] => Ok((&[], None, depth.clone())),
        // The depth stands last in a left operand, and first in a right one, unless that is transposed.
        [batch @ .., own, depth] if is_left != transposed => Ok((batch, Some(own.clone()), depth.clone())),
        [batch @ .., depth, own] => Ok((batch, Some(own.clone()), depth.clone())),
    }
}

impl Sizes {
    /// Of operands of these shapes; a transposed one has its last two dimensions the other way round.
    pub(super) fn of(left: &[usize], right: &[usize], transposed: [bool; 2]) -> Result<Self, OpError> {
        let (left_batch, rows, depth) = parts(left, true, transposed[0])?;
        let (right_batch, columns, right_depth) = parts(right, false, transposed[1])?;
        if depth != right_depth {
            return Err(OpError::new(format!("shapes {left:?} and {right:?} have depths {depth} and {right_depth}")));
        }
        let operand =
            |batch: &[usize], vector, transposed| Operand { batch: batch.to_vec(), vector, transposed, strides: None };
        Ok(Self {
            batch: broadcast(left_batch, right_batch)?,
            rows: rows.unwrap_or(1),
            depth,
            columns: columns.unwrap_or(1),
            left: operand(left_batch, rows.is_none(), transposed[0]),
            right: operand(right_batch, columns.is_none(), transposed[1]),
        })
    }

    /// With operands of two dimensions or more that lie otherwise than row by row: the step along each dimension.
    pub(super) fn lying(mut self, [left, right]: [Option<Vec<usize>>; 2]) -> Self {
        (self.left.strides, self.right.strides) = (left, right);
        self
    }

    /// The shape of the result.
    pub(super) fn result(&self) -> Vec<usize> {
        let rows = (!self.left.vector).then_some(self.rows);
        let columns = (!self.right.vector).then_some(self.columns);
        self.batch.iter().copied().chain(rows).chain(columns).collect()
    }

    /// Whether the result's last dimension is that of columns.
    pub(super) fn has_columns(&self) -> bool {
        !self.right.vector
    }

    /// The same product, with a left operand's batch as more rows, where one right matrix serves all of it.
    pub(super) fn folded(self) -> Self {
        let one_right = self.right.batch.iter().all(|&size| size == 1);
        let rows = self.batch.iter().try_fold(self.rows, |rows, &size| rows.checked_mul(size));
        match rows {
            Some(rows) if one_right && !self.left.transposed && self.left.strides.is_none() => {
                let left = Operand { batch: Vec::new(), vector: false, transposed: false, strides: None };
                let right = Operand { batch: Vec::new(), ..self.right };
                Self { batch: Vec::new(), rows, left, right, ..self }
            }
            _ => self,
        }
    }

    /// Where the matrices of each product begin. Only for results that have elements: their number bounds the batch.
    pub(super) fn starts(&self) -> (Vec<usize>, Vec<usize>) {
        let starts = |own: &Operand, elements: usize| {
            let mut starts = vec![0];
            // From the last dimension outwards, each repeats what is inside of it.
            let mut step = elements;
            for (place, &size) in self.batch.iter().enumerate().rev() {
                let own_place = (place + own.batch.len()).checked_sub(self.batch.len());
                let own_size = own_place.map_or(1, |place| own.batch[place]);
                let stride = match (own_place, &own.strides) {
                    _ if own_size == 1 => 0,
                    (Some(place), Some(strides)) => strides[place],
                    _ => step,
                };
                starts = (0..size).flat_map(|index| starts.iter().map(move |start| index * stride + start)).collect();
                step *= own_size;
            }
            starts
        };
        (starts(&self.left, self.rows * self.depth), starts(&self.right, self.depth * self.columns))
    }

    /// The matrices of both operands, which begin where [`Self::starts`] says.
    pub(super) fn matrices<'a>(
        &self,
        [left, right]: [&'a [f32]; 2],
        [left_starts, right_starts]: [&'a [usize]; 2],
    ) -> (Matrices<'a>, Matrices<'a>) {
        let matrices = |data, starts, (row_stride, column_stride)| Matrices { data, starts, row_stride, column_stride };
        (matrices(left, left_starts, self.left_strides()), matrices(right, right_starts, self.right_strides()))
    }

    /// Steps from row to row and from column to column of a left matrix.
    pub(super) fn left_strides(&self) -> (usize, usize) {
        if !self.left.transposed {
            return self.left.last_strides(self.depth);
        }
        let (column, row) = self.left.last_strides(self.rows);
        (row, column)
    }

    /// Steps from row to row and from column to column of a right matrix.
    pub(super) fn right_strides(&self) -> (usize, usize) {
        if !self.right.transposed {
            return self.right.last_strides(self.columns);
        }
        let (column, row) = self.right.last_strides(self.depth);
        (row, column)
    }
}

/// The shape of a result, as far as the operands' are known.
pub(super) fn result_dims(left: &[Dim], right: &[Dim], transposed: [bool; 2]) -> Result<Vec<Dim>, OpError> {
    let (left_batch, rows, depth) = parts(left, true, transposed[0])?;
    let (right_batch, columns, right_depth) = parts(right, false, transposed[1])?;
    if let (Some(depth), Some(right_depth)) = (depth.size(), right_depth.size())
        && depth != right_depth
    {
        return Err(OpError::new(format!("its operands have depths {depth} and {right_depth}")));
    }
    Ok(broadcast_dims(left_batch, right_batch)?.into_iter().chain(rows).chain(columns).collect())
}

/// A product's fact: of this type, and of the shape that follows from the operands'.
pub(super) fn product_fact(
    dtype: crate::DType,
    left: &Fact,
    right: &Fact,
    transposed: [bool; 2],
) -> Result<Fact, OpError> {
    if let (Some(left), Some(right)) = (left.sizes(), right.sizes()) {
        return Ok(Fact::new(dtype, dims(&Sizes::of(&left, &right, transposed)?.result())));
    }
    match (&left.shape, &right.shape) {
        (Some(left), Some(right)) => Ok(Fact::new(dtype, result_dims(left, right, transposed)?)),
        _ => Ok(Fact::of_type(dtype)),
    }
}

/// What a product costs: a chain of `depth` for each element of its result.
pub(super) fn product_cost(left: &Fact, transposed: bool, outputs: &[Fact]) -> Cost {
    let depth = left.shape.as_ref().and_then(|shape| parts(shape, true, transposed).ok()?.2.size());
    let elements = outputs.first().map_or(0, Fact::elements);
    Cost { multiply_adds: elements.saturating_mul(depth.unwrap_or(0) as u64), elements }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_meet_as_numpy_says() {
        for (left, right, result) in [
            (vec![3], vec![3], vec![]),
            (vec![3], vec![3, 4], vec![4]),
            (vec![2, 3], vec![3], vec![2]),
            (vec![5, 1, 2, 3], vec![7, 3, 4], vec![5, 7, 2, 4]),
            (vec![5, 2, 0], vec![0, 4], vec![5, 2, 4]),
        ] {
            assert_eq!(Sizes::of(&left, &right, [false; 2]).unwrap().result(), result, "{left:?} {right:?}");
            assert_eq!(result_dims(&dims(&left), &dims(&right), [false; 2]).unwrap(), dims(&result));
        }
        for (left, right) in [(vec![], vec![3]), (vec![3], vec![4]), (vec![2, 2, 3], vec![3, 3, 4])] {
            assert!(Sizes::of(&left, &right, [false; 2]).is_err(), "{left:?} {right:?}");
        }
    }

    #[test]
    fn batches_repeat_what_broadcasts() {
        let sizes = Sizes::of(&[2, 1, 1, 3], &[2, 3, 1], [false; 2]).unwrap();
        assert_eq!(sizes.starts(), (vec![0, 0, 3, 3], vec![0, 3, 0, 3]));
        let sizes = Sizes::of(&[4, 5, 2, 3], &[1, 3, 7], [false; 2]).unwrap().folded();
        assert_eq!((sizes.rows, sizes.starts()), (40, (vec![0], vec![0])));
    }
}
