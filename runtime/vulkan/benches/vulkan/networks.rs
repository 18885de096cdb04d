//! Graphs of one node, and networks of the nodes that devices have kernels for.

use poai_graph::op::elementwise::{Arithmetic, Elementwise};
use poai_graph::op::image::{Convolution, Frame, Image, Layout, Padding};
use poai_graph::op::product::{MatMul, Product};
use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::normalisation::LayerNormalization;
use poai_graph::op::reduction::softmax::{Kind, Softmax};
use poai_graph::{Builder, DType, Fact, Graph, Op, Tensor, ValueId};
use poai_numerics::Unary;

/// A graph of one input, `x`.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) graph: Graph,
    pub(crate) input: Tensor,
    /// Fused steps, if it is one operation.
    pub(crate) steps: Option<f64>,
}

/// Numbers between -½ and ½, of all fractions.
fn numbers(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let word = |i: u32| i.wrapping_mul(2_654_435_761).cast_signed();
    Tensor::new(shape, &(0..count as u32).map(|i| word(i) as f32 * 2f32.powi(-32)).collect::<Vec<_>>())
}

/// A graph as it is built.
struct Net {
    builder: Builder,
    nodes: usize,
}

impl Net {
    fn subject(
        name: &'static str,
        shape: &[usize],
        steps: Option<f64>,
        build: impl FnOnce(&mut Self, ValueId) -> ValueId,
    ) -> Subject {
        let mut net = Self { builder: Builder::new(), nodes: 0 };
        let x = net.builder.input("x", Fact::new(DType::F32, shape.iter().copied()));
        let y = build(&mut net, x);
        Subject { name, graph: net.builder.finish(&[("y", y)]), input: numbers(shape), steps }
    }

    fn node(&mut self, op: impl Into<Op>, operands: &[ValueId]) -> ValueId {
        self.nodes += 1;
        self.builder.node(&format!("node {}", self.nodes), op, operands).unwrap()
    }

    fn weights(&mut self, shape: &[usize]) -> ValueId {
        self.nodes += 1;
        self.builder.constant(&format!("weights {}", self.nodes), numbers(shape))
    }

    fn product(&mut self, x: ValueId, shape: [usize; 2]) -> ValueId {
        let weights = self.weights(&shape);
        self.node(Product::MatMul(MatMul::default()), &[x, weights])
    }

    /// A convolution of 3 × 3, padded, of (results, channels of a group).
    fn convolution(&mut self, x: ValueId, [results, channels]: [usize; 2], groups: usize) -> ValueId {
        let weights = self.weights(&[results, channels, 3, 3]);
        let frame = Frame { padding: Padding::Explicit(vec![[1, 1], [1, 1]]), ..Frame::default() };
        let layout = Layout::ChannelsFirst;
        let convolution = Convolution { frame, groups, spread: None, activation: Some(Unary::Relu), layout };
        self.node(Image::Convolution(convolution), &[x, weights])
    }

    fn sum(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.node(Elementwise::Arithmetic(Arithmetic::Add), &[a, b])
    }

    fn norm(&mut self, x: ValueId, width: usize) -> ValueId {
        let (scale, shift) = (self.weights(&[width]), self.weights(&[width]));
        let norm = LayerNormalization { axis: -1, epsilon: 1e-5, root_mean_square: false, results: 1 };
        self.node(Reduction::LayerNormalization(norm), &[x, scale, shift])
    }
}

pub(crate) fn all() -> Vec<Subject> {
    vec![
        Net::subject("product 512³", &[512, 512], Some(512f64.powi(3)), |net, x| net.product(x, [512, 512])),
        Net::subject("row by 1024²", &[1, 1024], Some(1024f64.powi(2)), |net, x| net.product(x, [1024, 1024])),
        Net::subject(
            "convolution 3 × 3, 64 of 56²",
            &[1, 64, 56, 56],
            Some(56f64.powi(2) * 9.0 * 4096.0),
            |net, x| net.convolution(x, [64, 64], 1),
        ),
        Net::subject(
            "convolution by channel, 64 of 112²",
            &[1, 64, 112, 112],
            Some(112f64.powi(2) * 9.0 * 64.0),
            |net, x| net.convolution(x, [64, 1], 64),
        ),
        Net::subject("perceptron, 4 layers of 256", &[128, 256], None, |net, mut x| {
            for _ in 0..4 {
                let inner = net.product(x, [256, 1024]);
                let inner = net.node(Elementwise::Function(Unary::Gelu), &[inner]);
                let outer = net.product(inner, [1024, 256]);
                let sum = net.sum(outer, x);
                x = net.norm(sum, 256);
            }
            let softmax = Softmax { kind: Kind::Softmax, axis: -1, flattened: false };
            net.node(Reduction::Softmax(softmax), &[x])
        }),
        Net::subject("residual blocks, 4 of 32 × 28²", &[1, 32, 28, 28], None, |net, mut x| {
            for _ in 0..4 {
                let inner = net.convolution(x, [32, 1], 32);
                let inner = net.convolution(inner, [32, 32], 1);
                let sum = net.sum(inner, x);
                x = net.node(Elementwise::Function(Unary::HardSwish), &[sum]);
            }
            x
        }),
    ]
}
