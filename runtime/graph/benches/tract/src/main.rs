//! tract as a peer of `cargo bench -p poai-graph`.
//!
//! Reads a line for each request and answers each with a line, as `peer.py` does. `load THREADS FILE` reads a model and
//! answers `ok`. `inputs NAME:TYPE:SIZES:VALUE …` makes inputs, of numbers that go up or of one value, readies the model
//! for their sizes, runs it once and answers `ok`. `run SECONDS` computes over and over for about so long, and answers
//! the seconds of one computation. What tract cannot do is answered by `no`, and why.

use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;
use std::time::Instant;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{TractErrorContext, bail};

struct Peer {
    executor: Executor,
    read: Option<InferenceModel>,
    ready: Option<(Arc<TypedRunnableModel>, TVec<TValue>)>,
}

impl Peer {
    fn answer(&mut self, request: &str) -> TractResult<String> {
        let (verb, rest) = request.split_once(' ').context("a request is two words at least")?;
        match verb {
            "load" => {
                let (threads, file) = rest.split_once(' ').context("no number of threads")?;
                let threads: usize = threads.parse()?;
                self.executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
                self.ready = None;
                self.read = Some(tract_onnx::onnx().model_for_path(file)?);
                Ok("ok".into())
            }
            "inputs" => {
                let model = self.read.take().context("no model is loaded")?;
                self.ready = Some(ready(model, rest)?);
                self.run(0.0)?;
                Ok("ok".into())
            }
            _ => Ok(self.run(rest.parse()?)?.to_string()),
        }
    }

    /// Seconds of one run, on the average of a span.
    fn run(&self, span: f64) -> TractResult<f64> {
        let (model, inputs) = self.ready.as_ref().context("no model is ready")?;
        let (start, mut count) = (Instant::now(), 0);
        loop {
            multithread_tract_scope(self.executor.clone(), || model.run(inputs.clone()))?;
            count += 1;
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed >= span {
                return Ok(elapsed / f64::from(count));
            }
        }
    }
}

/// The model for inputs of these sizes, and the inputs in its order.
fn ready(mut model: InferenceModel, specs: &str) -> TractResult<(Arc<TypedRunnableModel>, TVec<TValue>)> {
    let specs = specs.split(' ').map(spec).collect::<TractResult<Vec<_>>>()?;
    let mut inputs = tvec!();
    for (place, outlet) in model.inputs.clone().into_iter().enumerate() {
        let name = &model.node(outlet.node).name;
        let (_, tensor) = specs.iter().find(|(own, _)| own == name).context("an input has no numbers")?;
        model.set_input_fact(place, InferenceFact::dt_shape(tensor.datum_type(), tensor.shape()))?;
        inputs.push(tensor.clone().into());
    }
    Ok((model.into_optimized()?.into_runnable()?, inputs))
}

/// A name and a tensor: of numbers that go up, or of one value.
fn spec(text: &str) -> TractResult<(&str, Tensor)> {
    let mut parts = text.rsplitn(4, ':');
    let mut part = || parts.next().context("an input has four parts");
    let (value, sizes, kind, name) = (part()?, part()?, part()?, part()?);
    let shape = sizes.split(',').filter(|size| !size.is_empty()).map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let value: Option<i64> = if value.is_empty() { None } else { Some(value.parse()?) };
    let steps = (0..shape.iter().product::<usize>() as i64).map(|i| i % 251);
    let whole = steps.clone().map(|step| value.unwrap_or(step));
    let tensor = match kind {
        "f32" => Tensor::from_shape(&shape, &steps.map(|step| step as f32 / 125.0 - 1.0).collect::<Vec<_>>()),
        "i32" => Tensor::from_shape(&shape, &whole.map(|step| step as i32).collect::<Vec<_>>()),
        "i64" => Tensor::from_shape(&shape, &whole.collect::<Vec<_>>()),
        other => bail!("no input is of type {other}"),
    };
    Ok((name, tensor?))
}

fn main() -> TractResult<()> {
    let mut peer = Peer { executor: Executor::SingleThread, read: None, ready: None };
    for line in stdin().lock().lines() {
        let answer = peer.answer(line?.trim());
        let answer = answer.unwrap_or_else(|error| format!("no {error:#}").replace('\n', " "));
        writeln!(stdout(), "{answer}")?;
        stdout().flush()?;
    }
    Ok(())
}
