//! What a network sees in images, and how often it is right.

use serde::Serialize;

use crate::idx::{CLASSES, Images, Labels};
use crate::network::{Network, Pass};

/// The output `report`: how the network did on labelled images.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    images: usize,
    correct: usize,
    accuracy: f64,
    /// Row: the digit that it is. Column: the digit that the network saw.
    confusion: [[u32; CLASSES]; CLASSES],
}

/// What the network sees in each image.
pub(crate) fn classify(network: &Network, hidden: usize, images: &Images) -> Labels {
    let mut pass = Pass::new(hidden);
    let digits = (0..images.len()).map(|image| pass.classify(network, &images.ink(image)) as u8);
    Labels::new(digits.collect())
}

impl Report {
    /// Compares what was seen with what is; there is a label for each image.
    pub(crate) fn new(seen: &Labels, labels: &Labels) -> Self {
        let images = labels.len();
        let mut confusion = [[0; CLASSES]; CLASSES];
        for image in 0..images {
            confusion[labels.digit(image)][seen.digit(image)] += 1;
        }
        let correct = (0..CLASSES).map(|digit| confusion[digit][digit] as usize).sum();
        Self { images, correct, accuracy: correct as f64 / images.max(1) as f64, confusion }
    }

    pub(crate) fn accuracy(&self) -> f64 {
        self.accuracy
    }
}
