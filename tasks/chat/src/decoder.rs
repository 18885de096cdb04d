//! The model, and what it remembers of the text.

use poai_task::nn::{Error, Model, Tensor};

/// Tokens that there are.
pub(crate) const VOCABULARY: usize = 49_152;

const LAYERS: usize = 30;
/// Heads of keys and values, and their elements.
const HEADS: usize = 3;
const ELEMENTS: usize = 64;
/// Tokens of a conversation that are read at once: their logits, which nobody looks at, take 24 MiB of the host's memory.
const READ_AT_ONCE: usize = 128;

/// A text under computation. Keys and values of its tokens are tensors of the host, and never in the task's memory.
pub(crate) struct Decoder {
    model: Model,
    /// Keys and values of each layer, by the names of the inputs that take them.
    past: Vec<(String, Tensor)>,
    position: usize,
}

impl Decoder {
    /// # Errors
    /// If the host cannot load the model.
    pub(crate) fn new() -> Result<Self, Error> {
        let nothing = || Tensor::new::<f32>(&[1, HEADS, 0, ELEMENTS], &[]);
        let names = (0..LAYERS).flat_map(|layer| [format!("past_key.{layer}"), format!("past_value.{layer}")]);
        Ok(Self { model: Model::named("smollm2")?, past: names.map(|name| (name, nothing())).collect(), position: 0 })
    }

    /// Reads all of a conversation but its last token, which it gives back: the first whose logits matter.
    ///
    /// # Errors
    /// If the host cannot compute them.
    pub(crate) fn read(&mut self, tokens: &[u16]) -> Result<u16, Error> {
        let (last, before) = tokens.split_last().expect("a conversation has words around its messages");
        for piece in before.chunks(READ_AT_ONCE) {
            self.compute(piece)?;
        }
        Ok(*last)
    }

    /// The logits behind each of these tokens, little-endian: a row of [`VOCABULARY`] f32 for each.
    ///
    /// # Errors
    /// If the host cannot compute them.
    pub(crate) fn logits(&mut self, tokens: &[u16]) -> Result<Vec<u8>, Error> {
        Ok(self.compute(tokens)?.to_bytes())
    }

    fn compute(&mut self, tokens: &[u16]) -> Result<Tensor, Error> {
        let numbers: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let given = [
            ("tokens", Tensor::new(&[1, tokens.len()], &numbers)),
            ("position", Tensor::new(&[1], &[self.position as i64])),
        ];
        let (names, past): (Vec<String>, Vec<Tensor>) = std::mem::take(&mut self.past).into_iter().unzip();
        let inputs = given.into_iter().chain(names.iter().map(String::as_str).zip(past));
        let mut results = self.model.compute(inputs)?;
        for name in names {
            let present = results.take(&name.replacen("past", "present", 1))?;
            self.past.push((name, present));
        }
        self.position += tokens.len();
        results.take("logits")
    }
}

/// A row's logits.
pub(crate) fn row(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
