//! From samples to probabilities.

use poai_task::nn::{Error, Model, Tensor};

use crate::audio::Audio;

/// Numbers that the model remembers from piece to piece.
const STATE: usize = 2 * 128;
/// How often progress is told, in pieces.
const TOLD_PIECES: usize = 256;

/// How likely each piece is speech.
pub(crate) fn probabilities(audio: &Audio) -> Result<Vec<f32>, Error> {
    let model = Model::named("silero")?;
    let piece = audio.piece();
    // The model hears the last eighth of the piece before, too.
    let before = piece / 8;
    let mut heard = vec![0.0; before + piece];
    let mut state = Tensor::new(&[2, 1, 128], &[0.0_f32; STATE]);
    let total = audio.samples.len().div_ceil(piece);
    let mut probabilities = Vec::with_capacity(total);
    for (number, samples) in audio.samples.chunks(piece).enumerate() {
        heard.copy_within(piece.., 0);
        heard[before..before + samples.len()].copy_from_slice(samples);
        heard[before + samples.len()..].fill(0.0);
        let mut results = model.compute([
            ("input", Tensor::new(&[1, heard.len()], &heard)),
            ("state", state),
            ("sr", Tensor::new(&[], &[i64::from(audio.rate)])),
        ])?;
        probabilities.extend(results.take("output")?.values::<f32>()?);
        state = results.take("stateN")?;
        if number % TOLD_PIECES == 0 {
            poai_task::progress(number as u64, total as u64, "pieces");
        }
    }
    Ok(probabilities)
}
