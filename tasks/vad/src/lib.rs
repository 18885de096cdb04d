//! Finds speech in a recording.
//!
//! Silero's model (Silero Team, "Silero VAD", 2021–2026) hears a recording piece by piece, each of 32 ms with a little of
//! the last one before it, and tells how likely it is speech. What it remembers goes in and out as a tensor, so that a
//! computation has no state.

mod audio; //    WAV files
mod detector; // from samples to probabilities
mod segments; // from probabilities to speech

use audio::Audio;
use poai_task::{Input, Output};
use segments::{Rules, Segment};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    threshold: f32,
    min_speech_ms: u32,
    min_silence_ms: u32,
    pad_ms: u32,
}

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
enum VadError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error(transparent)]
    Model(#[from] poai_task::nn::Error),
    #[error("input `audio`")]
    Audio(#[from] audio::AudioError),
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// The output `speech`.
#[derive(Serialize)]
struct Speech {
    samples_per_second: u32,
    samples: usize,
    speech: Vec<Told>,
}

/// One piece of speech, from its first sample to behind its last.
#[derive(Serialize)]
struct Told {
    start: usize,
    end: usize,
    start_s: f64,
    end_s: f64,
}

/// `audio` → `speech` and `probabilities`.
#[poai_task::main]
fn vad(params: Params) -> Result<(), VadError> {
    let audio = Audio::read(Input::open("audio")?)?;
    let probabilities = detector::probabilities(&audio)?;
    let rules = Rules {
        threshold: params.threshold,
        least_speech: audio.samples_of_ms(params.min_speech_ms),
        least_silence: audio.samples_of_ms(params.min_silence_ms),
        pad: audio.samples_of_ms(params.pad_ms),
    };
    let found = segments::find(&probabilities, audio.piece(), audio.samples.len(), &rules);
    poai_task::info!("speech in {} places", found.len());

    let seconds = |sample: usize| sample as f64 / f64::from(audio.rate);
    let told = |Segment { start, end }: Segment| Told {
        start: start * audio.step,
        end: end * audio.step,
        start_s: seconds(start),
        end_s: seconds(end),
    };
    let speech = Speech {
        samples_per_second: audio.rate_of_file(),
        samples: audio.samples.len() * audio.step,
        speech: found.into_iter().map(told).collect(),
    };
    let mut json = serde_json::to_vec_pretty(&speech)?;
    json.push(b'\n');
    Output::write_whole("speech", &json)?;
    let bytes: Vec<u8> = probabilities.iter().flat_map(|value| value.to_le_bytes()).collect();
    Output::write_whole("probabilities", &bytes)?;
    Ok(())
}
