//! A language model's greedy continuation, and the check of it: the whole text at once, to the same bits.
//!
//! `cargo run --release -p poai-graph --example generate -- MODEL.gguf COUNT TOKEN…`
//!
//! TOKENs are numbers; so are the results. Ends with an error if any bit of any logit differs.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::sync::Arc;
use std::time::Instant;
use std::{env, fs};

use poai_graph::{Budget, Cpu, ModelLimits, Session, Tensor, gguf};
use poai_numerics::Kernels;

type Error = Box<dyn std::error::Error>;

/// Logits of tokens behind a past, and the past that they make.
fn step(session: &Session, tokens: &[i64], position: usize, past: &[Tensor]) -> Result<(Tensor, Vec<Tensor>), Error> {
    let given = session.graph().inputs.iter().map(|id| session.graph().value(*id).name.as_str());
    let values = [Tensor::new(&[1, tokens.len()], tokens), Tensor::new(&[1], &[i64::try_from(position)?])];
    let inputs: Vec<_> = given.zip(values.into_iter().chain(past.iter().cloned())).collect();
    let mut results = session.run(&inputs, &mut Budget { fuel: u64::MAX, memory_bytes: u64::MAX })?;
    let past = results.split_off(1);
    Ok((results.remove(0), past))
}

/// The token of the greatest logit of the last place.
fn greatest(logits: &Tensor) -> Result<i64, Error> {
    let vocabulary = logits.shape()[2];
    let last = logits.slice::<f32>()?.rchunks(vocabulary).next().ok_or("there are no logits")?;
    let greatest = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    Ok(i64::try_from(greatest.ok_or("there is no vocabulary")?.0)?)
}

fn main() -> Result<(), Error> {
    let mut arguments = env::args().skip(1);
    let model = arguments.next().ok_or("a model is needed")?;
    let count: usize = arguments.next().ok_or("a number of tokens is needed")?.parse()?;
    let mut tokens: Vec<i64> = arguments.map(|token| token.parse()).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let graph = gguf::read(fs::read(model)?.into(), &ModelLimits::default())?;
    let session = Session::new(graph, Arc::new(Cpu::new(Kernels::Auto, 1)?))?;
    println!("loaded in {:?}", begun.elapsed());
    let nothing: Vec<_> = (session.graph().inputs.iter().skip(2))
        .filter_map(|id| session.graph().value(*id).fact.as_ref()?.shape.clone())
        .map(|shape| {
            let sizes: Vec<usize> = shape.iter().map(|dim| dim.size().unwrap_or(0)).collect();
            Tensor::new::<f32>(&sizes, &[])
        })
        .collect();
    let (begun, prompt) = (Instant::now(), tokens.len());
    let (mut logits, mut past) = step(&session, &tokens, 0, &nothing)?;
    let mut all = logits.slice::<f32>()?.to_vec();
    println!("{prompt} tokens read in {:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..count {
        let next = greatest(&logits)?;
        (logits, past) = step(&session, &[next], tokens.len(), &past)?;
        all.extend(logits.slice::<f32>()?);
        tokens.push(next);
    }
    println!("{count} tokens made in {:?}", begun.elapsed());
    println!("{}", tokens[prompt..].iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
    let begun = Instant::now();
    let (logits, at_once) = step(&session, &tokens, 0, &nothing)?;
    println!("{} tokens at once in {:?}", tokens.len(), begun.elapsed());
    let same = logits.slice::<f32>()?.iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits());
    if !same || all.len() != logits.len() || at_once != past {
        return Err("the text at once has other bits than token by token".into());
    }
    println!("the same bits");
    Ok(())
}
