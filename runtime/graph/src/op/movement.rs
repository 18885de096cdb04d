//! Reshape, transpose, slice, gather, scatter: operators that move bits and change none.
//!
//! They know elements by their width alone. Most are a [`walk::Walk`]: the elements of an operand, read with any step
//! along each axis of the result.

pub mod gather; // parts by index
pub mod index; // elements by index tuples
pub mod join; // tensors one behind the other
pub mod pad; // more around a tensor, or less
pub mod permutation; // axes in another order
pub mod range; // numbers in a row, and as places in one
pub mod repetition; // the same elements many times
pub mod reverse; // sequences backwards
pub mod scatter; // elements written over others
pub mod selection; // elements chosen by value
pub mod size; // shapes as values
pub mod slice; // parts of axes
pub mod space; // between pixels and channels
pub mod split; // a tensor in parts
pub mod triangle; // matrices by their diagonals
pub(super) mod turned; // axes in another order that products read where they lie
pub mod unique; // each value once
pub mod view; // the same elements in another shape
pub(super) mod walk; // elements read with any step along each axis

#[cfg(test)]
mod tests; // any operator, of any operands

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
    /// Elements by index along one axis.
    GatherElements(index): "GatherElements";
    /// Parts by index tuples.
    GatherND(index): "GatherND";
    /// Elements written where indices along one axis say.
    ScatterElements(scatter): "ScatterElements" | "Scatter";
    /// Parts written where index tuples say.
    ScatterND(scatter): "ScatterND";
    /// A cache with more in it.
    TensorScatter(scatter): "TensorScatter";
    /// A tensor in parts.
    Split(split): "Split";
    /// Elements repeated to a larger shape.
    Expand(repetition): "Expand";
    /// All of a tensor many times.
    Tile(repetition): "Tile";
    /// More around a tensor, or less.
    Pad(pad): "Pad";
    /// The middle of a tensor, or more around it.
    CenterCropPad(pad): "CenterCropPad";
    /// Channels become pixels.
    DepthToSpace(space): "DepthToSpace";
    /// Pixels become channels.
    SpaceToDepth(space): "SpaceToDepth";
    /// Sequences backwards.
    ReverseSequence(reverse): "ReverseSequence";
    /// Dimensions as a value.
    Shape(size): "Shape";
    /// The number of elements as a value.
    Size(size): "Size";
    /// The same element in any shape.
    ConstantOfShape(size): "ConstantOfShape";
    /// Numbers in a row.
    Range(range): "Range";
    /// Numbers as places in a row.
    OneHot(range): "OneHot";
    /// Ones on a diagonal.
    EyeLike(triangle): "EyeLike";
    /// One side of a diagonal.
    Trilu(triangle): "Trilu";
    /// Where elements are not 0.
    NonZero(selection): "NonZero";
    /// Parts that a condition chooses.
    Compress(selection): "Compress";
    /// Each value once.
    Unique(unique): "Unique";
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
