use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poai_graph::{Budget, Cpu, Device, Graph, RunError, Session, Tensor};
use poai_numerics::{Kernels, NumericsError, THREADS_LIMIT};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::invocation::Invocation;
use super::super::run_input::pair;
use super::words;
use crate::accelerator::{CPU, choose};
use crate::errors::{Exit, Failure, Kind};
use crate::model_file::{ModelFile, whole};
use crate::{npy, tensor_folder};

/// Fuel of a computation, unless it is said: some minutes on one core.
const FUEL: u64 = 1_000_000_000_000;
/// Bytes of values that may be alive at once, unless it is said.
const MEMORY_BYTES: u64 = 8 << 30;
/// Bytes of an input's file.
const INPUT_BYTES: u64 = 16 << 30;
/// Inputs that a hint names.
const NAMED_INPUTS: usize = 8;

/// Compute a model from `.npy` files, and write its outputs as such
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: an ONNX or GGUF file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An input of the model, from a file in NumPy's form
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = pair)]
    inputs: Vec<(String, String)>,
    /// The folder for the outputs: NAME.npy for each
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// What computes it beside the processor: cpu, auto, or a device that `poai devices` shows, by name or UUID, or
    /// vulkan:N, counted from 0
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Which code computes; all give the same bits
    #[arg(long, value_name = "auto|scalar|avx2|avx512|amx|neon", default_value = "auto", value_parser = kernels)]
    kernels: Kernels,
    /// How many threads compute [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The work that it may cost
    #[arg(long, value_name = "N", default_value_t = FUEL)]
    fuel: u64,
    /// The bytes of values that may be alive at once; weights are not counted
    #[arg(long, value_name = "N", default_value_t = MEMORY_BYTES)]
    memory_bytes: u64,
}

fn kernels(text: &str) -> Result<Kernels, String> {
    text.parse().map_err(|error: NumericsError| error.to_string())
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let file = ModelFile::read(&args.file)?;
    let graph = file.graph()?;
    let device = opened(args, invocation).await?;
    let name = device.name();
    let session = Session::new(graph, device).map_err(|error| file.refused(&error))?;
    let inputs: Vec<_> = inputs(&args.inputs)?.into_iter().collect();
    let mut budget = Budget { fuel: args.fuel, memory_bytes: args.memory_bytes };
    let tensors = session.run(&inputs, &mut budget).map_err(|error| stopped(&error, session.graph(), args))?;
    let graph = session.graph();
    let names = graph.outputs.iter().map(|&id| graph.value(id).name.as_str());
    let outputs: Vec<_> = names.zip(&tensors).collect();
    let files = tensor_folder::write(&args.output, &outputs)?;
    let fuel = args.fuel - budget.fuel;
    let (value, text) = answer(&outputs, &files, fuel, &name);
    invocation.screen.value(&value, &text);
    Ok(Exit::Done)
}

async fn opened(args: &Args, invocation: &Invocation<'_>) -> Result<Arc<dyn Device>, Failure> {
    let threads = args.threads.unwrap_or_else(cores);
    let cpu = Cpu::new(args.kernels, threads).map_err(|error| Failure::new(Kind::BadInput, error.to_string()))?;
    if args.device == CPU {
        return Ok(Arc::new(cpu));
    }
    let home = invocation.home()?;
    let least = invocation.config(&home)?.numerics.device_from;
    let Some(chosen) = choose(&args.device, least, &home.devices()).await? else { return Ok(Arc::new(cpu)) };
    let device = chosen.open().map_err(|reason| Failure::new(Kind::HostFault, reason))?;
    Ok(device.over(cpu))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_LIMIT)
}

fn inputs(named: &[(String, String)]) -> Result<BTreeMap<&str, Tensor>, Failure> {
    let mut inputs = BTreeMap::new();
    for (name, path) in named {
        let path = Path::new(path);
        let tensor = npy::read(whole(path, INPUT_BYTES)?);
        let tensor = tensor.map_err(|reason| Failure::new(Kind::BadInput, format!("{}: {reason}", path.display())))?;
        if inputs.insert(name.as_str(), tensor).is_some() {
            return Err(Failure::new(Kind::Usage, format!("the input {name} is given twice")));
        }
    }
    Ok(inputs)
}

fn stopped(error: &RunError, graph: &Graph, args: &Args) -> Failure {
    let failure = |kind| Failure::new(kind, error.to_string());
    match error {
        RunError::UnknownInput(_) | RunError::MissingInput(_) | RunError::Input { .. } => {
            let declared = graph.inputs.iter().take(NAMED_INPUTS).map(|&id| {
                let value = graph.value(id);
                format!("--input {}=FILE with {}", value.name, words(value.fact.as_ref()))
            });
            let declared: Vec<_> = declared.collect();
            let more = if graph.inputs.len() > declared.len() { ", and more" } else { "" };
            failure(Kind::BadInput).hint(format!("it takes {}{more}", declared.join(", ")))
        }
        RunError::OutOfFuel(_) => failure(Kind::BadInput).hint(format!("{} was allowed: raise --fuel", args.fuel)),
        RunError::OutOfMemory { .. } => failure(Kind::BadInput).hint("raise --memory-bytes"),
        RunError::Node { .. } => failure(Kind::BadInput),
        RunError::Device(_) => failure(Kind::HostFault),
    }
}

fn answer(outputs: &[(&str, &Tensor)], files: &[PathBuf], fuel: u64, device: &str) -> (Value, String) {
    let (mut values, mut text) = (Map::new(), String::new());
    for ((name, tensor), file) in outputs.iter().zip(files) {
        let digest: String = Sha256::digest(tensor.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let (dtype, shape) = (tensor.dtype().to_string(), tensor.shape());
        let _ = writeln!(text, "{name}  {dtype}{shape:?}  {}\n  sha256 {digest}", file.display());
        let value = json!({ "file": file.display().to_string(), "dtype": dtype, "shape": shape, "sha256": digest });
        values.insert((*name).to_owned(), value);
    }
    let _ = writeln!(text, "{fuel} fuel, by {device}");
    (json!({ "outputs": values, "fuel": fuel, "device": device }), text)
}
