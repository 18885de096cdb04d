//! Groups give the bits of their nodes, and cost and hold what those do, one by one.

use std::sync::Arc;

use poai_numerics::{Kernels, Unary};

use super::groups;
use crate::op::elementwise::{Arithmetic, Elementwise, Fold};
use crate::op::movement::permutation::Transpose;
use crate::{
    Budget, Builder, Cpu, DType, Device, Dim, Fact, Graph, Kernel, Node, OpError, RunError, Session, Tensor, ValueId,
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
    assert_eq!(groups(&graph), [[1, 2, 4, 5]]);
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
    assert_eq!(groups(&graph), [vec![4, 5], vec![0, 1]]);
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
    assert_eq!(groups(&graph), [[2, 5]]);
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
    assert_eq!(groups(&graph), [[0, 1, 2, 3]]);
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
