//! What is gathered, joined and added where it lies on the device, against the processor.

use std::sync::Arc;

use poai_graph::op::movement::Movement;
use poai_graph::op::movement::gather::Gather;
use poai_graph::op::movement::join::Concat;
use poai_graph::op::product::{MatMul, Product};
use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::skip::SkipLayerNormalization;
use poai_graph::{Budget, Builder, Cpu, DType, Device, Fact, Graph, Op, Session, Tensor};
use poai_numerics::Kernels;
use poai_vulkan::graph::{Accelerator, Vulkan};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;

use crate::drivers;

/// Numbers between -½ and ½.
fn small(shape: &[usize], seed: u32) -> Tensor {
    let word = |i: u32| i.wrapping_add(seed).wrapping_mul(2_654_435_761).cast_signed();
    let count: usize = shape.iter().product();
    Tensor::new(shape, &(0..count as u32).map(|i| word(i) as f32 * 2f32.powi(-32)).collect::<Vec<_>>())
}

/// A product, of which parts are chosen, put behind each other and before others, and normalised as sums.
fn graph() -> Graph {
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 5, 6]));
    let weights = builder.constant("weights", small(&[6, 7], 5));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
    let several = builder.constant("several", Tensor::new(&[2, 2], &[4i64, -2, 0, 0]));
    let single = builder.constant("single", Tensor::scalar(-1i32));
    let others = builder.constant("others", small(&[2, 3, 7], 6));
    let gather = |axis| -> Op { Movement::Gather(Gather { axis }).into() };
    let concat = |axis| -> Op { Movement::Concat(Concat { axis }).into() };
    let chosen = builder.node("chosen", gather(1), &[product, several]).unwrap();
    let last = builder.node("last", gather(2), &[product, single]).unwrap();
    let first = builder.node("first", gather(0), &[product, single]).unwrap();
    let joined = builder.node("joined", concat(1), &[others, product, product, others]).unwrap();
    let turned = builder.node("turned", concat(-1), &[product, product]).unwrap();
    let [scale, shift, bias] = [7, 8, 9].map(|seed| builder.constant(&format!("row {seed}"), small(&[7], seed)));
    let norm = |simplified| -> Op {
        Reduction::SkipLayerNormalization(SkipLayerNormalization { epsilon: 1e-12, simplified, results: 1 }).into()
    };
    let operands = [product, product, scale, shift, bias];
    let normal = builder.node("normal", norm(false), &operands).unwrap();
    let places = builder.constant("places", small(&[1, 5, 7], 10));
    let simple = builder.node("simple", norm(true), &[normal, places, scale]).unwrap();
    let results = [chosen, last, first, joined, turned, normal, simple];
    let names: Vec<String> = (0..results.len()).map(|place| format!("result {place}")).collect();
    builder.finish(&names.iter().map(String::as_str).zip(results).collect::<Vec<_>>())
}

#[test]
fn what_is_moved_is_that_of_the_processor() {
    drivers::on_each("movement::what_is_moved_is_that_of_the_processor", |driver, device| {
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
        let accelerator = Arc::new(Accelerator::new(device, &verdict, 0).unwrap());
        let cpu = || Cpu::new(Kernels::Auto, 1).unwrap();
        let compute = |device: Arc<dyn Device>| {
            let session = Session::new(graph(), device).unwrap();
            session.run(&[("x", small(&[2, 5, 6], 11))], &mut Budget::UNBOUNDED.clone()).unwrap()
        };
        let (found, due) = (compute(Arc::new(Vulkan::new(accelerator, cpu()))), compute(Arc::new(cpu())));
        for (place, (found, due)) in found.iter().zip(&due).enumerate() {
            assert!(found == due, "{driver}: result {place}");
        }
    });
}
