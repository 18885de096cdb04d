//! Batch norms become the arithmetic that they are defined as, each operation of it one operator.
//!
//! So the first can follow a convolution as its bias, and all of them work in either layout. Of floats of 32 bits alone:
//! narrower ones are rounded after each operator.

use poai_numerics::{Binary, Unary};

use crate::op::elementwise::{Arithmetic, Elementwise};
use crate::op::reduction::Reduction;
use crate::{DType, Graph, Node, Op, Tensor};

/// Takes apart those whose numbers are constants.
pub(super) fn take_apart(graph: &mut Graph) {
    for node in std::mem::take(&mut graph.nodes) {
        let steps = steps(graph, &node);
        match steps {
            Some(steps) => chain(graph, &node, steps),
            None => graph.nodes.push(node),
        }
    }
}

/// The operations of a batch norm, with a number for each channel.
fn steps(graph: &Graph, node: &Node) -> Option<[(Arithmetic, Vec<f32>); 3]> {
    let Op::Reduction(Reduction::BatchNormalization(norm)) = &node.op else { return None };
    let &[Some(result)] = &node.outputs[..] else { return None };
    let fact = graph.value(result).fact.as_ref()?;
    let channels = fact.shape.as_ref()?.get(1)?.size()?;
    let numbers = |index: usize| {
        let numbers = graph.constants.get(&(*node.inputs.get(index)?)?)?.get::<f32>()?;
        (numbers.len() == channels && fact.dtype == DType::F32).then(|| numbers.to_vec())
    };
    let (scale, shift, mean, variance) = (numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?);
    let deviation = |variance| Unary::Sqrt.of(Binary::Add.of(variance, norm.epsilon));
    let factor = scale.into_iter().zip(variance).map(|(scale, variance)| Binary::Div.of(scale, deviation(variance)));
    Some([(Arithmetic::Sub, mean), (Arithmetic::Mul, factor.collect()), (Arithmetic::Add, shift)])
}

fn chain(graph: &mut Graph, node: &Node, steps: [(Arithmetic, Vec<f32>); 3]) {
    let result = node.outputs[0].expect("asked for before");
    let fact = graph.value(result).fact.clone();
    let axes = fact.as_ref().and_then(crate::Fact::rank).expect("known before") - 1;
    let mut value = node.inputs[0];
    let last = steps.len() - 1;
    for (place, (operation, numbers)) in steps.into_iter().enumerate() {
        let name = format!("{}/{place}", node.name);
        let mut shape = vec![1; axes];
        shape[0] = numbers.len();
        let constant = graph.add_constant(format!("{name}/constant"), Tensor::new(&shape, &numbers));
        let to = if place == last { result } else { graph.add_value(name.clone(), fact.clone()) };
        let op = Elementwise::Arithmetic(operation).into();
        graph.nodes.push(Node { name, op, inputs: vec![value, Some(constant)], outputs: vec![Some(to)] });
        value = Some(to);
    }
}
