//! Rewritten graphs give the bits of the graphs that they were.

use std::sync::Arc;

use poai_numerics::{Kernels, Unary};

use super::{channels, epilogue, layout};
use crate::graph::ValueId;
use crate::op::elementwise::{Arithmetic, Elementwise};
use crate::op::image::{
    Convolution, Frame, GlobalPool, Image, Interpolation, Layout, Padding, Pool, PoolKind, Resize, Spread,
};
use crate::op::movement::Movement;
use crate::op::movement::join::Concat;
use crate::op::movement::pad::{Mode, Pad};
use crate::op::movement::permutation::Transpose;
use crate::op::movement::slice::Slice;
use crate::op::movement::split::Split;
use crate::op::product::{MatMul, Product};
use crate::op::quantisation::{Quantisation, Scaling};
use crate::op::reduction::batch::BatchNormalization;
use crate::op::reduction::reduce::{Kind, Reduce};
use crate::{Budget, Builder, Cpu, DType, Fact, Graph, Op, Session, Tensor};

/// Computes a graph node by node, as it stands.
fn compute(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    graph.inputs.iter().zip(inputs).for_each(|(id, tensor)| values[id.index()] = Some(tensor.clone()));
    graph.constants.iter().for_each(|(id, tensor)| values[id.index()] = Some(tensor.clone()));
    for node in &graph.nodes {
        let operands: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| values[id.index()].as_ref())).collect();
        assert!(node.inputs.iter().zip(&operands).all(|(id, operand)| id.is_some() == operand.is_some()), "{node:?}");
        let facts: Vec<_> = operands.iter().map(|tensor| tensor.map(Fact::of)).collect();
        let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
        node.op.operation().infer(&facts).unwrap_or_else(|error| panic!("{node:?}: {error}"));
        let results = node.op.operation().run(&cpu, &operands).unwrap_or_else(|error| panic!("{node:?}: {error}"));
        for (id, result) in node.outputs.iter().zip(results) {
            values[id.unwrap().index()] = Some(result);
        }
    }
    graph.outputs.iter().map(|id| values[id.index()].clone().unwrap()).collect()
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: u64) -> usize {
        (self.next() % end) as usize
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect();
        Tensor::new(shape, &values)
    }
}

fn convolution() -> Convolution {
    let frame = Frame { padding: Padding::Explicit(vec![[1, 1], [1, 1]]), ..Frame::default() };
    Convolution { frame, groups: 1, spread: None, activation: None, layout: Layout::ChannelsFirst }
}

/// Channels and side of all images; whatever is done to them keeps both, so that anything may follow.
const CHANNELS: usize = 6;
const SIDE: usize = 5;

