//! From scores to an answer.

use serde::{Deserialize, Serialize};

use crate::kinds::{self, Kind};

/// The least score at which the model is believed without a rule of its own for the kind.
const MEDIUM: f32 = 0.5;

/// How sure the model must be before its answer is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trust {
    /// As sure as its makers ask for each kind.
    High,
    /// At least half.
    Medium,
    /// However unsure.
    Any,
}

/// What a file is.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    pub(crate) label: &'static str,
    pub(crate) description: &'static str,
    group: &'static str,
    mime: &'static str,
    is_text: bool,
    pub(crate) score: f32,
    /// What the model said, if it was asked.
    model_label: Option<&'static str>,
}

impl Answer {
    fn new(told: Kind, score: f32, model_label: Option<&'static str>) -> Self {
        let Kind { label, description, group, mime, is_text, .. } = told;
        Self { label, description, group, mime, is_text, score, model_label }
    }

    /// Of a file that is too small for the model.
    pub(crate) fn of_few_bytes(bytes: &[u8]) -> Self {
        let label = match std::str::from_utf8(bytes) {
            Ok("") => "empty",
            Ok(_) => "txt",
            Err(_) => "unknown",
        };
        Self::new(kinds::named(label), 1.0, None)
    }

    /// Of the model's scores, one for each kind: the first of the greatest counts.
    pub(crate) fn of_scores(scores: &[f32], trust: Trust) -> Self {
        let best = kinds::all().zip(scores).reduce(|best, next| if next.1 > best.1 { next } else { best });
        let (kind, &score) = best.expect("the model gives a score to each kind");
        let told = kinds::named(kind.told);
        let needed = match trust {
            Trust::High => kind.needed,
            Trust::Medium => MEDIUM,
            Trust::Any => 0.0,
        };
        let label = match told.is_text {
            _ if score >= needed => told.label,
            true => "txt",
            false => "unknown",
        };
        Self::new(kinds::named(label), score, Some(kind.label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(label: &str, score: f32, trust: Trust) -> &'static str {
        let place = kinds::all().position(|kind| kind.label == label).unwrap();
        let mut scores = vec![0.0; 214];
        scores[place] = score;
        Answer::of_scores(&scores, trust).label
    }

    #[test]
    fn the_model_is_believed_if_it_is_sure() {
        assert_eq!(told("rust", 0.6, Trust::High), "rust");
        assert_eq!(told("markdown", 0.74, Trust::High), "txt");
        assert_eq!(told("markdown", 0.74, Trust::Medium), "markdown");
        assert_eq!(told("zip", 0.4, Trust::High), "unknown");
        assert_eq!(told("zip", 0.4, Trust::Any), "zip");
        assert_eq!(told("randomtxt", 0.9, Trust::High), "txt");
    }

    #[test]
    fn few_bytes_are_text_or_not() {
        assert_eq!(Answer::of_few_bytes(b"").label, "empty");
        assert_eq!(Answer::of_few_bytes("é".as_bytes()).label, "txt");
        assert_eq!(Answer::of_few_bytes(b"\xff").label, "unknown");
    }
}
