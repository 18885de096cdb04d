//! Graphs on the device against the processor alone, bit for bit.

use std::sync::Arc;

use poai_graph::op::elementwise::{Arithmetic, Elementwise};
use poai_graph::op::image::{Convolution, Frame, Image, Layout, Padding, Spread};
use poai_graph::op::movement::Movement;
use poai_graph::op::movement::permutation::Transpose;
use poai_graph::op::movement::view::Reshape;
use poai_graph::op::product::{MatMul, MatMulForm, Product};
use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::normalisation::LayerNormalization;
use poai_graph::op::reduction::softmax::{Kind, Softmax};
use poai_graph::{Budget, Builder, Cpu, DType, Device, Fact, Graph, Op, Session, Tensor};
use poai_numerics::{Kernels, Unary};
use poai_vulkan::graph::{Accelerator, AcceleratorError, Vulkan};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;

use crate::drivers;

fn verdict(step: Option<Step>) -> Verdict {
    Verdict { step, failures: Vec::new(), undecorated: Vec::new() }
}

fn cpu() -> Cpu {
    Cpu::new(Kernels::Auto, 1).unwrap()
}

/// Numbers of all sizes, with the edges of f32 among them.
fn numbers(shape: &[usize], seed: u32) -> Tensor {
    const EDGES: [u32; 8] =
        [0x8000_0000, 0x0000_0001, 0x2b7f_ffff, 0x0d7f_ffff, 0x7f80_0000, 0xffc0_1234, 0x7f7f_ffff, 0xff80_0000];
    let count: usize = shape.iter().product();
    let values = (0..count as u32).map(|i| {
        let word = i.wrapping_add(seed).wrapping_mul(2_654_435_761);
        match word >> 24 {
            edge @ 0..8 => f32::from_bits(EDGES[edge as usize]),
            // The sign and the fraction, with an exponent near that of one.
            _ => f32::from_bits(word & 0x807f_ffff | (120 + (word >> 20 & 15)) << 23),
        }
    });
    Tensor::new(shape, &values.collect::<Vec<_>>())
}

/// An operator on operands of these shapes, of which those in `constant` are the same in every computation.
struct Case {
    op: Op,
    shapes: Vec<Vec<usize>>,
    constant: Vec<usize>,
    finite: bool,
}

/// The numbers, with 1 in place of what is not finite.
fn finite(tensor: &Tensor) -> Tensor {
    let kept = tensor.get::<f32>().unwrap().iter().map(|&number| if number.is_finite() { number } else { 1.0 });
    Tensor::new(tensor.shape(), &kept.collect::<Vec<_>>())
}

impl Case {
    fn graph(&self) -> (Graph, Vec<(String, Tensor)>) {
        let mut builder = Builder::new();
        let mut inputs = Vec::new();
        let operands = self.shapes.iter().enumerate().map(|(place, shape)| {
            let (name, tensor) = (format!("operand {place}"), numbers(shape, place as u32 * 7919));
            // Infinite weights are the processor's.
            let tensor = if place == 1 && self.finite { finite(&tensor) } else { tensor };
            if self.constant.contains(&place) {
                return builder.constant(&name, tensor);
            }
            let id = builder.input(&name, Fact::new(DType::F32, shape.iter().copied()));
            inputs.push((name, tensor));
            id
        });
        let operands: Vec<_> = operands.collect();
        let result = builder.node("node", self.op.clone(), &operands).unwrap();
        (builder.finish(&[("result", result)]), inputs)
    }

    /// What a device computes, twice, and what is left of the fuel.
    fn computed(&self, device: Arc<dyn Device>) -> (Tensor, u64) {
        let (graph, inputs) = self.graph();
        let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        let session = Session::new(graph, device).unwrap();
        let compute = || {
            let mut budget = Budget::UNBOUNDED;
            let results = session.run(&inputs, &mut budget).unwrap();
            (results.into_iter().next().unwrap(), budget.fuel)
        };
        let first = compute();
        assert_eq!(compute(), first, "a second computation");
        first
    }
}

fn case(op: impl Into<Op>, shapes: &[&[usize]], constant: &[usize]) -> Case {
    let shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
    Case { op: op.into(), shapes, constant: constant.to_vec(), finite: false }
}