/// One step of a random graph of images, from those that were computed before.
fn step(builder: &mut Builder, numbers: &mut Numbers, name: &str, values: &[ValueId]) -> ValueId {
    let image = values[numbers.below(values.len() as u64)];
    let other = values[numbers.below(values.len() as u64)];
    let constant = |builder: &mut Builder, tensor: Tensor| builder.constant(&format!("{name}/constant"), tensor);
    let three = || Frame { kernel: vec![3, 3], ..convolution().frame };
    let node = |builder: &mut Builder, op: Op, inputs: &[ValueId]| builder.node(name, op, inputs).unwrap();
    let weights = |builder: &mut Builder, numbers: &mut Numbers, shape: &[usize]| {
        let weights = numbers.tensor(shape);
        constant(builder, weights)
    };
    match numbers.below(18) {
        0 | 1 => {
            let weights = weights(builder, numbers, &[CHANNELS, CHANNELS, 3, 3]);
            node(builder, Image::Convolution(convolution()).into(), &[image, weights])
        }
        2 => {
            let weights = weights(builder, numbers, &[CHANNELS, 1, 3, 3]);
            let depthwise = Convolution { groups: CHANNELS, spread: Some(Spread::default()), ..convolution() };
            node(builder, Image::Convolution(depthwise).into(), &[image, weights])
        }
        3 => {
            let kinds = [PoolKind::Max, PoolKind::Average { with_padding: true }];
            let kind = kinds[numbers.below(2)].clone();
            let pool = Pool { kind, frame: three(), ceiling: false, layout: Layout::ChannelsFirst };
            node(builder, Image::Pool(pool).into(), &[image])
        }
        4 => node(builder, Elementwise::Function([Unary::Relu, Unary::Tanh][numbers.below(2)]).into(), &[image]),
        5 | 6 => node(builder, Elementwise::Arithmetic(Arithmetic::Add).into(), &[image, other]),
        7 => {
            let shapes: [&[usize]; 4] = [&[CHANNELS, 1, 1], &[1, CHANNELS, 1, 1], &[SIDE], &[]];
            let shape = shapes[numbers.below(4)];
            let term = weights(builder, numbers, shape);
            node(builder, Elementwise::Arithmetic(Arithmetic::Add).into(), &[term, image])
        }
        8 => {
            let joined = builder.node(&format!("{name}/joined"), Concat { axis: -3 }, &[image, other]).unwrap();
            let weights = weights(builder, numbers, &[CHANNELS, 2 * CHANNELS, 1, 1]);
            let plain = Convolution { frame: Frame::default(), ..convolution() };
            node(builder, Image::Convolution(plain).into(), &[joined, weights])
        }
        9 => {
            let pooled = Image::GlobalPool(GlobalPool::average());
            let pooled = builder.node(&format!("{name}/pooled"), pooled, &[image]).unwrap();
            node(builder, Elementwise::Arithmetic(Arithmetic::Mul).into(), &[image, pooled])
        }
        10 => {
            let scales = constant(builder, Tensor::new::<f32>(&[4], &[1.0, 1.0, 2.0, 2.0]));
            let resize = Resize { interpolation: Interpolation::Linear, ..Resize::NEAREST };
            let inputs = [Some(image), None, Some(scales)];
            let large = builder.node_of(&format!("{name}/large"), Image::Resize(resize), &inputs, 1).unwrap()[0];
            let frame = Frame { strides: vec![2, 2], ..three() };
            let pool = Pool { kind: PoolKind::Max, frame, ceiling: false, layout: Layout::ChannelsFirst };
            node(builder, Image::Pool(pool).into(), &[large])
        }
        11 => {
            let sizes = constant(builder, Tensor::new::<i64>(&[2], &[2, CHANNELS as i64 - 2]));
            let split = Split { axis: 1, parts: 2, uneven: false };
            let parts = builder.node_of(&format!("{name}/parts"), split, &[Some(image), Some(sizes)], 2).unwrap();
            node(builder, Concat { axis: 1 }.into(), &[parts[1], parts[0]])
        }
        12 => {
            let bounds = [[0, 0], [3, 6], [1, 2], [1, 1]].map(|list| Tensor::new::<i64>(&[2], &list));
            let bounds = bounds.map(|list| Some(constant(builder, list)));
            let inputs: Vec<_> = [Some(image)].into_iter().chain(bounds).collect();
            let part = builder.node_of(&format!("{name}/part"), Slice, &inputs, 1).unwrap()[0];
            let rest = builder.node(&format!("{name}/rest"), Concat { axis: 1 }, &[part, part]).unwrap();
            let pads = constant(builder, Tensor::new::<i64>(&[8], &[0, 0, 0, 0, 0, 0, 0, 0]));
            node(builder, Pad { mode: Mode::Edge }.into(), &[rest, pads])
        }
        13 => {
            let axes = constant(builder, Tensor::new::<i64>(&[2], &[-1, 2]));
            let reduce = Reduce { kind: Kind::Mean, keep: true, none_if_empty: false };
            let means = builder.node(&format!("{name}/means"), reduce, &[image, axes]).unwrap();
            node(builder, Elementwise::Arithmetic(Arithmetic::Sub).into(), &[image, means])
        }
        14 => {
            let scale = weights(builder, numbers, &[CHANNELS]);
            let parameters: Vec<_> = (0..2).map(|_| weights(builder, numbers, &[CHANNELS])).collect();
            let variance = constant(builder, Tensor::new(&[CHANNELS], &[0.1f32, 0.2, 0.4, 0.8, 1.6, 3.2]));
            let inputs = [image, scale, parameters[0], parameters[1], variance];
            node(builder, BatchNormalization { epsilon: 0.5 }.into(), &inputs)
        }
        15 => {
            let scale = constant(builder, Tensor::new(&[CHANNELS], &[0.01f32, 0.02, 0.03, 0.04, 0.05, 0.06]));
            let zero = constant(builder, Tensor::new(&[CHANNELS], &[0i8, 1, 2, 3, 4, 5]));
            let scaling = Scaling { axis: 1, block: 0, to: None };
            let bytes = builder.node(&format!("{name}/bytes"), Quantisation::Quantise(scaling), &[image, scale, zero]);
            node(builder, Quantisation::Dequantise(scaling).into(), &[bytes.unwrap(), scale, zero])
        }
        16 => node(builder, Elementwise::Dropout { mask_of_numbers: false }.into(), &[image]),
        _ => {
            let pads = constant(builder, Tensor::new::<i64>(&[8], &[0, 0, 1, 0, 0, 0, 0, 1]));
            let padded = Pad { mode: Mode::Edge };
            let padded = builder.node(&format!("{name}/padded"), padded, &[image, pads]).unwrap();
            let frame = Frame { kernel: vec![2, 2], ..Frame::default() };
            let pool = Pool { kind: PoolKind::Max, frame, ceiling: false, layout: Layout::ChannelsFirst };
            node(builder, Image::Pool(pool).into(), &[padded])
        }
    }
}

