//! Sums, softmax, norms, arg-max, top-k, cumulative sums.
//!
//! What is reduced to one number is brought together first ([`rows`]); the order of its elements, row by row through the
//! axes that are reduced, is the order that numerics' lanes count. f64, which has no lanes, is reduced in that order from
//! the first element to the last.

pub mod batch; // channels scaled by what training found
pub mod boxes; // boxes that do not overlap
pub mod cumulative; // sums of all that came before
mod fold; // one number of many
pub mod groups; // channels with mean 0 and variance 1
pub mod loss; // how wrong a classification is
pub mod normalisation; // rows with mean 0 and variance 1
pub mod reduce; // axes reduced to one number each
mod rows; // what is reduced, brought together
pub mod scaled; // rows divided by their size
pub mod skip; // layer norms of sums
pub mod softmax; // rows that sum to 1
pub mod top; // where the greatest are

#[cfg(test)]
mod tests; // any operator, of any operands

use super::family::operators;

operators! { Reduction {
    /// Axes reduced to one number each.
    Reduce(reduce): "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare";
    /// Rows that sum to 1, or their logarithms, or the greatest alone.
    Softmax(softmax): "Softmax" | "LogSoftmax" | "Hardmax";
    /// The last axes with mean 0 and variance 1, or a mean square of 1.
    LayerNormalization(normalisation): "LayerNormalization" | "com.microsoft.LayerNormalization" | "RMSNormalization"
        | "SimplifiedLayerNormalization" | "com.microsoft.SimplifiedLayerNormalization";
    /// Groups of channels with mean 0 and variance 1.
    GroupNormalization(groups): "GroupNormalization" | "InstanceNormalization";
    /// Channels scaled by what training found.
    BatchNormalization(batch): "BatchNormalization";
    /// Layer norms of sums.
    SkipLayerNormalization(skip): "com.microsoft.SkipLayerNormalization"
        | "com.microsoft.SkipSimplifiedLayerNormalization";
    /// Layer norms of embeddings.
    EmbedLayerNormalization(skip): "com.microsoft.EmbedLayerNormalization";
    /// Rows divided by their norm.
    LpNormalization(scaled): "LpNormalization";
    /// Axes with mean 0 and variance 1.
    MeanVarianceNormalization(scaled): "MeanVarianceNormalization";
    /// Channels divided by what is around them.
    Lrn(scaled): "LRN";
    /// Boxes that do not overlap.
    NonMaxSuppression(boxes): "NonMaxSuppression";
    /// How wrong a classification is.
    Loss(loss): "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss";
    /// Where the greatest or least is.
    Extreme(top): "ArgMax" | "ArgMin";
    /// The greatest or least few.
    TopK(top): "TopK";
    /// Sums or products of all that came before.
    Cumulative(cumulative): "CumSum" | "CumProd";
} }
