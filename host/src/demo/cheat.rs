//! A host that alters what its guests write. The demo's own, to be caught: nothing else uses it.

use poai_objects::{Effect, OutputName};
use poai_sandbox::worker::{Ran, RunError};
use poai_sandbox::{Fault, Sink, Word};

use crate::node::{Execute, Executor};

/// The output that is altered; runs that do not write it are left alone.
pub(super) const ALTERED: &str = "weights";

/// Executes as an honest host does, and changes one bit on the way to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Altering;

impl Executor for Altering {
    fn run(&self, execute: Execute<'_>, store: &mut dyn Sink) -> Result<Ran, RunError> {
        execute(&mut AlteringSink { honest: store, altered: false })
    }
}

/// Passes everything on but for the first bytes of one output.
struct AlteringSink<'a> {
    honest: &'a mut dyn Sink,
    altered: bool,
}

impl Sink for AlteringSink<'_> {
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        if self.altered || bytes.is_empty() || name.as_str() != ALTERED {
            return self.honest.output(name, bytes);
        }
        self.altered = true;
        self.honest.output(name, &with_one_bit_changed(bytes))
    }

    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        self.honest.effect(effect, arguments, results)
    }

    fn tensor_bytes(&self) -> u64 {
        self.honest.tensor_bytes()
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.honest.tensor(bytes)
    }

    fn word(&mut self, word: Word) {
        self.honest.word(word);
    }
}

/// The least bit of a number in the middle: a lie so small that nobody would see it in the accuracy.
fn with_one_bit_changed(bytes: &[u8]) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    let middle = (altered.len() / 2) & !3;
    altered[middle] ^= 1;
    altered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<(String, Vec<u8>)>);

    impl Sink for Kept {
        fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
            self.0.push((name.as_str().to_owned(), bytes.to_vec()));
            Ok(())
        }
        fn effect(&mut self, _: &Effect, _: &[u8], _: &[u8]) -> Result<(), Fault> {
            Ok(())
        }
        fn word(&mut self, _: Word) {}
    }

    #[test]
    fn one_bit_of_one_output_is_changed() {
        let mut kept = Kept::default();
        let mut sink = AlteringSink { honest: &mut kept, altered: false };
        let name = |text: &str| text.parse::<OutputName>().unwrap();
        for (output, bytes) in [("metrics", &[7; 9][..]), ("weights", &[]), ("weights", &[0; 12]), ("weights", &[0; 4])]
        {
            sink.output(&name(output), bytes).unwrap();
        }
        let weights: Vec<_> =
            kept.0.iter().filter(|(name, _)| name == "weights").flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(weights.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        assert_eq!(weights.len(), 16);
        assert_eq!(kept.0[0], ("metrics".to_owned(), vec![7; 9]));
    }
}
