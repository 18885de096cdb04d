//! Groups give the bits of their nodes, and cost and hold what those do, one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use poai_numerics::{Kernels, Unary};

use super::{Places, groups};
use crate::op::elementwise::{Arithmetic, Elementwise, Fold};
use crate::op::image::{Convolution, Frame, Image, Layout, Padding};
use crate::op::movement::permutation::Transpose;
use crate::op::product::{MatMul, Product};
use crate::{
    Budget, Builder, Cpu, DType, Device, Dim, Fact, Graph, Group, Kernel, Node, OpError, RunError, Session, Tensor,
    ValueId,
};

const HARD_SIGMOID: Elementwise = Elementwise::Function(Unary::HardSigmoid { alpha: 0.2, beta: 0.5 });
const ADD: Elementwise = Elementwise::Arithmetic(Arithmetic::Add);
const MUL: Elementwise = Elementwise::Arithmetic(Arithmetic::Mul);

/// A processor that makes no groups.
struct OneByOne(Cpu);

impl Device for OneByOne {
    fn name(&self) -> String {
        self.0.name()
    }

    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError> {
        self.0.prepare(node, constants)
    }

    fn release(&self, value: Tensor) {
        self.0.release(value);
    }
}

/// Element-wise nodes that follow nothing.
fn alone(nodes: &[usize]) -> Places {
    Places { product: None, nodes: nodes.to_vec() }
}

/// A processor that counts the groups that follow a product.
struct Counting(Cpu, AtomicUsize);

impl Device for Counting {
    fn name(&self) -> String {
        self.0.name()
    }

    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError> {
        self.0.prepare(node, constants)
    }

    fn prepare_following(&self, product: &Node, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.prepare_following(product, group)
    }
}

/// How many groups of a graph, as it is computed, follow a product.
fn followed(graph: &Graph) -> usize {
    let device = Arc::new(Counting(cpu(), AtomicUsize::new(0)));
    Session::new(graph.clone(), device.clone()).unwrap();
    device.1.load(Ordering::Relaxed)
}

fn cpu() -> Cpu {
    Cpu::new(Kernels::Auto, 1).unwrap()
}

fn tensor(shape: &[usize], step: usize) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i: usize| ((i * step) % 29) as f32 / 7.0 - 2.0).collect();
    Tensor::new(shape, &values)
}

/// x and y of 2 × 3 × 4, and a number a channel.
fn inputs(builder: &mut Builder) -> [ValueId; 3] {
    let whole = Fact::new(DType::F32, [2, 3, 4]);
    [builder.input("x", whole.clone()), builder.input("y", whole), builder.input("z", Fact::new(DType::F32, [1, 3, 1]))]
}

/// What is computed, what is left of the fuel; errors too.
fn outcome(session: &Session, mut budget: Budget) -> (Result<Vec<Tensor>, RunError>, u64) {
    let inputs = [("x", tensor(&[2, 3, 4], 5)), ("y", tensor(&[2, 3, 4], 11)), ("z", tensor(&[1, 3, 1], 3))];
    let result = session.run(&inputs, &mut budget);
    (result, budget.fuel)
}

/// The same outputs, the same fuel, and the same end at every limit.
fn assert_same(graph: &Graph) {
    let together = Session::new(graph.clone(), Arc::new(cpu())).unwrap();
    let apart = Session::new(graph.clone(), Arc::new(OneByOne(cpu()))).unwrap();
    let (results, left) = outcome(&apart, Budget::UNBOUNDED);
    assert!(results.is_ok(), "{results:?}");
    assert_eq!(outcome(&together, Budget::UNBOUNDED), (results, left));
    for memory_bytes in (0..1200).step_by(4) {
        let budget = Budget { memory_bytes, ..Budget::UNBOUNDED };
        assert_eq!(outcome(&together, budget), outcome(&apart, budget), "{memory_bytes} bytes");
    }
    for fuel in (0..u64::MAX - left + 20).step_by(10) {
        let budget = Budget { fuel, ..Budget::UNBOUNDED };
        assert_eq!(outcome(&together, budget), outcome(&apart, budget), "{fuel} fuel");
    }
}

/// A hard swish between two operators that are no part of it.
fn hard_swish() -> Graph {
    let mut builder = Builder::new();
    let [x, y, z] = inputs(&mut builder);
    let turned = builder.node("turned", Transpose { order: Some(vec![0, 1, 2]) }, &[x]).unwrap();
    let scaled = builder.node("scaled", MUL, &[turned, z]).unwrap();
    let gate = builder.node("gate", HARD_SIGMOID, &[scaled]).unwrap();
    let other = builder.node("other", Transpose { order: Some(vec![0, 1, 2]) }, &[y]).unwrap();
    let swish = builder.node("swish", MUL, &[scaled, gate]).unwrap();
    let sum = builder.node("sum", Elementwise::Fold(Fold::Sum), &[swish, other, x]).unwrap();
    let last = builder.node("last", Transpose { order: None }, &[sum]).unwrap();
    builder.finish(&[("result", last)])
}