fn random_images(seed: u64) -> (Graph, Vec<Tensor>) {
    let (mut builder, mut numbers) = (Builder::new(), Numbers(seed));
    let shape = [2, CHANNELS, SIDE, SIDE];
    let mut values = vec![builder.input("x", Fact::new(DType::F32, shape))];
    for place in 0..12 {
        let value = step(&mut builder, &mut numbers, &format!("node {place}"), &values);
        values.push(value);
    }
    let turned = builder.node("turned", Transpose { order: Some(vec![0, 2, 3, 1]) }, &values[11..12]).unwrap();
    let axes = builder.constant("axes", Tensor::new::<i64>(&[2], &[2, 3]));
    let reduce = Reduce { kind: Kind::Max, keep: false, none_if_empty: false };
    let greatest = builder.node("greatest", reduce, &[values[10], axes]).unwrap();
    let outputs = [("last", values[12]), ("middle", values[6]), ("turned", turned), ("greatest", greatest)];
    let graph = builder.finish(&outputs);
    (graph, vec![numbers.tensor(&shape)])
}

#[test]
fn random_graphs_of_images_keep_every_bit() {
    for seed in 0..80 {
        let (graph, inputs) = random_images(seed);
        let expected = compute(&graph, &inputs);
        let mut turned = graph.clone();
        layout::keep_channels_last(&mut turned).unwrap();
        assert_eq!(compute(&turned, &inputs), expected, "layout of {seed}");
        let mut fused = graph.clone();
        epilogue::fuse(&mut fused);
        assert_eq!(compute(&fused, &inputs), expected, "epilogues of {seed}");
        layout::keep_channels_last(&mut fused).unwrap();
        assert_eq!(compute(&fused, &inputs), expected, "both of {seed}");
        let mut all = graph.clone();
        channels::take_apart(&mut all);
        epilogue::fuse(&mut all);
        layout::keep_channels_last(&mut all).unwrap();
        assert_eq!(compute(&all, &inputs), expected, "all of {seed}");
    }
}

/// Groups of nodes, memory that is used again, and threads come only with a session.
#[test]
fn sessions_of_random_graphs_keep_every_bit_on_all_kernels() {
    for seed in 100..130 {
        let (graph, inputs) = random_images(seed);
        let expected = compute(&graph, &inputs);
        for kernels in Kernels::available() {
            let session = Session::new(graph.clone(), Arc::new(Cpu::new(kernels, 2).unwrap())).unwrap();
            for turn in 0..2 {
                let found = session.run(&[("x", inputs[0].clone())], &mut Budget::UNBOUNDED.clone()).unwrap();
                assert_eq!(found, expected, "{seed} on {kernels}, turn {turn}");
                found.into_iter().for_each(|value| session.device().release(value));
            }
        }
    }
}

