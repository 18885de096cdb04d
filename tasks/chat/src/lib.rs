//! Answers in words, and checks answers.
//!
//! SmolLM2 (Ben Allal et al., 2025), a language model of Llama's kind, gives for each token of a text how likely every
//! token is to follow: its logits. An answer is made token by token. But logits are the same bits however many tokens
//! are computed at once: so an answer that is known already is checked by computing all of it at once, which is
//! quicker, and nothing about it stays unchecked: the logits' digest must be the same, and each token the one that
//! these logits, the parameters and the seed come to.

mod decoder; //   the model, and what it remembers of the text
mod dialogue; //  from messages to tokens
mod letters; //   what Unicode calls letters
mod record; //    what a run leaves behind: tokens, and the digest of logits
mod sampler; //   from logits to a token
mod screen; //    the answer as it comes, for whoever watches
mod vocabulary; // from text to tokens, and back
mod words; //     where a text may be cut

use std::io::Write;

use poai_task::{Input, Output};

use decoder::{Decoder, VOCABULARY};
use dialogue::{DialogueError, Message};
use record::{Digest, Tokens};
use sampler::Sampler;
use screen::Screen;
use vocabulary::Vocabulary;

/// Tokens of a conversation and its answer. The model can take 8,192; what it remembers of each is 45 KiB.
const CONTEXT: usize = 2048;
/// Tokens that are checked at once: their logits take 24 MiB.
const CHECKED_AT_ONCE: usize = 128;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    mode: Mode,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    max_tokens: usize,
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Answer,
    Check,
}

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
enum ChatError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error(transparent)]
    Model(#[from] poai_task::nn::Error),
    #[error(transparent)]
    Dialogue(#[from] DialogueError),
    #[error("the conversation has {0} tokens: with `max_tokens` more there may be {CONTEXT}")]
    Long(usize),
    #[error("output `text`")]
    Write(#[from] std::io::Error),
    #[error("input `tokens` is not what a run of this task writes")]
    Record(#[from] serde_json::Error),
    #[error("the answer is wrong: {0}")]
    Wrong(String),
}

/// `prompt` or `messages` → `text`, `tokens` and `logits`; or the check of these.
#[poai_task::main]
fn chat(params: Params) -> Result<(), ChatError> {
    let vocabulary = Vocabulary::new();
    let Params { mode, prompt, messages, max_tokens, temperature, top_k, top_p } = params;
    let prompt = dialogue::tokens(&vocabulary, &dialogue::messages(prompt, messages)?);
    if prompt.len().saturating_add(max_tokens) > CONTEXT {
        return Err(ChatError::Long(prompt.len()));
    }
    let sampler = Sampler { temperature, top_k, top_p, seed: poai_task::seed() };
    let decoder = Decoder::new()?;
    let (generated, digest) = match mode {
        Mode::Answer => answer(&vocabulary, decoder, &sampler, &prompt, max_tokens)?,
        Mode::Check => check(decoder, &sampler, &prompt, max_tokens)?,
    };
    let mut text = Output::create("text")?;
    generated.iter().try_for_each(|&token| text.write_all(&vocabulary.bytes(token)))?;
    text.flush()?;
    Output::write_whole("tokens", &Tokens { prompt, generated }.to_json())?;
    Output::write_whole("logits", digest.as_bytes())?;
    Ok(())
}

/// Makes an answer, and the digest of its logits.
fn answer(
    vocabulary: &Vocabulary,
    mut decoder: Decoder,
    sampler: &Sampler,
    prompt: &[u16],
    max_tokens: usize,
) -> Result<(Vec<u16>, String), ChatError> {
    let (mut generated, mut digest) = (Vec::new(), Digest::default());
    let mut screen = Screen::new(max_tokens);
    let mut next = decoder.read(prompt)?;
    loop {
        let logits = decoder.logits(&[next])?;
        digest.add(&logits);
        next = sampler.draw(&decoder::row(&logits), generated.len());
        generated.push(next);
        screen.show(&vocabulary.bytes(next), generated.len());
        if vocabulary::ENDS.contains(&next) || generated.len() == max_tokens {
            screen.finish();
            return Ok((generated, digest.finish()));
        }
    }
}

/// Checks the answer that the inputs hold, and gives it as if it had been made here.
fn check(
    mut decoder: Decoder,
    sampler: &Sampler,
    prompt: &[u16],
    max_tokens: usize,
) -> Result<(Vec<u16>, String), ChatError> {
    let wrong = |what: String| Err(ChatError::Wrong(what));
    let Tokens { prompt: given, generated } = serde_json::from_slice(&Input::read_all("tokens")?)?;
    if given != prompt {
        return wrong("it answers another conversation".into());
    }
    if let Some(reason) = record::misfit(&generated, max_tokens) {
        return wrong(reason);
    }
    let mut digest = Digest::default();
    let last = decoder.read(prompt)?;
    // Each token is drawn by the logits of the one before it.
    let before: Vec<u16> = std::iter::once(last).chain(generated.iter().copied()).take(generated.len()).collect();
    let mut place = 0;
    for piece in before.chunks(CHECKED_AT_ONCE) {
        let logits = decoder.logits(piece)?;
        for row in logits.chunks_exact(VOCABULARY * size_of::<f32>()) {
            digest.add(row);
            let (found, drawn) = (generated[place], sampler.draw(&decoder::row(row), place));
            if found != drawn {
                return wrong(format!("token {place} is {found}, and {drawn} is drawn"));
            }
            place += 1;
        }
        poai_task::progress(place as u64, generated.len() as u64, "tokens checked");
    }
    let digest = digest.finish();
    match Input::read_optional("logits")? {
        Some(given) if given != digest.as_bytes() => wrong("its logits have another digest".into()),
        _ => Ok((generated, digest)),
    }
}