#[test]
fn a_line_of_operations_is_a_group() {
    let graph = hard_swish();
    assert_eq!(groups(&graph), [alone(&[1, 2, 4, 5])]);
    assert_same(&graph);
}

#[test]
fn what_others_read_ends_a_group() {
    let mut builder = Builder::new();
    let [x, y, z] = inputs(&mut builder);
    let a = builder.node("a", ADD, &[x, y]).unwrap();
    let b = builder.node("b", HARD_SIGMOID, &[a]).unwrap();
    // Of another shape, so that it is a group with nobody.
    let c = builder.node("c", HARD_SIGMOID, &[z]).unwrap();
    let d = builder.node("d", MUL, &[b, c]).unwrap();
    let e = builder.node("e", MUL, &[d, d]).unwrap();
    let f = builder.node("f", ADD, &[e, b]).unwrap();
    let graph = builder.finish(&[("result", f), ("between", d)]);
    // What is an output is not read by a group alone: it ends one, and so does what a later group reads.
    assert_eq!(groups(&graph), [alone(&[4, 5]), alone(&[0, 1])]);
    assert_same(&graph);
}

/// What a group reads is needed by its last node, whoever else is the last to read it before.
#[test]
fn operands_stay_until_a_group_is_computed() {
    let mut builder = Builder::new();
    let [x, y, z] = inputs(&mut builder);
    let own = builder.node("own", MUL, &[x, y]).unwrap();
    let turned = builder.node("turned", Transpose { order: None }, &[own]).unwrap();
    let a = builder.node("a", ADD, &[own, z]).unwrap();
    let other = builder.node("other", Transpose { order: None }, &[own]).unwrap();
    let back = builder.node("back", Transpose { order: None }, &[other]).unwrap();
    let b = builder.node("b", MUL, &[a, back]).unwrap();
    let graph = builder.finish(&[("result", b), ("turned", turned)]);
    assert_eq!(groups(&graph), [alone(&[2, 5])]);
    assert_same(&graph);
}

#[test]
fn sizes_may_turn_out_to_differ() {
    let mut builder = Builder::new();
    let unknown = Fact { shape: Some(vec![Dim::Unknown; 3]), ..Fact::of_type(DType::F32) };
    let [x, y, z] = ["x", "y", "z"].map(|name| builder.input(name, unknown.clone()));
    let a = builder.node("a", ADD, &[z, z]).unwrap();
    let b = builder.node("b", MUL, &[a, x]).unwrap();
    let c = builder.node("c", HARD_SIGMOID, &[b]).unwrap();
    let d = builder.node("d", MUL, &[c, y]).unwrap();
    let graph = builder.finish(&[("result", d)]);
    assert_eq!(groups(&graph), [alone(&[0, 1, 2, 3])]);
    assert_same(&graph);
}

#[test]
fn integers_and_unknown_ranks_are_no_group() {
    let mut builder = Builder::new();
    let numbers = builder.input("numbers", Fact::new(DType::I64, [3]));
    let unknown = builder.input("unknown", Fact { shape: None, ..Fact::of_type(DType::F32) });
    let both = [numbers, unknown].map(|id| {
        let sum = builder.node("sum", ADD, &[id, id]).unwrap();
        builder.node("product", MUL, &[sum, sum]).unwrap()
    });
    assert!(groups(&builder.finish(&[("a", both[0]), ("b", both[1])])).is_empty());
}

/// A product of x with constant weights, and what it is scaled by: no epilogue of its own.
fn scaled_product(builder: &mut Builder, [x, z]: [ValueId; 2]) -> ValueId {
    let weights = builder.constant("weights", tensor(&[4, 4], 13));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
    builder.node("scaled", MUL, &[product, z]).unwrap()
}

#[test]
fn a_group_follows_a_product() {
    let mut builder = Builder::new();
    let [x, y, z] = inputs(&mut builder);
    let scaled = scaled_product(&mut builder, [x, z]);
    let turned = builder.node("turned", Transpose { order: Some(vec![0, 1, 2]) }, &[y]).unwrap();
    let gate = builder.node("gate", HARD_SIGMOID, &[scaled]).unwrap();
    let swish = builder.node("swish", MUL, &[scaled, gate]).unwrap();
    let sum = builder.node("sum", ADD, &[swish, turned]).unwrap();
    let graph = builder.finish(&[("result", sum)]);
    assert_eq!(groups(&graph), [Places { product: Some(0), nodes: vec![1, 3, 4, 5] }]);
    assert_eq!(followed(&graph), 1);
    assert_same(&graph);
}

