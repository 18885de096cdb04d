//! The network: 64 pixels, one hidden layer that lets only positive values through, ten digits.

use poai_task::Rng;

use crate::exponential::exp;
use crate::idx::{CLASSES, PIXELS};
use crate::lanes::{Lanes, WIDTH};
use crate::layer::Layer;

/// Hidden units that a network may have, a multiple of [`WIDTH`].
pub(crate) const MOST_HIDDEN: usize = 1024;
/// Lanes that hold a score for each digit.
const SCORE_LANES: usize = CLASSES.div_ceil(WIDTH);

/// Weights and biases of both layers; or numbers that belong to them, as slopes and velocities.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) hidden: Layer,
    pub(crate) output: Layer,
}

impl Network {
    pub(crate) fn zeros(hidden: usize) -> Self {
        Self { hidden: Layer::zeros(PIXELS, hidden), output: Layer::zeros(hidden, CLASSES) }
    }

    /// Weights to begin with: uniform, with the spread that keeps signals alike in size (He et al., 2015).
    pub(crate) fn random(hidden: usize, rng: &mut Rng) -> Self {
        let mut layer = |inputs: usize, outputs| {
            let spread = (6.0 / inputs as f32).sqrt();
            Layer::from_values(inputs, outputs, || (rng.unit_f32() * 2.0 - 1.0) * spread)
        };
        Self { hidden: layer(PIXELS, hidden), output: layer(hidden, CLASSES) }
    }

    /// How many units the hidden layer has.
    pub(crate) fn units(&self) -> usize {
        self.output.inputs()
    }

    /// All numbers, the hidden layer's first.
    pub(crate) fn values(&self) -> impl Iterator<Item = f32> {
        self.hidden.values().chain(self.output.values())
    }
}

/// Room for what one image makes the network compute.
pub(crate) struct Pass {
    /// The hidden layer before its gate.
    sums: Vec<Lanes>,
    /// The hidden layer after its gate.
    hidden: Vec<f32>,
    /// The loss's slope in the hidden layer.
    hidden_slope: Vec<f32>,
    hidden_slope_lanes: Vec<Lanes>,
    scores: [Lanes; SCORE_LANES],
}

impl Pass {
    pub(crate) fn new(hidden: usize) -> Self {
        Self {
            sums: vec![Lanes::splat(0.0); hidden / WIDTH],
            hidden: vec![0.0; hidden],
            hidden_slope: vec![0.0; hidden],
            hidden_slope_lanes: vec![Lanes::splat(0.0); hidden / WIDTH],
            scores: [Lanes::splat(0.0); SCORE_LANES],
        }
    }

    /// The digit that the network sees: the one with the greatest score, the smaller if two are alike.
    pub(crate) fn classify(&mut self, network: &Network, ink: &[f32; PIXELS]) -> usize {
        let scores = self.forward(network, ink);
        (1..CLASSES).fold(0, |best, digit| if scores[digit] > scores[best] { digit } else { best })
    }

    /// Adds one image's slopes to `slopes`, and returns its loss: the negative logarithm of the
    /// probability that the network gave to the right digit.
    pub(crate) fn learn(&mut self, network: &Network, ink: &[f32; PIXELS], digit: usize, slopes: &mut Network) -> f32 {
        let scores = self.forward(network, ink);
        let (slope, loss) = softmax_slope(&scores, digit);
        slopes.output.add_slopes(&self.hidden, &slope);
        network.output.backward(&slope, &mut self.hidden_slope);
        let (chunks, _) = self.hidden_slope.as_chunks::<WIDTH>();
        for ((lanes, slope), sum) in self.hidden_slope_lanes.iter_mut().zip(chunks).zip(&self.sums) {
            *lanes = Lanes::new(*slope).where_positive(*sum);
        }
        slopes.hidden.add_slopes(ink, &self.hidden_slope_lanes);
        loss
    }

    fn forward(&mut self, network: &Network, ink: &[f32; PIXELS]) -> [f32; CLASSES] {
        network.hidden.forward(ink, &mut self.sums);
        let (chunks, _) = self.hidden.as_chunks_mut::<WIDTH>();
        for (hidden, sum) in chunks.iter_mut().zip(&self.sums) {
            *hidden = sum.where_positive(*sum).to_array();
        }
        network.output.forward(&self.hidden, &mut self.scores);
        let lanes = self.scores.map(Lanes::to_array);
        std::array::from_fn(|digit| lanes[digit / WIDTH][digit % WIDTH])
    }
}

/// The loss's slope in each score, and the loss.
fn softmax_slope(scores: &[f32; CLASSES], digit: usize) -> ([Lanes; SCORE_LANES], f32) {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = scores.map(|score| exp(score - greatest));
    let sum: f32 = powers.iter().sum();
    let mut slope = [0.0; SCORE_LANES * WIDTH];
    for (slope, power) in slope.iter_mut().zip(powers) {
        *slope = power / sum;
    }
    slope[digit] -= 1.0;
    let (chunks, _) = slope.as_chunks::<WIDTH>();
    let loss = sum.ln() - (scores[digit] - greatest);
    (std::array::from_fn(|lanes| Lanes::new(chunks[lanes])), loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_what_small_changes_of_the_weights_do() {
        const HIDDEN: usize = 8;
        let mut rng = Rng::new(3);
        let network = Network::random(HIDDEN, &mut rng);
        let ink: [f32; PIXELS] = std::array::from_fn(|_| rng.unit_f32());
        let mut slopes = Network::zeros(HIDDEN);
        let mut pass = Pass::new(HIDDEN);
        pass.learn(&network, &ink, 4, &mut slopes);
        let values: Vec<f32> = network.values().collect();
        let slopes: Vec<f32> = slopes.values().collect();
        for index in (0..values.len()).step_by(7) {
            let mut loss_at = |change: f32| {
                let mut changed = values.clone();
                changed[index] += change;
                let mut changed = changed.into_iter();
                let mut draw = || changed.next().unwrap();
                let hidden = Layer::from_values(PIXELS, HIDDEN, &mut draw);
                let output = Layer::from_values(HIDDEN, CLASSES, &mut draw);
                pass.learn(&Network { hidden, output }, &ink, 4, &mut Network::zeros(HIDDEN))
            };
            let measured = (loss_at(0.01) - loss_at(-0.01)) / 0.02;
            assert!((measured - slopes[index]).abs() < 0.01, "{index}: {measured} is not {}", slopes[index]);
        }
    }

    #[test]
    fn of_equal_scores_the_smaller_digit_wins() {
        assert_eq!(Pass::new(4).classify(&Network::zeros(4), &[0.5; PIXELS]), 0);
    }
}
