//! Places sentences by their meaning.
//!
//! MiniLM (Wang et al., 2020), trained to place sentences of like meaning near each other (Reimers and Gurevych,
//! "Sentence-BERT", 2019), gives a vector of length 1 for each sentence. Each is computed by itself, so that it depends
//! on no other.

mod tokens; // from text to numbers

use std::io::Write;

use poai_task::nn::{Model, Tensor};
use poai_task::{Input, Output};
use tokens::{TokenError, Tokens};

/// Bytes of the sentences.
const MAX_INPUT_BYTES: u64 = 64 << 20;
/// Sentences whose cosines are written.
const MAX_COMPARED: usize = 1000;
/// How often progress is told, in sentences.
const TOLD_SENTENCES: usize = 16;

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error(transparent)]
    Model(#[from] poai_task::nn::Error),
    #[error(transparent)]
    Tokens(#[from] TokenError),
    #[error("input `sentences` has more than {MAX_INPUT_BYTES} bytes")]
    LargeInput,
    #[error("input `sentences` is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
    #[error("output `embeddings`")]
    Write(#[from] std::io::Error),
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// `sentences` → `embeddings` and `similarities`.
#[poai_task::main]
fn embed() -> Result<(), EmbedError> {
    if Input::open("sentences")?.size() > MAX_INPUT_BYTES {
        return Err(EmbedError::LargeInput);
    }
    let bytes = Input::read_all("sentences")?;
    let sentences: Vec<&str> = std::str::from_utf8(&bytes)?.lines().collect();
    let (tokens, model) = (Tokens::new()?, Model::named("minilm")?);
    let mut output = Output::create("embeddings")?;
    let mut compared = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        let embedding = embedding(&model, &tokens.of(sentence)?)?;
        let bytes: Vec<u8> = embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
        output.write_all(&bytes)?;
        if sentences.len() <= MAX_COMPARED {
            compared.push(embedding);
        }
        if number % TOLD_SENTENCES == 0 {
            poai_task::progress(number as u64, sentences.len() as u64, "sentences");
        }
    }
    output.flush()?;
    if sentences.len() <= MAX_COMPARED {
        let mut json = serde_json::to_vec(&similarities(&compared))?;
        json.push(b'\n');
        Output::write_whole("similarities", &json)?;
    }
    Ok(())
}

/// The vector of a sentence.
fn embedding(model: &Model, tokens: &[i64]) -> Result<Vec<f32>, poai_task::nn::Error> {
    let shape = [1, tokens.len()];
    let mut results = model.compute([
        ("input_ids", Tensor::new(&shape, tokens)),
        ("attention_mask", Tensor::new(&shape, &vec![1_i64; tokens.len()])),
    ])?;
    results.take("embedding")?.values()
}

/// The cosine of every two vectors of length 1.
fn similarities(embeddings: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let product = |one: &[f32], other: &[f32]| {
        let products = one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum::<f64>() as f32
    };
    embeddings.iter().map(|one| embeddings.iter().map(|other| product(one, other)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarities_are_products_of_every_two() {
        let found = similarities(&[vec![1.0, 0.0], vec![0.0, 1.0], vec![-0.5, 0.25]]);
        assert_eq!(found, [[1.0, 0.0, -0.5], [0.0, 1.0, 0.25], [-0.5, 0.25, 0.3125]]);
    }
}
