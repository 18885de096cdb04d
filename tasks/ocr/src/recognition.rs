//! What a line says: a convolutional network whose columns are characters (PP-OCRv4), decoded as CTC.

use poai_task::nn::{Error, Model, Tensor};

use crate::image::Image;

/// Of the image of a line.
const HEIGHT: usize = 48;
/// Of what the model sees, at least.
const LEAST_WIDTH: usize = 320;
/// The model's classes between "nothing" and a space, one a line.
const CHARACTERS: &str = include_str!("../data/characters.txt");

/// Reads lines.
pub(crate) struct Reader {
    model: Model,
    characters: Vec<&'static str>,
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) text: String,
    /// How sure the model is of a character, on average.
    pub(crate) score: f32,
}

impl Reader {
    /// # Errors
    /// If there is no such model.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { model: Model::named("recognition")?, characters: characters() })
    }

    /// Reads an upright line.
    ///
    /// # Errors
    /// If the model cannot compute.
    pub(crate) fn read(&self, line: &Image) -> Result<Reading, Error> {
        let natural = (HEIGHT * line.width).div_ceil(line.height);
        let width = (HEIGHT * line.width / line.height).max(LEAST_WIDTH);
        let seen = line.resized(natural.min(width), HEIGHT);
        let tensor = Tensor::new(&[1, 3, HEIGHT, width], &seen.planes(width));
        let mut results = self.model.compute([("x", tensor)])?;
        Ok(decoded(&results.take("softmax_11.tmp_0")?.values()?, &self.characters))
    }
}

/// The model's classes: nothing, the characters, a space.
fn characters() -> Vec<&'static str> {
    std::iter::once("").chain(CHARACTERS.split_terminator('\n')).chain([" "]).collect()
}

/// The likeliest class of each column; of the same ones in a row the first; without "nothing" (Graves et al., 2006).
fn decoded(columns: &[f32], characters: &[&str]) -> Reading {
    let mut reading = Reading { text: String::new(), score: 0.0 };
    let (mut last, mut count) = (0, 0_u16);
    for column in columns.chunks_exact(characters.len()) {
        let first = (0, column[0]);
        let (class, score) = column
            .iter()
            .copied()
            .enumerate()
            .skip(1)
            .fold(first, |best, next| if next.1 > best.1 { next } else { best });
        if class != last && class != 0 {
            reading.text.push_str(characters[class]);
            reading.score += score;
            count += 1;
        }
        last = class;
    }
    reading.score /= f32::from(count.max(1));
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_characters_as_the_model_has_classes() {
        let characters = characters();
        assert_eq!(characters.len(), 6625);
        assert!(characters[1..].iter().all(|character| character.chars().count() == 1));
    }

    #[test]
    fn repeated_classes_are_one_character_unless_nothing_is_between() {
        let column = |class: usize, score: f32| {
            let rest = (1.0 - score) / 3.0;
            (0..4).map(move |other| if other == class { score } else { rest })
        };
        let columns = [(1, 0.9), (1, 0.7), (0, 0.9), (1, 0.5), (2, 0.8), (2, 0.9), (0, 0.9), (3, 0.6), (1, 0.7)];
        let columns: Vec<f32> = columns.into_iter().flat_map(|(class, score)| column(class, score)).collect();
        let reading = decoded(&columns, &["", "a", "b", " "]);
        assert_eq!(reading.text, "aab a");
        assert!((reading.score - 0.7).abs() < 1e-6, "{}", reading.score);
        assert_eq!(decoded(&[0.7, 0.1, 0.1, 0.1], &["", "a", "b", " "]), Reading { text: String::new(), score: 0.0 });
    }
}