fn convolutions() -> Vec<Case> {
    let convolution = |strides: &[usize], dilations: &[usize], pads: &[[usize; 2]]| Convolution {
        frame: Frame {
            kernel: Vec::new(),
            strides: strides.to_vec(),
            dilations: dilations.to_vec(),
            padding: Padding::Explicit(pads.to_vec()),
        },
        groups: 1,
        spread: None,
        activation: None,
        layout: Layout::ChannelsFirst,
    };
    let case = |op: &Convolution, shapes: &[&[usize]]| case(Image::Convolution(op.clone()), shapes, &[1, 2]);
    let plain = convolution(&[], &[], &[]);
    let padded = convolution(&[2, 1], &[1, 2], &[[1, 0], [2, 3]]);
    let activated = Convolution { activation: Some(Unary::Relu), ..padded.clone() };
    let spread = Convolution { spread: Some(Spread::default()), ..plain.clone() };
    let mut cases = vec![
        case(&plain, &[&[1, 1, 5, 5], &[1, 1, 3, 3]]),
        case(&plain, &[&[2, 4, 9], &[3, 4, 3], &[3]]),
        case(&plain, &[&[1, 4, 2], &[3, 4, 3]]),
        case(&padded, &[&[2, 3, 7, 6], &[20, 3, 3, 2], &[20]]),
        case(&convolution(&[1, 1], &[1, 1], &[[1, 1], [1, 1]]), &[&[1, 17, 6, 5], &[18, 17, 3, 3], &[18]]),
        case(&activated, &[&[2, 3, 7, 6], &[20, 3, 3, 2], &[20], &[2, 20, 3, 9]]),
        case(&Convolution { groups: 2, ..plain.clone() }, &[&[1, 4, 5, 5], &[6, 2, 3, 3]]),
        case(&Convolution { groups: 18, ..padded.clone() }, &[&[2, 18, 7, 6], &[36, 1, 3, 2], &[36]]),
        case(&Convolution { groups: 3, ..activated.clone() }, &[&[2, 6, 7, 6], &[9, 2, 3, 2], &[9], &[2, 9, 3, 9]]),
        // The processor's: what is transposed.
        case(&spread, &[&[1, 2, 4, 4], &[2, 3, 3, 3]]),
    ];
    // And weights that are not finite.
    cases.push(Case { finite: true, ..case(&padded, &[&[2, 3, 7, 6], &[20, 3, 3, 2], &[20]]) });
    cases.iter_mut().for_each(|case| case.finite = !case.finite);
    cases
}

fn products() -> Vec<Case> {
    let case =
        |op: &MatMul, shapes: &[&[usize]], constant: &[usize]| case(Product::MatMul(op.clone()), shapes, constant);
    let plain = MatMul::default();
    let turned = |left, right| MatMul { transposed: [left, right], ..MatMul::default() };
    let gemm = MatMul { form: MatMulForm::Gemm, transposed: [false, true], alpha: 0.5, beta: 3.0, activation: None };
    let with = |activation| MatMul { alpha: 0.25, activation: Some(activation), ..MatMul::default() };
    vec![
        case(&plain, &[&[1, 1], &[1, 1]], &[]),
        case(&plain, &[&[17, 33], &[33, 19]], &[1]),
        case(&plain, &[&[7], &[7, 5]], &[]),
        case(&plain, &[&[5, 7], &[7]], &[1]),
        case(&plain, &[&[7], &[7]], &[]),
        case(&plain, &[&[3, 0], &[0, 2]], &[]),
        case(&plain, &[&[0, 3], &[3, 2]], &[1]),
        case(&plain, &[&[2, 1, 5, 300], &[3, 300, 6]], &[]),
        case(&plain, &[&[2, 3, 5, 9], &[9, 18]], &[1]),
        case(&plain, &[&[4, 5, 9], &[4, 9, 18]], &[1]),
        case(&turned(true, false), &[&[9, 20], &[9, 4]], &[]),
        case(&turned(false, true), &[&[2, 20, 9], &[2, 4, 9]], &[]),
        case(&turned(true, true), &[&[9, 20], &[4, 9]], &[1]),
        case(&gemm, &[&[6, 40], &[18, 40], &[18]], &[1, 2]),
        case(&gemm, &[&[6, 40], &[18, 40], &[6, 1]], &[]),
        case(&gemm, &[&[6, 40], &[18, 40], &[6, 18]], &[1]),
        case(&with(Unary::Relu), &[&[9, 50], &[50, 31], &[31]], &[1, 2]),
        case(&with(Unary::Clip { low: -3.0, high: 6.0 }), &[&[9, 50], &[50, 31], &[31], &[9, 31]], &[1]),
        case(&with(Unary::Gelu), &[&[9, 50], &[50, 31], &[31], &[9, 31]], &[1, 2]),
    ]
}

