//! From logits to a token.
//!
//! Its exponential is the one that is compiled into the component, like all of Rust's library: no host's own has a part
//! in what is drawn.

use poai_task::Rng;

/// How tokens are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    /// What differences of logits are divided by; 0 takes the greatest.
    pub(crate) temperature: f64,
    /// Of so many of the likeliest tokens one is drawn; 0 means all.
    pub(crate) top_k: usize,
    /// Of the likeliest ones whose probabilities come to this one is drawn.
    pub(crate) top_p: f64,
    /// The run's.
    pub(crate) seed: u64,
}

impl Sampler {
    /// The token at a place of the answer. Each place has random numbers of its own, so that any can be drawn by itself.
    pub(crate) fn draw(&self, logits: &[f32], place: usize) -> u16 {
        let (likeliest, greatest) = greatest(logits);
        if self.temperature == 0.0 {
            return likeliest;
        }
        let logit = |token: u16| logits[usize::from(token)];
        // The likeliest first; of equally likely ones the one of the lower number.
        let order = |one: &u16, other: &u16| logit(*other).total_cmp(&logit(*one)).then(one.cmp(other));
        let mut tokens: Vec<u16> = (0..=u16::MAX).take(logits.len()).collect();
        if (1..tokens.len()).contains(&self.top_k) {
            tokens.select_nth_unstable_by(self.top_k - 1, order);
            tokens.truncate(self.top_k);
        }
        tokens.sort_unstable_by(order);
        let weight = |token: &u16| (f64::from(logit(*token) - greatest) / self.temperature).exp();
        let weights: Vec<f64> = tokens.iter().map(weight).collect();
        self.choose(&tokens, &weights, place)
    }

    /// Draws by weight, of the first tokens whose weights come to the part of all that there may be.
    fn choose(&self, tokens: &[u16], weights: &[f64], place: usize) -> u16 {
        let bound = self.top_p * weights.iter().sum::<f64>();
        let sums: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, weight| {
                let before = *sum;
                *sum += weight;
                // The first is there whatever the bound is.
                (before == 0.0 || before < bound).then_some(*sum)
            })
            .collect();
        let mut random = Rng::stream(self.seed, place as u64);
        let all = sums.last().copied().unwrap_or_default();
        let drawn = f64::from(random.unit_f32()) * all;
        let chosen = sums.partition_point(|sum| *sum <= drawn).min(sums.len() - 1);
        tokens[chosen]
    }
}

/// The greatest logit, and the first token that has it.
fn greatest(logits: &[f32]) -> (u16, f32) {
    let mut greatest = (0, f32::NEG_INFINITY);
    for (token, &logit) in (0..=u16::MAX).zip(logits) {
        if logit > greatest.1 {
            greatest = (token, logit);
        }
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sampler(temperature: f64, top_k: usize, top_p: f64, seed: u64) -> Sampler {
        Sampler { temperature, top_k, top_p, seed }
    }

    /// How often each token is drawn at 10,000 places.
    fn drawn<const N: usize>(sampler: &Sampler, logits: &[f32; N]) -> [usize; N] {
        let mut counts = [0; N];
        (0..10_000).for_each(|place| counts[usize::from(sampler.draw(logits, place))] += 1);
        counts
    }

    #[test]
    fn without_temperature_the_first_of_the_likeliest_is_drawn() {
        let sampler = sampler(0.0, 0, 1.0, 3);
        assert_eq!(sampler.draw(&[0.5, 2.0, -1.0, 2.0], 0), 1);
        assert_eq!(sampler.draw(&[-2.0, -1.0, f32::NAN], 5), 1);
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        // e to the power of these is 1, 2, 4 and 1; of 8 parts.
        let logits = [0.0, 2f32.ln(), 4f32.ln(), 0.0];
        let counts = drawn(&sampler(1.0, 0, 1.0, 7), &logits);
        for (count, expected) in counts.into_iter().zip([1250_usize, 2500, 5000, 1250]) {
            assert!(expected.abs_diff(count) < 150, "{counts:?}");
        }
        // At half the temperature: 1, 4, 16 and 1 of 22.
        let counts = drawn(&sampler(0.5, 0, 1.0, 7), &logits);
        for (count, expected) in counts.into_iter().zip([455_usize, 1818, 7273, 455]) {
            assert!(expected.abs_diff(count) < 150, "{counts:?}");
        }
    }

    #[test]
    fn the_unlikely_are_left_out() {
        let logits = [0.0, 2f32.ln(), 4f32.ln(), 0.0];
        let never = |sampler: &Sampler| drawn(sampler, &logits).map(|count| count == 0);
        assert_eq!(never(&sampler(1.0, 2, 1.0, 1)), [true, false, false, true]);
        assert_eq!(never(&sampler(1.0, 3, 1.0, 1)), [false, false, false, true]);
        assert_eq!(never(&sampler(1.0, 0, 0.6, 1)), [true, false, false, true]);
        assert_eq!(never(&sampler(1.0, 0, 0.3, 1)), [true, true, false, true]);
        assert_eq!(never(&sampler(1.0, 0, 0.0, 1)), [true, true, false, true], "one there is always");
        assert_eq!(never(&sampler(1.0, 1, 1.0, 1)), [true, true, false, true]);
    }

    #[test]
    fn the_seed_and_the_place_decide() {
        let logits = [0.0; 64];
        let draw = |seed, place| sampler(1.0, 0, 1.0, seed).draw(&logits, place);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert!((0..32).any(|place| draw(1, place) != draw(2, place)));
        assert!((0..32).any(|place| draw(1, place) != draw(1, 0)));
    }
}
