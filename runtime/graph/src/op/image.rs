//! Convolution, pooling, resizing: operators on images, and on signals.
//!
//! Kernels compute channels last; operands that lie as ONNX has them are turned on the way in and out. Every operator
//! says in which [`Layout`] its operands and results lie, so that a rewrite can leave those turns out.

mod affine; // AffineGrid
mod convolution; // Conv, ConvTranspose, FusedConv
mod frame; // kernel, strides, dilations, padding
mod global; // pools of whole images
mod grid; // GridSample
mod integers; // ConvInteger, QLinearConv
mod layout; // how images lie in memory
mod patches; // Col2Im
mod pooling; // MaxPool, AveragePool, LpPool
mod power; // the p of a norm
mod regions; // RoiAlign
mod resize; // Resize, Upsample
mod signal; // DFT, STFT, window functions, mel scales
mod unpool; // MaxUnpool

#[cfg(test)]
mod trial; // how the tests run an operator

use super::{Op, Operation};
use crate::onnx::Source;
use crate::{Cost, Cpu, DType, Fact, Kernel, OpError, Tensor};

pub use affine::AffineGrid;
pub use convolution::{Convolution, Gathering, Spread};
pub use frame::{Frame, Padding};
pub use global::GlobalPool;
pub use grid::{GridSample, Outside, Sampling};
pub use integers::IntegerConvolution;
pub use layout::Layout;
pub use patches::ColumnsToImage;
pub use pooling::{Pool, PoolKind};
pub use power::Power;
pub use regions::RoiAlign;
pub use resize::{Coordinates, Fit, Interpolation, Nearest, Resize};
pub use signal::{Fourier, Mel, ShortTime, Signal, SignalWindow};
pub use unpool::MaxUnpool;

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// Conv, ConvTranspose, FusedConv.
    Convolution(Convolution),
    /// ConvInteger, QLinearConv.
    IntegerConvolution(IntegerConvolution),
    /// MaxPool, AveragePool, LpPool.
    Pool(Pool),
    /// GlobalMaxPool, GlobalAveragePool, GlobalLpPool.
    GlobalPool(GlobalPool),
    /// Resize, Upsample.
    Resize(Resize),
    /// GridSample.
    GridSample(GridSample),
    /// AffineGrid.
    AffineGrid(AffineGrid),
    /// MaxUnpool.
    MaxUnpool(MaxUnpool),
    /// Col2Im.
    ColumnsToImage(ColumnsToImage),
    /// RoiAlign.
    RoiAlign(RoiAlign),
    /// Operators on signals.
    Signal(Signal),
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    let image = match &source.qualified_operator()[..] {
        "Conv" => convolution::import(source)?,
        "ConvTranspose" => convolution::import_transposed(source)?,
        "com.microsoft.FusedConv" => convolution::import_fused(source)?,
        "ConvInteger" => integers::import(source)?,
        "QLinearConv" => integers::import_requantised(source)?,
        "MaxPool" => pooling::import_max(source)?,
        "AveragePool" => pooling::import_average(source)?,
        "LpPool" => pooling::import_norm(source)?,
        "GlobalMaxPool" => Image::GlobalPool(GlobalPool::max()),
        "GlobalAveragePool" => Image::GlobalPool(GlobalPool::average()),
        "GlobalLpPool" => global::import_norm(source)?,
        "GridSample" => grid::import(source)?,
        "AffineGrid" => affine::import(source)?,
        "Col2Im" => patches::import(source)?,
        "RoiAlign" => regions::import(source)?,
        "MaxUnpool" => unpool::import(source)?,
        "Resize" => resize::import(source)?,
        "Upsample" => resize::import_upsample(source)?,
        _ => return Ok(signal::import(source)?.map(Op::Image)),
    };
    Ok(Some(Op::Image(image)))
}

impl Image {
    /// The same operator on images that lie channels last, and whether it computes on them so; none if there is none.
    /// Its first operand is an image, and a convolution's residual, [`Convolution::RESIDUAL`].
    pub(crate) fn channels_last(&self) -> Option<(Self, bool)> {
        let layout = Layout::ChannelsLast;
        match self.clone() {
            Self::Convolution(op) => Some((Self::Convolution(Convolution { layout, ..op }), true)),
            Self::IntegerConvolution(mut op) => {
                op.convolution.layout = layout;
                Some((Self::IntegerConvolution(op), true))
            }
            Self::Pool(Pool { kind: PoolKind::MaxWithPlaces { .. }, .. }) => None,
            Self::Pool(op) => Some((Self::Pool(Pool { layout, ..op }), true)),
            Self::GlobalPool(mut op) => {
                op.layout = layout;
                Some((Self::GlobalPool(op), false))
            }
            Self::Resize(op) => Some((Self::Resize(Resize { layout, ..op }), false)),
            _ => None,
        }
    }

    fn operation(&self) -> &dyn Operation {
        match self {
            Self::Convolution(operation) => operation,
            Self::IntegerConvolution(operation) => operation,
            Self::Pool(operation) => operation,
            Self::GlobalPool(operation) => operation,
            Self::Resize(operation) => operation,
            Self::GridSample(operation) => operation,
            Self::AffineGrid(operation) => operation,
            Self::MaxUnpool(operation) => operation,
            Self::ColumnsToImage(operation) => operation,
            Self::RoiAlign(operation) => operation,
            Self::Signal(operation) => operation,
        }
    }
}

impl Operation for Image {
    fn name(&self) -> &'static str {
        self.operation().name()
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        self.operation().infer(inputs)
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        self.operation().cost(inputs, outputs)
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        self.operation().prepare(cpu, constants)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        self.operation().run(cpu, inputs)
    }
}

/// An error unless these are floats that are computed as f32.
fn float_type(dtype: DType) -> Result<(), OpError> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(()),
        other => Err(OpError::unsupported(format!("{other} elements"))),
    }
}
