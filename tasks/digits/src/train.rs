//! Training: mini-batches of all images in an order that follows from the seed and the epoch.

use poai_task::Rng;
use serde::Serialize;

use crate::idx::{Images, Labels};
use crate::network::{Network, Pass};
use crate::weights::{Weights, is_hidden};

/// The stream of the seed that the first weights are drawn from. Epochs, which count from 0, have the others.
const FIRST_WEIGHTS: u64 = u64::MAX;
/// Epochs of one run.
const MOST_EPOCHS: u32 = 100_000;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) epochs: u32,
    pub(crate) learning_rate: f32,
    pub(crate) momentum: f32,
    pub(crate) batch: u32,
    pub(crate) seed: u64,
}

/// Why there is nothing to train, or nothing came of it.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum TrainError {
    #[error("parameter `epochs` is {0}, which is not from 1 to {MOST_EPOCHS}")]
    Epochs(u32),
    #[error("parameter `batch` is 0: a batch has at least one image")]
    Batch,
    #[error("parameter `learning_rate` is {0}, which is not above 0 and at most 10")]
    LearningRate(f32),
    #[error("parameter `momentum` is {0}, which is not from 0 to below 1")]
    Momentum(f32),
    #[error("parameter `hidden` is {0}, which is not a multiple of 4 from 4 to 1024")]
    Hidden(u32),
    #[error("parameter `hidden` is {asked}, but the earlier weights have {found} hidden units")]
    OtherHidden { asked: u32, found: usize },
    #[error("there are no images to train on")]
    NoImages,
    #[error("there are {images} images but {labels} labels")]
    Counts { images: usize, labels: usize },
    #[error("training went astray in epoch {epoch}: the weights are no longer finite; lower `learning_rate`")]
    Astray { epoch: u64 },
}

/// What an epoch was like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Epoch {
    /// Counted over all runs of the chain, from 1.
    pub(crate) epoch: u64,
    /// The mean loss of its images, each before its batch was learned from.
    pub(crate) loss: f32,
}

impl Plan {
    pub(crate) fn check(&self, images: &Images, labels: &Labels) -> Result<(), TrainError> {
        if !(1..=MOST_EPOCHS).contains(&self.epochs) {
            return Err(TrainError::Epochs(self.epochs));
        }
        if self.batch == 0 {
            return Err(TrainError::Batch);
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 10.0) {
            return Err(TrainError::LearningRate(self.learning_rate));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(TrainError::Momentum(self.momentum));
        }
        if images.len() != labels.len() {
            return Err(TrainError::Counts { images: images.len(), labels: labels.len() });
        }
        if images.len() == 0 { Err(TrainError::NoImages) } else { Ok(()) }
    }
}

/// Weights to begin with: the earlier ones, or random ones that follow from the seed.
pub(crate) fn begin(earlier: Option<Weights>, hidden: u32, seed: u64) -> Result<Weights, TrainError> {
    let asked = hidden as usize;
    match earlier {
        _ if !is_hidden(asked) => Err(TrainError::Hidden(hidden)),
        Some(weights) if weights.network.units() == asked => Ok(weights),
        Some(weights) => Err(TrainError::OtherHidden { asked: hidden, found: weights.network.units() }),
        None => Ok(Weights {
            epochs: 0,
            network: Network::random(asked, &mut Rng::stream(seed, FIRST_WEIGHTS)),
            velocity: Network::zeros(asked),
        }),
    }
}

/// Trains for the plan's epochs, and tells of each. The plan was checked.
pub(crate) fn train(
    weights: &mut Weights,
    images: &Images,
    labels: &Labels,
    plan: &Plan,
    mut tell: impl FnMut(Epoch),
) -> Result<(), TrainError> {
    let mut room = Room { pass: Pass::new(weights.network.units()), slopes: Network::zeros(weights.network.units()) };
    for _ in 0..plan.epochs {
        let mut order: Vec<usize> = (0..images.len()).collect();
        Rng::stream(plan.seed, weights.epochs).shuffle(&mut order);
        let mut loss = 0.0;
        for batch in order.chunks(plan.batch as usize) {
            loss += learn_batch(weights, images, labels, plan, batch, &mut room);
        }
        weights.epochs += 1;
        if !weights.network.values().chain(weights.velocity.values()).all(f32::is_finite) {
            return Err(TrainError::Astray { epoch: weights.epochs });
        }
        tell(Epoch { epoch: weights.epochs, loss: loss / images.len() as f32 });
    }
    Ok(())
}

/// Room that every batch uses anew.
struct Room {
    pass: Pass,
    /// Zeros between batches.
    slopes: Network,
}

