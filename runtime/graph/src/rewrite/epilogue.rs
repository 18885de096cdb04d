//! What follows a product or a convolution is done while its result is still in the cache.
//!
//! A bias, a residual and an activation that come after it, in this order, become part of it. Each step of an epilogue is
//! defined as the operator of its own (docs/numerics.md, section 2), so no bit changes. Of floats of 32 bits alone:
//! narrower ones are rounded after each operator.

use crate::graph::ValueId;
use crate::op::elementwise::{Arithmetic, Elementwise};
use crate::op::image::Image;
use crate::op::product::Product;
use crate::{DType, Dim, Fact, Graph, Node, Op, Tensor};

use poai_numerics::Unary;

/// Operands of both products and convolutions: a number for each column or channel, and one for each element.
const BIAS: usize = 2;
const RESIDUAL: usize = 3;

/// Fuses as much as it can.
pub(super) fn fuse(graph: &mut Graph) {
    let readers = readers(graph);
    let mut nodes: Vec<Option<Node>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
    for place in 0..nodes.len() {
        let Some(result) = nodes[place].as_ref().and_then(|node| fusible(graph, node)) else { continue };
        let Reader::One(reader) = readers[result.index()] else { continue };
        let (Some(product), Some(next)) = (&nodes[place], &nodes[reader]) else { continue };
        // It moves to where its reader stood: there all operands of both are computed.
        if let Some(fused) = fused(graph, product.clone(), next, result) {
            nodes[reader] = Some(fused);
            nodes[place] = None;
        }
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// Who reads a value.
#[derive(Clone, Copy)]
enum Reader {
    Nobody,
    One(usize),
    Several,
}

fn readers(graph: &Graph) -> Vec<Reader> {
    let mut readers = vec![Reader::Nobody; graph.values.len()];
    for (place, node) in graph.nodes.iter().enumerate() {
        for id in node.inputs.iter().flatten() {
            let reader = &mut readers[id.index()];
            *reader = if let Reader::Nobody = reader { Reader::One(place) } else { Reader::Several };
        }
    }
    for id in &graph.outputs {
        readers[id.index()] = Reader::Several;
    }
    readers
}

/// The result of a node that has an epilogue without an activation yet.
fn fusible(graph: &Graph, node: &Node) -> Option<ValueId> {
    let &[Some(result)] = &node.outputs[..] else { return None };
    let fact = graph.value(result).fact.as_ref()?;
    let open = match &node.op {
        Op::Image(Image::Convolution(convolution)) => convolution.activation.is_none(),
        // Vectors have no columns to add a bias along.
        Op::Product(Product::MatMul(product)) => {
            let is_matrix = |index: usize| fact_of(graph, node.inputs[index]).and_then(Fact::rank) >= Some(2);
            product.activation.is_none() && is_matrix(0) && is_matrix(1)
        }
        _ => false,
    };
    (open && fact.dtype == DType::F32).then_some(result)
}

fn fact_of(graph: &Graph, id: Option<ValueId>) -> Option<&Fact> {
    graph.value(id?).fact.as_ref()
}

/// The product with what `next` does to its result, if that can be part of it.
fn fused(graph: &mut Graph, mut product: Node, next: &Node, result: ValueId) -> Option<Node> {
    let (Op::Elementwise(operation), [Some(_)]) = (&next.op, &next.outputs[..]) else { return None };
    match operation {
        Elementwise::Function(activation) => activate(&mut product, *activation),
        Elementwise::Clip => activate(&mut product, clip(graph, next)?),
        // Less a constant is more of its negative.
        Elementwise::Arithmetic(Arithmetic::Sub) if next.inputs[0] == Some(result) => {
            let negative = negative(graph.constants.get(&next.inputs[1]?)?)?;
            let term = graph.add_constant(format!("{}/negative", next.name), negative);
            add(graph, &mut product, term, result)?;
        }
        Elementwise::Arithmetic(Arithmetic::Add) => {
            let term = if next.inputs[0] == Some(result) { next.inputs[1]? } else { next.inputs[0]? };
            add(graph, &mut product, term, result)?;
        }
        _ => return None,
    }
    Some(Node { outputs: next.outputs.clone(), ..product })
}

fn activate(product: &mut Node, activation: Unary) {
    match &mut product.op {
        Op::Image(Image::Convolution(convolution)) => convolution.activation = Some(activation),
        Op::Product(Product::MatMul(product)) => product.activation = Some(activation),
        _ => unreachable!("no other operator has an epilogue"),
    }
}

fn negative(term: &Tensor) -> Option<Tensor> {
    let values: Vec<f32> = term.get::<f32>()?.iter().map(|value| -value).collect();
    Some(Tensor::new(term.shape(), &values))
}

/// Clip with bounds that are constants.
fn clip(graph: &Graph, node: &Node) -> Option<Unary> {
    let bound = |index: usize, none: f32| match node.inputs.get(index).copied().flatten() {
        None => Some(none),
        Some(id) => match graph.constants.get(&id)?.get::<f32>()? {
            [bound] => Some(*bound),
            _ => None,
        },
    };
    Some(Unary::Clip { low: bound(1, f32::NEG_INFINITY)?, high: bound(2, f32::INFINITY)? })
}

/// Makes `term` the bias or the residual of a product, if there is room and it changes no shape.
fn add(graph: &mut Graph, product: &mut Node, term: ValueId, result: ValueId) -> Option<()> {
    let (shape, other) = (graph.value(result).fact.clone()?.shape?, graph.value(term).fact.clone()?.shape?);
    let has = |index: usize| product.inputs.get(index).is_some_and(Option::is_some);
    if has(RESIDUAL) {
        return None;
    }
    if !has(BIAS) {
        match &product.op {
            Op::Image(Image::Convolution(_)) => {
                let bias = graph.constants.get(&term).and_then(|term| channel_bias(term, &shape));
                if let Some(bias) = bias {
                    let id = graph.add_constant(format!("{}/bias", product.name), bias);
                    set(product, BIAS, id);
                    return Some(());
                }
            }
            _ if is_row(&other, &shape) => {
                set(product, BIAS, term);
                return Some(());
            }
            _ => {}
        }
    }
    let bias_is_row = match &product.op {
        Op::Product(_) if has(BIAS) => is_row(fact_of(graph, product.inputs[BIAS])?.shape.as_ref()?, &shape),
        _ => true,
    };
    let same = shape == other && !shape.contains(&Dim::Unknown);
    (same && bias_is_row).then(|| set(product, RESIDUAL, term))
}

fn set(product: &mut Node, index: usize, id: ValueId) {
    if product.inputs.len() <= index {
        product.inputs.resize(index + 1, None);
    }
    product.inputs[index] = Some(id);
    // An addend that was not there is added as it is.
    if let (BIAS, Op::Product(Product::MatMul(product))) = (index, &mut product.op) {
        product.beta = 1.0;
    }
}

/// A constant that adds a number to each channel of a result of this shape, channels first, as a bias.
fn channel_bias(term: &Tensor, shape: &[Dim]) -> Option<Tensor> {
    let channels = shape.get(1)?.size()?;
    let place = (term.shape().len() + 1).checked_sub(shape.len())?;
    let other_sizes_are_1 = (0..term.shape().len()).all(|axis| axis == place || term.shape()[axis] == 1);
    (other_sizes_are_1 && term.shape().get(place) == Some(&channels)).then(|| term.reshaped(&[channels]).ok())?
}

/// Whether a term adds a number to each column of a result.
fn is_row(term: &[Dim], shape: &[Dim]) -> bool {
    let (Some((last, others)), Some(columns)) = (term.split_last(), shape.last()) else { return false };
    let fits = last.size().is_some() && last == columns;
    fits && term.len() <= shape.len() && others.iter().all(|dim| *dim == Dim::Size(1))
}