#[test]
fn a_batch_norm_after_a_convolution_leaves_two_operators_of_its_own() {
    let (mut builder, mut numbers) = (Builder::new(), Numbers(11));
    let image = builder.input("x", Fact::new(DType::F32, [1, CHANNELS, SIDE, SIDE]));
    let weights = builder.constant("w", numbers.tensor(&[CHANNELS, CHANNELS, 3, 3]));
    let variance = builder.constant("v", Tensor::new(&[CHANNELS], &[0.25f32; CHANNELS]));
    let [scale, shift, mean] = ["s", "b", "m"].map(|name| builder.constant(name, numbers.tensor(&[CHANNELS])));
    let sums = builder.node("conv", Image::Convolution(convolution()), &[image, weights]).unwrap();
    let norm = BatchNormalization { epsilon: 1e-5 };
    let result = builder.node("norm", norm, &[sums, scale, shift, mean, variance]).unwrap();
    let mut graph = builder.finish(&[("y", result)]);
    let inputs = [numbers.tensor(&[1, CHANNELS, SIDE, SIDE])];
    let expected = compute(&graph, &inputs);
    channels::take_apart(&mut graph);
    epilogue::fuse(&mut graph);
    assert_eq!(graph.nodes.len(), 3);
    assert_eq!(compute(&graph, &inputs), expected);
}

fn transposes(graph: &Graph) -> usize {
    graph.nodes.iter().filter(|node| matches!(node.op, Op::Movement(Movement::Transpose(_)))).count()
}

#[test]
fn a_residual_block_is_turned_once_in_and_once_out_and_fused_whole() {
    let (mut builder, mut numbers) = (Builder::new(), Numbers(7));
    let image = builder.input("x", Fact::new(DType::F32, [1, CHANNELS, SIDE, SIDE]));
    let mut value = image;
    for place in 0..2 {
        let weights = builder.constant(&format!("w{place}"), numbers.tensor(&[CHANNELS, CHANNELS, 3, 3]));
        let bias = builder.constant(&format!("b{place}"), numbers.tensor(&[1, CHANNELS, 1, 1]));
        let add = Elementwise::Arithmetic(Arithmetic::Add);
        value = builder.node(&format!("conv{place}"), Image::Convolution(convolution()), &[value, weights]).unwrap();
        value = builder.node(&format!("add{place}"), add.clone(), &[value, bias]).unwrap();
        if place == 1 {
            value = builder.node("residual", add, &[value, image]).unwrap();
        }
        value = builder.node(&format!("relu{place}"), Elementwise::Function(Unary::Relu), &[value]).unwrap();
    }
    let mut graph = builder.finish(&[("y", value)]);
    let inputs = [numbers.tensor(&[1, CHANNELS, SIDE, SIDE])];
    let expected = compute(&graph, &inputs);
    epilogue::fuse(&mut graph);
    assert_eq!(graph.nodes.len(), 2);
    layout::keep_channels_last(&mut graph).unwrap();
    assert_eq!((graph.nodes.len(), transposes(&graph)), (4, 2));
    assert_eq!(compute(&graph, &inputs), expected);
}

#[test]
fn products_take_a_bias_a_residual_and_an_activation() {
    let (mut builder, mut numbers) = (Builder::new(), Numbers(3));
    let left = builder.input("x", Fact::new(DType::F32, [2, 4, 8]));
    let right = builder.constant("w", numbers.tensor(&[8, 8]));
    let bias = builder.constant("b", numbers.tensor(&[8]));
    let add = Elementwise::Arithmetic(Arithmetic::Add);
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[left, right]).unwrap();
    let biased = builder.node("biased", add.clone(), &[bias, product]).unwrap();
    let sum = builder.node("sum", add, &[biased, left]).unwrap();
    let active = builder.node("active", Elementwise::Function(Unary::Gelu), &[sum]).unwrap();
    let mut graph = builder.finish(&[("y", active)]);
    let inputs = [numbers.tensor(&[2, 4, 8])];
    let expected = compute(&graph, &inputs);
    epilogue::fuse(&mut graph);
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(compute(&graph, &inputs), expected);
}

#[test]
fn what_would_change_a_shape_or_is_read_twice_stays() {
    let mut builder = Builder::new();
    let left = builder.input("x", Fact::new(DType::F32, [1, 8]));
    let right = builder.input("w", Fact::new(DType::F32, [8, 8]));
    let many = builder.input("m", Fact::new(DType::F32, [4, 8]));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[left, right]).unwrap();
    let wider = builder.node("wider", Elementwise::Arithmetic(Arithmetic::Add), &[product, many]).unwrap();
    let twice = builder.node("twice", Product::MatMul(MatMul::default()), &[left, right]).unwrap();
    let active = builder.node("active", Elementwise::Function(Unary::Relu), &[twice]).unwrap();
    let mut graph = builder.finish(&[("wider", wider), ("active", active), ("twice", twice)]);
    epilogue::fuse(&mut graph);
    assert_eq!(graph.nodes.len(), 4);
}