/// Each case on every driver, as on the processor.
fn assert_the_processors(name: &str, cases: fn() -> Vec<Case>) {
    drivers::on_each(name, |driver, device| {
        let accelerator = Arc::new(Accelerator::new(device, &verdict(Some(Step::Emulated)), 0).unwrap());
        for case in cases() {
            let vulkan = Arc::new(Vulkan::new(Arc::clone(&accelerator), cpu()));
            let (found, due) = (case.computed(vulkan), case.computed(Arc::new(cpu())));
            assert_eq!(found.1, due.1, "{driver}: fuel of {:?} over {:?}", case.op, case.shapes);
            let differs = found.0 != due.0;
            assert!(!differs, "{driver}: {:?} over {:?}", case.op, case.shapes);
        }
    });
}

#[test]
fn products_are_those_of_the_processor() {
    assert_the_processors("graph::products_are_those_of_the_processor", products);
}

#[test]
fn convolutions_are_those_of_the_processor() {
    assert_the_processors("graph::convolutions_are_those_of_the_processor", convolutions);
}

#[test]
fn a_device_without_a_proof_computes_nothing() {
    drivers::on_each("graph::a_device_without_a_proof_computes_nothing", |_, device| {
        let refused = Accelerator::new(device, &verdict(None), 0).err();
        assert_eq!(refused, Some(AcceleratorError::Unproven));
    });
}

/// Numbers between -½ and ½.
fn small(shape: &[usize], seed: u32) -> Tensor {
    let word = |i: u32| i.wrapping_add(seed).wrapping_mul(2_654_435_761).cast_signed();
    let count: usize = shape.iter().product();
    Tensor::new(shape, &(0..count as u32).map(|i| word(i) as f32 * 2f32.powi(-32)).collect::<Vec<_>>())
}

/// Convolutions with residuals and activations of every kind, which all may stay on the device but for the last one's,
/// whose parameter no device takes; and a product.
fn network() -> (Graph, Tensor) {
    let mut builder = Builder::new();
    let images = small(&[2, 4, 6, 6], 3);
    let mut x = builder.input("x", Fact::new(DType::F32, [2, 4, 6, 6]));
    let frame = Frame { padding: Padding::Explicit(vec![[1, 1], [1, 1]]), ..Frame::default() };
    let layout = Layout::ChannelsFirst;
    for (turn, activation) in
        [Some(Unary::Silu), None, Some(Unary::Relu), Some(Unary::LeakyRelu(1e-30))].into_iter().enumerate()
    {
        let weights = small(&[4, 4, 3, 3], 50 + turn as u32);
        let weights = builder.constant(&format!("weights {turn}"), weights);
        let convolution = Convolution { frame: frame.clone(), groups: 1, spread: None, activation, layout };
        let y = builder.node(&format!("convolution {turn}"), Image::Convolution(convolution), &[x, weights]).unwrap();
        let sum = builder.node(&format!("sum {turn}"), Elementwise::Arithmetic(Arithmetic::Add), &[y, x]).unwrap();
        x = builder.node(&format!("gelu {turn}"), Elementwise::Function(Unary::Gelu), &[sum]).unwrap();
    }
    let weights = builder.constant("weights", small(&[6, 5], 9));
    let product = MatMul { activation: Some(Unary::Tanh), ..MatMul::default() };
    let product = builder.node("product", Product::MatMul(product), &[x, weights]).unwrap();
    (builder.finish(&[("first", x), ("second", product)]), images)
}

