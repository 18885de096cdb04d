//! Says what a file is, by its content.
//!
//! Magika's model (Fratantonio et al., "Magika: AI-Powered Content-Type Detection", 2024) looks at the first and last
//! kilobyte of a file, without white space around them, and gives a score to each of 200 kinds.

mod decision; // from scores to an answer
mod features; // what the model sees of a file
mod kinds; //    the kinds that there are

use decision::{Answer, Trust};
use poai_task::nn::{Model, Tensor};
use poai_task::{Input, Output};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    trust: Trust,
}

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
enum FiletypeError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error(transparent)]
    Model(#[from] poai_task::nn::Error),
    #[error("input `file`")]
    Read(#[from] std::io::Error),
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// `file` → `type`.
#[poai_task::main]
fn filetype(params: Params) -> Result<(), FiletypeError> {
    let mut file = Input::open("file")?;
    let size = file.size();
    let answer = if size < features::LEAST_BYTES {
        Answer::of_few_bytes(&features::all(&mut file)?)
    } else {
        let seen = features::of(&mut file, size)?;
        let bytes = Tensor::new(&[1, seen.len()], &seen);
        let mut results = Model::named("magika")?.compute([("bytes", bytes)])?;
        Answer::of_scores(&results.take("target_label")?.values()?, params.trust)
    };
    poai_task::info!("{}: {} ({:.3})", answer.label, answer.description, answer.score);
    let mut json = serde_json::to_vec_pretty(&answer)?;
    json.push(b'\n');
    Output::write_whole("type", &json)?;
    Ok(())
}
