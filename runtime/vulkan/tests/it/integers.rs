//! Products of bytes on the device against the processor, bit for bit.

use std::sync::Arc;

use poai_graph::op::elementwise::{Arithmetic, Elementwise};
use poai_graph::op::product::{IntegerForm, IntegerMatMul, MatMul, Product};
use poai_graph::op::quantisation::Quantisation;
use poai_graph::{Budget, Builder, Cpu, DType, Device, Fact, Graph, Session, Tensor};
use poai_numerics::Kernels;
use poai_vulkan::graph::{Accelerator, Vulkan};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;

use crate::drivers;

const DEPTH: usize = 37;
const COLUMNS: usize = 66;

fn words(count: usize, seed: u32) -> impl Iterator<Item = u32> {
    (0..count as u32).map(move |i| i.wrapping_add(seed).wrapping_mul(2_654_435_761).rotate_left(11))
}

/// Numbers between -½ and ½.
fn small(shape: &[usize], seed: u32) -> Tensor {
    let numbers = words(shape.iter().product(), seed).map(|word| word.cast_signed() as f32 * 2f32.powi(-32));
    Tensor::new(shape, &numbers.collect::<Vec<_>>())
}

fn bytes(shape: &[usize], seed: u32) -> Tensor {
    Tensor::new(shape, &words(shape.iter().product(), seed).map(|word| word as u8).collect::<Vec<_>>())
}

fn signed(shape: &[usize], seed: u32) -> Tensor {
    Tensor::new(shape, &words(shape.iter().product(), seed).map(|word| word as i8).collect::<Vec<_>>())
}

fn integer(form: IntegerForm) -> Product {
    Product::Integer(IntegerMatMul { form })
}

/// A product of floats that is quantised, multiplied, and made floats by what the quantisation found: all of it may stay.
fn dynamic() -> Graph {
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 3, DEPTH]));
    let others = builder.constant("others", small(&[DEPTH, DEPTH], 1));
    let y = builder.node("first", Product::MatMul(MatMul::default()), &[x, others]).unwrap();
    let quantised = builder.node_of("quantised", Quantisation::DynamicQuantise, &[Some(y)], 3).unwrap();
    let weights = builder.constant("weights", signed(&[DEPTH, COLUMNS], 2));
    let zeros = builder.constant("zeros", signed(&[COLUMNS], 3));
    let operands = [quantised[0], weights, quantised[2], zeros];
    let sums = builder.node("sums", integer(IntegerForm::Sums), &operands).unwrap();
    let floats = builder.node("floats", Elementwise::Cast(DType::F32), &[sums]).unwrap();
    let scaled = builder.node("scaled", Elementwise::Arithmetic(Arithmetic::Mul), &[floats, quantised[1]]).unwrap();
    builder.finish(&[("scaled", scaled), ("sums", sums), ("bytes", quantised[0]), ("zero", quantised[2])])
}

/// The other forms, of floats and of bytes that come from here.
fn forms() -> Graph {
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 3, DEPTH]));
    let left = builder.input("left", Fact::new(DType::U8, [5, DEPTH]));
    let turned = builder.input("turned", Fact::new(DType::I8, [5, DEPTH]));
    let scale = builder.constant("scale", Tensor::scalar(0.03f32));
    let zero = builder.constant("zero", Tensor::scalar(113u8));
    let lower = builder.constant("lower", Tensor::scalar(-7i8));
    let right = builder.constant("right", bytes(&[DEPTH, COLUMNS], 6));
    let scales = builder.constant("scales", small(&[COLUMNS], 7));
    let zeros = builder.constant("zeros", bytes(&[COLUMNS], 8));
    let bias = builder.constant("bias", small(&[COLUMNS], 9));
    let operands = [left, scale, zero, right, scales, zeros, scale, zero];
    let unsigned = builder.node("unsigned", integer(IntegerForm::Bytes), &operands).unwrap();
    let operands = [turned, scale, lower, right, scale, zero, scale, lower];
    let lifted = builder.node("signed", integer(IntegerForm::Bytes), &operands).unwrap();
    let operands = [turned, right, scale, scales, lower, zeros, bias];
    let floats = builder.node("floats", integer(IntegerForm::Floats), &operands).unwrap();
    let dynamic = builder.node("dynamic", integer(IntegerForm::Dynamic), &[x, right, scales, zeros, bias]).unwrap();
    builder.finish(&[("unsigned", unsigned), ("signed", lifted), ("floats", floats), ("dynamic", dynamic)])
}

#[test]
fn products_of_bytes_are_those_of_the_processor() {
    drivers::on_each("integers::products_of_bytes_are_those_of_the_processor", |driver, device| {
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
        let accelerator = Arc::new(Accelerator::new(device, &verdict, 0).unwrap());
        let cpu = || Cpu::new(Kernels::Auto, 1).unwrap();
        let x = || ("x", small(&[2, 3, DEPTH], 11));
        let given = || vec![x(), ("left", bytes(&[5, DEPTH], 4)), ("turned", signed(&[5, DEPTH], 5))];
        for (graph, given) in [(dynamic(), vec![x()]), (forms(), given())] {
            let compute = |device: Arc<dyn Device>| {
                let session = Session::new(graph.clone(), device).unwrap();
                session.run(&given, &mut Budget::UNBOUNDED.clone()).unwrap()
            };
            let found = compute(Arc::new(Vulkan::new(Arc::clone(&accelerator), cpu())));
            let due = compute(Arc::new(cpu()));
            for (place, (found, due)) in found.iter().zip(&due).enumerate() {
                assert!(found == due, "{driver}: result {place}");
            }
        }
    });
}