#[test]
fn a_network_that_stays_on_the_device_is_that_of_the_processor() {
    drivers::on_each("graph::a_network_that_stays_on_the_device_is_that_of_the_processor", |driver, device| {
        let accelerator = Arc::new(Accelerator::new(device, &verdict(Some(Step::Emulated)), 0).unwrap());
        let compute = |device: Arc<dyn Device>| {
            let (graph, images) = network();
            let session = Session::new(graph, device).unwrap();
            let mut budget = Budget::UNBOUNDED;
            let results = session.run(&[("x", images.clone())], &mut budget).unwrap();
            // Memory that results have left is used again.
            assert_eq!(session.run(&[("x", images)], &mut Budget::UNBOUNDED.clone()).unwrap(), results);
            (results, budget.fuel)
        };
        let (found, due) = (compute(Arc::new(Vulkan::new(accelerator, cpu()))), compute(Arc::new(cpu())));
        assert!(found == due, "{driver}");
        assert!(due.0[0].get::<f32>().unwrap().iter().all(|x| x.is_finite()));
    });
}

/// Attention of two heads over a batch, with its norm: everything but the operands' ways may stay on the device.
fn attention() -> Graph {
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 7, 8]));
    let shape = builder.constant("shape", Tensor::new(&[4], &[0i64, 0, 2, 4]));
    let joined = builder.constant("joined", Tensor::new(&[3], &[0i64, 0, 8]));
    let turn = |order: [i64; 4]| Movement::Transpose(Transpose { order: Some(order.to_vec()) });
    let head = |builder: &mut Builder, name: &str, order: [i64; 4]| {
        let weights = builder.constant(&format!("{name} weights"), small(&[8, 8], name.len() as u32));
        let product = builder.node(name, Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
        let split = Movement::Reshape(Reshape { allow_zero: false });
        let split = builder.node(&format!("{name} split"), split, &[product, shape]).unwrap();
        builder.node(&format!("{name} turned"), turn(order), &[split]).unwrap()
    };
    let (query, key) = (head(&mut builder, "q", [0, 2, 1, 3]), head(&mut builder, "key", [0, 2, 3, 1]));
    let value = head(&mut builder, "value", [0, 2, 1, 3]);
    let scores = MatMul { alpha: 0.5, ..MatMul::default() };
    let scores = builder.node("scores", Product::MatMul(scores), &[query, key]).unwrap();
    let softmax = Softmax { kind: Kind::Softmax, axis: -1, flattened: false };
    let shares = builder.node("shares", Reduction::Softmax(softmax), &[scores]).unwrap();
    let mixed = builder.node("mixed", Product::MatMul(MatMul::default()), &[shares, value]).unwrap();
    let mixed = builder.node("turned", turn([0, 2, 1, 3]), &[mixed]).unwrap();
    let mixed = builder.node("joined", Movement::Reshape(Reshape { allow_zero: false }), &[mixed, joined]).unwrap();
    let sum = builder.node("sum", Elementwise::Arithmetic(Arithmetic::Add), &[mixed, x]).unwrap();
    let (scale, shift) = (builder.constant("scale", small(&[8], 1)), builder.constant("shift", small(&[8], 2)));
    let norm = LayerNormalization { axis: -1, epsilon: 1e-5, root_mean_square: false, results: 1 };
    let norm = builder.node("norm", Reduction::LayerNormalization(norm), &[sum, scale, shift]).unwrap();
    builder.finish(&[("y", norm)])
}

#[test]
fn attention_is_that_of_the_processor() {
    drivers::on_each("graph::attention_is_that_of_the_processor", |driver, device| {
        let accelerator = Arc::new(Accelerator::new(device, &verdict(Some(Step::Emulated)), 0).unwrap());
        let compute = |device: Arc<dyn Device>| {
            let session = Session::new(attention(), device).unwrap();
            session.run(&[("x", small(&[2, 7, 8], 11))], &mut Budget::UNBOUNDED.clone()).unwrap()
        };
        let (found, due) = (compute(Arc::new(Vulkan::new(accelerator, cpu()))), compute(Arc::new(cpu())));
        assert!(found == due, "{driver}");
    });
}
