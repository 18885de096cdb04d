//! From probabilities to speech, by the rules of Silero's own package.

/// By how much a probability must fall below the threshold for speech to end.
const HYSTERESIS: f32 = 0.15;
/// The least probability below which speech ends.
const LEAST_EXIT: f32 = 0.01;

/// When speech is told. Lengths are in samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) threshold: f32,
    pub(crate) least_speech: usize,
    pub(crate) least_silence: usize,
    pub(crate) pad: usize,
}

/// Speech, from its first sample to behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Speech in a recording of `samples`, heard in pieces.
pub(crate) fn find(probabilities: &[f32], piece: usize, samples: usize, rules: &Rules) -> Vec<Segment> {
    let mut found = heard(probabilities, piece, samples, rules);
    pad(&mut found, samples, rules.pad);
    found
}

fn heard(probabilities: &[f32], piece: usize, samples: usize, rules: &Rules) -> Vec<Segment> {
    let exit = (rules.threshold - HYSTERESIS).max(LEAST_EXIT);
    let mut found = Vec::new();
    // Where speech began, and where it may have ended since.
    let mut speech: Option<usize> = None;
    let mut silence: Option<usize> = None;
    for (number, &probability) in probabilities.iter().enumerate() {
        let now = number * piece;
        if probability >= rules.threshold {
            silence = None;
            speech.get_or_insert(now);
            continue;
        }
        let Some(start) = speech else { continue };
        if probability >= exit {
            continue;
        }
        let end = *silence.get_or_insert(now);
        if now - end >= rules.least_silence {
            if end - start > rules.least_speech {
                found.push(Segment { start, end });
            }
            (speech, silence) = (None, None);
        }
    }
    if let Some(start) = speech.filter(|start| samples - start > rules.least_speech) {
        found.push(Segment { start, end: samples });
    }
    found
}

/// Widens speech at either end; where two pieces would meet, the silence is halved between them.
fn pad(found: &mut [Segment], samples: usize, pad: usize) {
    let Some(last) = found.len().checked_sub(1) else { return };
    found[0].start = found[0].start.saturating_sub(pad);
    for place in 0..last {
        let silence = found[place + 1].start - found[place].end;
        let share = if silence < 2 * pad { silence / 2 } else { pad };
        found[place].end += share;
        found[place + 1].start -= share;
    }
    found[last].end = (found[last].end + pad).min(samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 0.5, least_speech: 20, least_silence: 20, pad: 3 };

    fn found(probabilities: &[f32], samples: usize) -> Vec<(usize, usize)> {
        find(probabilities, 10, samples, &RULES).into_iter().map(|Segment { start, end }| (start, end)).collect()
    }

    #[test]
    fn speech_lasts_until_enough_silence() {
        // A short silence and a probability between the two limits do not end it.
        let probabilities = [0.1, 0.9, 0.9, 0.2, 0.9, 0.4, 0.4, 0.4, 0.9, 0.1, 0.1, 0.1, 0.1];
        assert_eq!(found(&probabilities, 130), [(7, 93)]);
    }

    #[test]
    fn short_speech_is_not_told_and_the_end_ends_it() {
        assert_eq!(found(&[0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9], 78), [(47, 78)]);
        assert_eq!(found(&[0.9, 0.9], 20), []);
        assert_eq!(found(&[], 0), []);
    }

    #[test]
    fn close_speech_shares_the_silence_between() {
        let rules = Rules { pad: 25, ..RULES };
        let probabilities = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9];
        let found = find(&probabilities, 10, 90, &rules);
        assert_eq!(found, [Segment { start: 0, end: 45 }, Segment { start: 45, end: 90 }]);
    }
}
