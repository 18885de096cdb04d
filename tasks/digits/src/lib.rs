//! Handwritten digits: trains a small network, or classifies with one, in pure wasm.
//!
//! Every operation has a fixed order, and the exponential is made of additions and multiplications, so
//! that every host, and the native tests too, make the same bits of it.

mod exponential; // e to a power
mod idx; //         images and labels, as files
mod lanes; //       four numbers at once: the SIMD
mod layer; //       a fully connected layer
mod network; //     two layers, an image's way through them and back
mod params; //      what a run may ask for
mod report; //      what the network sees, and how often it is right
mod run; //         inputs in, outputs out
mod train; //       epochs and batches
mod weights; //     a network in training, as a file

use params::{Mode, Params};

/// Trains or classifies, as the parameter `mode` says.
#[poai_task::main]
fn digits(params: Params) -> Result<(), run::DigitsError> {
    match params.mode {
        Mode::Train => run::train(&params),
        Mode::Classify => run::classify(),
    }
}
