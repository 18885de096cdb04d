//! Reshape, transpose, slice, gather, scatter: operators that move bits and change none.
//!
//! They know elements by their width alone. Most are a [`walk::Walk`]: the elements of an operand, read with any step
//! along each axis of the result.

pub mod gather; // elements by index
pub mod join; // Concat, Split
pub mod permutation; // axes in another order
pub mod size; // shapes as values
pub mod slice; // parts
pub mod view; // the same elements in another shape
pub(super) mod walk; // elements read with any step along each axis

use super::family::operators;
use crate::{Cost, DType, Fact};

operators! { Movement {
    /// Elements in another shape.
    Reshape(view): "Reshape";
    /// Elements as a matrix.
    Flatten(view): "Flatten";
    /// Axes of one element left out.
    Squeeze(view): "Squeeze";
    /// Axes of one element put in.
    Unsqueeze(view): "Unsqueeze";
    /// What it is given.
    Identity(view): "Identity";
    /// Axes in another order.
    Transpose(permutation): "Transpose";
    /// Tensors one behind the other.
    Concat(join): "Concat";
    /// A part of each axis, with any step.
    Slice(slice): "Slice";
    /// Parts of an axis by index.
    Gather(gather): "Gather";
    /// Dimensions as a value.
    Shape(size): "Shape";
} }

/// The cost of operators that read as much as they write, however large the operand is that they read it from.
fn moved(outputs: &[Fact]) -> Cost {
    let elements = outputs.iter().map(Fact::elements).fold(0, u64::saturating_add);
    Cost { multiply_adds: 0, elements: elements.saturating_mul(2) }
}

/// The known values that are carried along while shapes are inferred are shapes, axes, starts: never larger than this.
const CARRIED_ELEMENTS: usize = 64;

/// Whether a result of these sizes is worth computing while shapes are inferred.
fn carried(dtype: DType, sizes: &[usize]) -> bool {
    let elements = sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
    matches!(dtype, DType::I32 | DType::I64) && elements <= CARRIED_ELEMENTS
}
