//! Inputs in, outputs out.

use poai_task::{Input, Output};
use serde::Serialize;

use crate::idx::{IdxError, Images, Labels};
use crate::params::Params;
use crate::report::{self, Report};
use crate::train::{self, Epoch, Plan, TrainError};
use crate::weights::{Weights, WeightsError};

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DigitsError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error("input `{input}`")]
    Idx { input: &'static str, source: IdxError },
    #[error("input `weights`")]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("there are {images} images but {labels} labels")]
    Counts { images: usize, labels: usize },
}

/// The output `metrics`.
#[derive(Serialize)]
struct Metrics {
    epochs_total: u64,
    images: usize,
    hidden: usize,
    /// The trained network's, on the images that it was trained on.
    accuracy: f64,
    epochs: Vec<Epoch>,
}

/// `images`, `labels` and maybe `weights` → `weights` and `metrics`.
pub(crate) fn train(params: &Params) -> Result<(), DigitsError> {
    let images = read_images()?;
    let labels = read_labels(Input::read_all("labels")?)?;
    let plan = Plan {
        epochs: params.epochs,
        learning_rate: params.learning_rate,
        momentum: params.momentum,
        batch: params.batch,
        seed: poai_task::seed(),
    };
    plan.check(&images, &labels)?;
    let earlier = match Input::read_optional("weights")? {
        Some(file) => Some(Weights::decode(&file)?),
        None => None,
    };
    let mut weights = train::begin(earlier, params.hidden, plan.seed)?;
    let first = weights.epochs;
    let mut epochs = Vec::new();
    train::train(&mut weights, &images, &labels, &plan, |epoch| {
        poai_task::info!("epoch {}: loss {:.4}", epoch.epoch, epoch.loss);
        poai_task::progress(epoch.epoch - first, u64::from(plan.epochs), "epochs");
        epochs.push(epoch);
    })?;
    let seen = report::classify(&weights.network, &images);
    let accuracy = Report::new(&seen, &labels).accuracy();
    Output::write_whole("weights", &weights.encode())?;
    write_json(
        "metrics",
        &Metrics {
            epochs_total: weights.epochs,
            images: images.len(),
            hidden: weights.network.units(),
            accuracy,
            epochs,
        },
    )
}

/// `weights`, `images` and maybe `labels` → `labels` and, if there were labels, `report`.
pub(crate) fn classify() -> Result<(), DigitsError> {
    let weights = Weights::decode(&Input::read_all("weights")?)?;
    let images = read_images()?;
    let labels = Input::read_optional("labels")?.map(read_labels).transpose()?;
    if let Some(labels) = &labels
        && labels.len() != images.len()
    {
        return Err(DigitsError::Counts { images: images.len(), labels: labels.len() });
    }
    let seen = report::classify(&weights.network, &images);
    Output::write_whole("labels", &seen.encode())?;
    let Some(labels) = labels else {
        poai_task::info!("classified {} images", images.len());
        return Ok(());
    };
    let report = Report::new(&seen, &labels);
    poai_task::info!("accuracy {:.2} % on {} images", report.accuracy() * 100.0, images.len());
    write_json("report", &report)
}

fn read_images() -> Result<Images, DigitsError> {
    Images::decode(&Input::read_all("images")?).map_err(|source| DigitsError::Idx { input: "images", source })
}

fn read_labels(file: Vec<u8>) -> Result<Labels, DigitsError> {
    Labels::decode(&file).map_err(|source| DigitsError::Idx { input: "labels", source })
}

fn write_json(name: &str, value: &impl Serialize) -> Result<(), DigitsError> {
    let mut json = serde_json::to_vec(value).expect("structs of numbers are JSON");
    json.push(b'\n');
    Ok(Output::write_whole(name, &json)?)
}
