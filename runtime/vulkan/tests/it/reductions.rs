//! Axes, images and windows that become one number each, where the operand lies on the device, against the processor.

use std::sync::Arc;

use poai_graph::op::image::{Convolution, Frame, GlobalPool, Image, Layout, Padding, Pool, PoolKind};
use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::reduce::{Kind, Reduce};
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

fn pool(kind: PoolKind, kernel: [usize; 2], strides: [usize; 2], pads: [[usize; 2]; 2], ceiling: bool) -> Op {
    let padding = Padding::Explicit(pads.to_vec());
    let frame = Frame { kernel: kernel.to_vec(), strides: strides.to_vec(), dilations: Vec::new(), padding };
    Image::Pool(Pool { kind, frame, ceiling, layout: Layout::ChannelsFirst }).into()
}

/// A convolution, and all that is made of its one result.
fn graph() -> Graph {
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 3, 8, 9]));
    let weights = builder.constant("weights", small(&[5, 3, 1, 1], 5));
    let convolution = Convolution {
        frame: Frame::default(),
        groups: 1,
        spread: None,
        activation: None,
        layout: Layout::ChannelsFirst,
    };
    let images = builder.node("convolution", Image::Convolution(convolution), &[x, weights]).unwrap();
    let mut results = Vec::new();
    let average = |with_padding| PoolKind::Average { with_padding };
    let pools = [
        pool(PoolKind::Max, [3, 2], [2, 2], [[1, 0], [0, 1]], false),
        pool(average(false), [3, 3], [2, 2], [[1, 1], [1, 1]], true),
        pool(average(true), [2, 3], [1, 2], [[0, 1], [2, 0]], false),
        Image::GlobalPool(GlobalPool::max()).into(),
        Image::GlobalPool(GlobalPool::average()).into(),
        // The processor's.
        pool(PoolKind::MaxWithPlaces { column_major: false }, [2, 2], [1, 1], [[0, 0], [0, 0]], false),
    ];
    for (place, op) in pools.into_iter().enumerate() {
        results.push((format!("pool {place}"), builder.node(&format!("pool {place}"), op, &[images]).unwrap()));
    }
    // The last two are the processor's.
    for (place, (kind, axes)) in [
        (Kind::Sum, &[1i64][..]),
        (Kind::Mean, &[-1, -2]),
        (Kind::Norm, &[3]),
        (Kind::Max, &[0, 1, 2, 3]),
        (Kind::Min, &[0]),
        (Kind::Product, &[2]),
        (Kind::SumOfSquares, &[1, 3]),
        (Kind::LogSumExp, &[3]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("reduction {place}");
        let axes = builder.constant(&format!("axes {place}"), Tensor::new(&[axes.len()], axes));
        let op = Reduction::Reduce(Reduce { kind, keep: place % 2 == 0, none_if_empty: false });
        results.push((name.clone(), builder.node(&name, op, &[images, axes]).unwrap()));
    }
    builder.finish(&results.iter().map(|(name, id)| (name.as_str(), *id)).collect::<Vec<_>>())
}

#[test]
fn reductions_and_pools_are_those_of_the_processor() {
    drivers::on_each("reductions::reductions_and_pools_are_those_of_the_processor", |driver, device| {
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
        let accelerator = Arc::new(Accelerator::new(device, &verdict, 0).unwrap());
        let cpu = || Cpu::new(Kernels::Auto, 1).unwrap();
        let compute = |device: Arc<dyn Device>| {
            let session = Session::new(graph(), device).unwrap();
            session.run(&[("x", small(&[2, 3, 8, 9], 11))], &mut Budget::UNBOUNDED.clone()).unwrap()
        };
        let (found, due) = (compute(Arc::new(Vulkan::new(accelerator, cpu()))), compute(Arc::new(cpu())));
        for (place, (found, due)) in found.iter().zip(&due).enumerate() {
            assert!(found == due, "{driver}: result {place}");
        }
    });
}
