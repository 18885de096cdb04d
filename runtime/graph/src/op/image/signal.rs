//! Signals: Fourier transforms, window functions, mel scales.

mod fourier; // DFT
mod mel; // MelWeightMatrix
mod rotation; // sines and cosines of parts of a turn
mod short_time; // STFT
mod window; // HannWindow, HammingWindow, BlackmanWindow

use super::{Image, Operation};
use crate::onnx::Source;
use crate::op::operand::{given, integer};
use crate::{Cost, Cpu, Fact, OpError, Tensor};

pub use fourier::Fourier;
pub use mel::Mel;
pub use short_time::ShortTime;
pub use window::SignalWindow;

/// Operators on signals.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// DFT.
    Fourier(Fourier),
    /// STFT.
    ShortTime(ShortTime),
    /// HannWindow, HammingWindow, BlackmanWindow.
    Window(SignalWindow),
    /// MelWeightMatrix.
    Mel(Mel),
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Image>, OpError> {
    let signal = match &source.qualified_operator()[..] {
        "DFT" => Signal::Fourier(Fourier::import(source)?),
        "STFT" => Signal::ShortTime(ShortTime::import(source)?),
        "HannWindow" => Signal::Window(SignalWindow::import(source, window::HANN)?),
        "HammingWindow" => Signal::Window(SignalWindow::import(source, window::HAMMING)?),
        "BlackmanWindow" => Signal::Window(SignalWindow::import(source, window::BLACKMAN)?),
        "MelWeightMatrix" => Signal::Mel(Mel::import(source)?),
        _ => return Ok(None),
    };
    Ok(Some(Image::Signal(signal)))
}

impl Signal {
    fn operation(&self) -> &dyn Operation {
        match self {
            Self::Fourier(operation) => operation,
            Self::ShortTime(operation) => operation,
            Self::Window(operation) => operation,
            Self::Mel(operation) => operation,
        }
    }
}

impl Operation for Signal {
    fn name(&self) -> &'static str {
        self.operation().name()
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        self.operation().infer(inputs)
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        self.operation().cost(inputs, outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        self.operation().run(cpu, inputs)
    }
}

/// A length that an operand says, if its value is known.
fn length(inputs: &[Option<&Fact>], index: usize, what: &str) -> Result<Option<usize>, OpError> {
    given(inputs, index).and_then(|fact| fact.value.as_ref()).map(|value| length_of(value, what)).transpose()
}

/// A length that a tensor says.
fn length_of(value: &Tensor, what: &str) -> Result<usize, OpError> {
    /// No signal is longer, so that lengths can be added and multiplied with small numbers.
    const MOST: i64 = 1 << 40;
    match integer(value)? {
        length @ 0..=MOST => Ok(length as usize),
        other => Err(OpError::new(format!("{what} is {other}"))),
    }
}