/// One operation behind a product is a group; it may read the product twice, and the product's own operand.
#[test]
fn one_node_follows_a_product() {
    for again in [false, true] {
        let mut builder = Builder::new();
        let [x, ..] = inputs(&mut builder);
        let weights = builder.constant("weights", tensor(&[4, 4], 13));
        let product = builder.node("product", Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
        let square = builder.node("square", MUL, &[product, if again { product } else { x }]).unwrap();
        let graph = builder.finish(&[("result", square)]);
        assert_eq!(groups(&graph), [Places { product: Some(0), nodes: vec![1] }]);
        assert_same(&graph);
    }
}

/// Of two products the last is followed; one that others read is not; one of computed operands is.
#[test]
fn which_product_is_followed() {
    let mut builder = Builder::new();
    let [x, y, z] = inputs(&mut builder);
    let [one, other] = [[x, z], [y, z]].map(|operands| scaled_product(&mut builder, operands));
    let sum = builder.node("sum", ADD, &[one, other]).unwrap();
    let graph = builder.finish(&[("result", sum)]);
    assert_eq!(groups(&graph), [Places { product: Some(2), nodes: vec![1, 3, 4] }]);
    assert_same(&graph);

    let mut builder = Builder::new();
    let [x, _, z] = inputs(&mut builder);
    let weights = builder.constant("weights", tensor(&[4, 4], 13));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
    let turned = builder.node("turned", Transpose { order: Some(vec![0, 2, 1]) }, &[product]).unwrap();
    let square = builder.node("square", Product::MatMul(MatMul::default()), &[product, turned]).unwrap();
    let scaled = builder.node("scaled", MUL, &[square, z]).unwrap();
    let gated = builder.node("gated", MUL, &[product, z]).unwrap();
    let graph = builder.finish(&[("result", scaled), ("gated", gated)]);
    assert_eq!(groups(&graph), [Places { product: Some(2), nodes: vec![3] }]);
    assert_same(&graph);
}

/// A result that is spread further is no part of the product's.
#[test]
fn what_follows_may_turn_out_larger_than_the_product() {
    let mut builder = Builder::new();
    let unknown = Fact { shape: Some(vec![Dim::Unknown; 3]), ..Fact::of_type(DType::F32) };
    let [x, y, z] = ["x", "y", "z"].map(|name| builder.input(name, unknown.clone()));
    let weights = builder.constant("weights", tensor(&[1, 4], 13));
    // z has rows of one number: the product has two rows too few.
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[z, weights]).unwrap();
    let scaled = builder.node("scaled", MUL, &[product, x]).unwrap();
    let sum = builder.node("sum", ADD, &[scaled, y]).unwrap();
    let graph = builder.finish(&[("result", sum)]);
    assert_eq!(groups(&graph), [Places { product: Some(0), nodes: vec![1, 2] }]);
    assert_same(&graph);
}

/// Its bias, residual and function are steps of the group then.
#[test]
fn a_group_follows_a_convolution() {
    let relu = Some(Unary::Relu);
    for (groups, padding, activation, terms) in [(1, 1, None, 0), (3, 0, relu, 1), (1, 0, relu, 2)] {
        let mut builder = Builder::new();
        let [x, y, z] = inputs(&mut builder);
        let frame = Frame { padding: Padding::Explicit(vec![[padding; 2]]), ..Frame::default() };
        let convolution = Convolution { frame, groups, spread: None, activation, layout: Layout::ChannelsFirst };
        let weights = builder.constant("weights", tensor(&[3, 3 / groups, 1 + 2 * padding], 13));
        let bias = builder.constant("bias", tensor(&[3], 17));
        let operands = [x, weights, bias, y];
        let image = builder.node("image", Image::Convolution(convolution), &operands[..2 + terms]).unwrap();
        let scaled = builder.node("scaled", MUL, &[image, z]).unwrap();
        let gate = builder.node("gate", HARD_SIGMOID, &[scaled]).unwrap();
        let swish = builder.node("swish", MUL, &[scaled, gate]).unwrap();
        let sum = builder.node("sum", ADD, &[swish, y]).unwrap();
        let graph = builder.finish(&[("result", sum)]);
        assert_eq!(followed(&graph), 1);
        assert_same(&graph);
    }
}
