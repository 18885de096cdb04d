//! Products of bytes as other devices compute them.

use poai_numerics::{Bytes, Range};

use super::{IntegerForm, IntegerMatMul, bytes, scale, scales, zero_points};
use crate::op::operand::{floats, given, needed};
use crate::op::product::sizes::Sizes;
use crate::{DType, Node, OpError, Tensor};

/// A constant right operand.
#[derive(Clone, Debug)]
pub struct ByteWeights<'a> {
    /// Rows.
    pub depth: usize,
    /// Columns.
    pub columns: usize,
    /// Its bytes, row by row.
    pub bytes: Bytes<'a>,
    /// One zero point, or one for each column.
    pub zeros: Vec<i32>,
}

/// A product of rows by such an operand.
#[derive(Clone, Debug, PartialEq)]
pub struct ByteRows {
    /// How many.
    pub rows: usize,
    /// One zero point, or one for each row; none of floats that are still to be quantised.
    pub zeros: Option<Vec<i32>>,
    /// The result's shape.
    pub shape: Vec<usize>,
    /// What is made of the sums.
    pub made: Made,
}

/// What is made of the sums of a product of bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// Nothing.
    Sums,
    /// Bytes: one scale for all or each column, and a zero point.
    Bytes {
        /// What sums are multiplied by.
        scales: Vec<f32>,
        /// The zero point.
        zero: i32,
        /// The type.
        range: Range,
    },
    /// Floats.
    Floats {
        /// The scale of the left operand; none of floats that are still to be quantised.
        left: Option<f32>,
        /// One scale for all or each column of the right one.
        right: Vec<f32>,
        /// A number for each column.
        bias: Option<Vec<f32>>,
    },
}

impl IntegerMatMul {
    /// The right operand, if it is a constant matrix with constant zero points.
    pub fn weights<'a>(&self, node: &Node, constants: &[Option<&'a Tensor>]) -> Option<ByteWeights<'a>> {
        let places = self.form.places();
        let right = given(constants, places.right)?;
        let zeros = given(constants, places.right_zero);
        if zeros.is_none() && node.inputs.get(places.right_zero).copied().flatten().is_some() {
            return None;
        }
        let &[depth, columns] = right.shape() else { return None };
        let zeros = zero_points(zeros, "columns", columns).ok()?;
        Some(ByteWeights { depth, columns, bytes: bytes(right).ok()?, zeros })
    }

    /// Everything else, for weights that are a matrix; none of scales for each row, or results of other floats.
    ///
    /// # Errors
    /// If such operands make no sense.
    pub fn rows(&self, inputs: &[Option<&Tensor>]) -> Result<Option<ByteRows>, OpError> {
        let places = self.form.places();
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, places.right, "B")?);
        let sizes = Sizes::of(left.shape(), right.shape(), [false; 2])?;
        let zeros = match self.form {
            IntegerForm::Dynamic => None,
            _ => Some(zero_points(given(inputs, places.left_zero), "rows", sizes.rows)?),
        };
        let (shape, columns, own) = (sizes.result(), sizes.columns, sizes.rows);
        let rows = sizes.folded().rows;
        // Zero points of rows begin again with each matrix of a batch.
        if zeros.as_ref().is_some_and(|zeros| zeros.len() > 1) && rows != own {
            return Ok(None);
        }
        let made = match self.form {
            IntegerForm::Sums => Made::Sums,
            IntegerForm::Bytes => {
                let (left, right) =
                    (scales(inputs, 1, "the scale of A", own)?, scales(inputs, 4, "the scale of B", columns)?);
                let (whole, zero) = (scale(inputs, 6, "the scale of the result")?, needed(inputs, 7, "y_zero_point")?);
                let &[left] = &left[..] else { return Ok(None) };
                let range = if zero.dtype() == DType::I8 { Range::Signed } else { Range::Unsigned };
                let scales = right.into_iter().map(|right| left * right / whole).collect();
                Made::Bytes { scales, zero: zero_points(Some(zero), "results", 1)?[0], range }
            }
            IntegerForm::Floats | IntegerForm::Dynamic => {
                if needed(inputs, places.right_scale, "the scale of B")?.dtype() != DType::F32 {
                    return Ok(None);
                }
                let right = scales(inputs, places.right_scale, "the scale of B", columns)?;
                let bias = given(inputs, places.bias).map(floats).transpose()?.map(|bias| bias.into_owned());
                if bias.as_ref().is_some_and(|bias| bias.len() != columns) {
                    return Err(OpError::new(format!("a bias is not a number for each of {columns} columns")));
                }
                let left = match self.form {
                    IntegerForm::Dynamic => None,
                    _ => Some(scale(inputs, places.left_scale, "the scale of A")?),
                };
                Made::Floats { left, right, bias }
            }
        };
        Ok(Some(ByteRows { rows, zeros, shape, made }))
    }
}
