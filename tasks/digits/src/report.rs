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
pub(crate) fn classify(network: &Network, images: &Images) -> Labels {
    let mut pass = Pass::new(network.units());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_what_was_seen_right() {
        let report = Report::new(&Labels::new(vec![1, 2, 2, 9]), &Labels::new(vec![1, 2, 3, 9]));
        assert_eq!((report.images, report.correct, report.accuracy), (4, 3, 0.75));
        assert_eq!((report.confusion[3][2], report.confusion[2][2], report.confusion[3][3]), (1, 1, 0));
    }
}