/// Learns from one batch and returns the sum of its losses.
fn learn_batch(
    weights: &mut Weights,
    images: &Images,
    labels: &Labels,
    plan: &Plan,
    batch: &[usize],
    room: &mut Room,
) -> f32 {
    let mut loss = 0.0;
    for &image in batch {
        loss += room.pass.learn(&weights.network, &images.ink(image), labels.digit(image), &mut room.slopes);
    }
    let rate = plan.learning_rate / batch.len() as f32;
    let Weights { network, velocity, .. } = weights;
    network.hidden.step(&mut velocity.hidden, &mut room.slopes.hidden, plan.momentum, rate);
    network.output.step(&mut velocity.output, &mut room.slopes.output, plan.momentum, rate);
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idx::PIXELS;
    use crate::layer::Layer;
    use crate::params::Params;
    use crate::report::{Report, classify};

    const SEED: u64 = 1;
    /// Of the weights after three runs of the package's defaults with [`SEED`]: natively as in wasm.
    const WEIGHTS_OF_THREE_RUNS: u64 = 0xf086_76dd_133c_eca7;

    /// FNV-1a, 64 bits.
    fn fingerprint(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }

    fn data(name: &str) -> (Images, Labels) {
        let read = |part: &str| std::fs::read(format!("{}/data/{name}-{part}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        (Images::decode(&read("images")).unwrap(), Labels::decode(&read("labels")).unwrap())
    }

    fn plan(epochs: u32) -> Plan {
        let Params { learning_rate, momentum, batch, .. } = Params::default();
        Plan { epochs, learning_rate, momentum, batch, seed: SEED }
    }

    #[test]
    fn three_chained_runs_learn_to_read_images_that_they_never_saw() {
        let (images, labels) = data("train");
        let mut weights = begin(None, Params::default().hidden, SEED).unwrap();
        let mut losses = Vec::new();
        for _ in 0..3 {
            let earlier = Weights::decode(&weights.encode()).unwrap();
            weights = begin(Some(earlier), Params::default().hidden, SEED).unwrap();
            train(&mut weights, &images, &labels, &plan(10), |epoch| losses.push(epoch.loss)).unwrap();
        }
        assert!(losses[29] < losses[0] / 50.0, "{losses:?}");
        assert_eq!(fingerprint(&weights.encode()), WEIGHTS_OF_THREE_RUNS);
        let (images, labels) = data("test");
        let report = Report::new(&classify(&weights.network, &images), &labels);
        assert!(report.accuracy() >= 0.97, "{report:?}");
    }

    #[test]
    fn a_chain_of_runs_makes_the_same_weights_as_one_run() {
        let (images, labels) = data("test");
        let mut at_once = begin(None, 12, SEED).unwrap();
        train(&mut at_once, &images, &labels, &plan(4), |_| ()).unwrap();
        let mut chained = begin(None, 12, SEED).unwrap();
        for epochs in [1, 3] {
            chained = Weights::decode(&chained.encode()).unwrap();
            train(&mut chained, &images, &labels, &plan(epochs), |_| ()).unwrap();
        }
        assert!(chained.encode() == at_once.encode());
    }

    #[test]
    fn another_seed_makes_other_weights() {
        let weights = |seed| begin(None, 12, seed).unwrap().encode();
        assert!(weights(1) == weights(1) && weights(1) != weights(2));
    }

    #[test]
    fn plans_that_lead_nowhere_are_refused() {
        let (images, labels) = data("test");
        let good = plan(1);
        for (plan, expected) in [
            (Plan { epochs: 0, ..good }, TrainError::Epochs(0)),
            (Plan { batch: 0, ..good }, TrainError::Batch),
            (Plan { learning_rate: -0.5, ..good }, TrainError::LearningRate(-0.5)),
            (Plan { momentum: 1.0, ..good }, TrainError::Momentum(1.0)),
        ] {
            assert_eq!(plan.check(&images, &labels), Err(expected));
        }
        let (others, _) = data("train");
        assert_eq!(good.check(&others, &labels), Err(TrainError::Counts { images: 1297, labels: 500 }));
        assert_eq!(begin(None, 6, SEED).err(), Some(TrainError::Hidden(6)));
        let earlier = begin(None, 8, SEED).unwrap();
        assert_eq!(begin(Some(earlier), 12, SEED).err(), Some(TrainError::OtherHidden { asked: 12, found: 8 }));
    }

    #[test]
    fn training_that_goes_astray_is_told() {
        let (images, labels) = data("test");
        let mut weights = begin(None, 12, SEED).unwrap();
        weights.network.hidden = Layer::from_values(PIXELS, 12, || 1e38);
        let error = train(&mut weights, &images, &labels, &plan(2), |_| ()).unwrap_err();
        assert_eq!(error, TrainError::Astray { epoch: 1 });
    }
}
