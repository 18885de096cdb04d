//! Models, read and made ready: once for all runs of a stage.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bytes::Bytes;
use cid::Cid;
use poai_graph::{Cpu, Device, Graph, ModelError, ModelLimits, Session, gguf, onnx};
use poai_numerics::{Kernels, NumericsError};
use poai_objects::{Link, Model as Named};

use crate::Fault;
use crate::mapping::Mapped;

/// How models are computed. Neither choice changes a bit of any result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numerics {
    /// The kernels.
    pub kernels: Kernels,
    /// Threads of one stage, that of its guest included.
    pub threads: NonZeroUsize,
}

impl Default for Numerics {
    /// The fastest kernels, on the guest's thread alone.
    fn default() -> Self {
        Self { kernels: Kernels::Auto, threads: NonZeroUsize::MIN }
    }
}

/// A device beside the processor, open and proven: it computes what it takes of a model, and the processor the rest. The
/// bits are the same.
pub trait Accelerator: Send + Sync {
    /// The device over a processor.
    fn over(self: Arc<Self>, cpu: Cpu) -> Arc<dyn Device>;

    /// The device for the kernels that tasks bring; by default it takes none.
    fn for_kernels(&self) -> Option<Arc<dyn poai_compute::Device>> {
        None
    }

    /// How often it has computed a part of a model since it was opened.
    fn runs(&self) -> u64 {
        0
    }

    /// Whether it makes code for this process's processor when it compiles a task's kernel: software does.
    fn makes_code(&self) -> bool {
        false
    }
}

/// The devices of a stage, and the programs' models that were loaded there: a later run finds them ready, and pays for
/// them all the same.
pub(crate) struct Models {
    numerics: Numerics,
    accelerator: Option<Arc<dyn Accelerator>>,
    devices: OnceLock<Devices>,
    /// By file and format: the same bytes are another model, or none, in another format.
    ready: Mutex<Ready>,
    /// Mapped files of the programs' models: each is asked for once, however often and under however many names it is
    /// loaded.
    mapped: Mutex<BTreeMap<Link, Mapped>>,
}

/// Where models compute.
#[derive(Clone)]
struct Devices {
    processor: Arc<dyn Device>,
    /// The processor too, if there is no accelerator.
    fastest: Arc<dyn Device>,
}

type Ready = BTreeMap<(Link, String), Arc<Model>>;

/// A model that can compute.
pub(crate) struct Model {
    pub(crate) session: Session,
    /// What the trace calls it: a program's model by the link in the program, another by the CID of its bytes.
    pub(crate) id: Cid,
    /// Bytes of its file and of those beside it; of its constants, if these are more.
    pub(crate) bytes: u64,
    /// Operators of its file.
    pub(crate) nodes: u64,
}

impl Models {
    pub(crate) fn new(numerics: Numerics, accelerator: Option<Arc<dyn Accelerator>>) -> Self {
        let devices = OnceLock::new();
        Self { numerics, accelerator, devices, ready: Mutex::default(), mapped: Mutex::default() }
    }

    /// A program's model, if it was loaded before.
    pub(crate) fn get(&self, named: &Named) -> Option<Arc<Model>> {
        self.ready().get(&(named.graph, named.format.clone())).cloned()
    }

    /// Keeps a program's model ready.
    pub(crate) fn keep(&self, named: Named, model: &Arc<Model>) {
        self.ready().insert((named.graph, named.format), Arc::clone(model));
    }

    /// A file's bytes, which `map` maps unless they are mapped already.
    pub(crate) fn file<E>(&self, link: Link, map: impl FnOnce() -> Result<Mapped, E>) -> Result<Mapped, E> {
        let mut mapped = self.mapped.lock().expect("no panic while a file is mapped");
        Ok(match mapped.entry(link) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(map()?).clone(),
        })
    }

    /// Where models compute whose guest does not care.
    pub(crate) fn fastest(&self) -> Result<Arc<dyn Device>, Fault> {
        Ok(self.devices()?.fastest)
    }

    /// Where models compute that are to stay on the processor.
    pub(crate) fn processor(&self) -> Result<Arc<dyn Device>, Fault> {
        Ok(self.devices()?.processor)
    }

    /// The devices. Their threads are started when the first model is loaded.
    fn devices(&self) -> Result<Devices, Fault> {
        if let Some(devices) = self.devices.get() {
            return Ok(devices.clone());
        }
        let cpu = Cpu::new(self.numerics.kernels, self.numerics.threads.get()).map_err(|error| match error {
            NumericsError::NoThread => Fault::HostMemory { reason: error.to_string() },
            other => Fault::Unknown { reason: other.to_string() },
        })?;
        let devices = || {
            let processor: Arc<dyn Device> = Arc::new(cpu.clone());
            let fastest = self.accelerator.clone().map(|accelerator| accelerator.over(cpu));
            Devices { fastest: fastest.unwrap_or_else(|| Arc::clone(&processor)), processor }
        };
        Ok(self.devices.get_or_init(devices).clone())
    }

    /// What runs tasks' kernels besides the processor.
    pub(crate) fn device_for_kernels(&self) -> Option<Arc<dyn poai_compute::Device>> {
        self.accelerator.as_ref()?.for_kernels()
    }

    /// How often the accelerator has computed a part of a model.
    pub(crate) fn accelerator_runs(&self) -> u64 {
        self.accelerator.as_ref().map_or(0, |accelerator| accelerator.runs())
    }

    /// Threads that compute.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.numerics.threads
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().expect("no holder of the models panics")
    }
}

/// Files beside a model, by name: all that a model's own words can reach.
#[derive(Default)]
pub(crate) struct Beside(pub(crate) BTreeMap<String, Mapped>);

impl onnx::Beside for Beside {
    fn file(&self, location: &str) -> Option<Bytes> {
        self.0.get(location).map(Mapped::whole)
    }

    fn part(&self, location: &str, whole: &Bytes, range: Range<usize>) -> Bytes {
        match self.0.get(location) {
            Some(mapped) => mapped.part(range),
            None => whole.slice(range),
        }
    }
}

/// Reads a model's file, of a format by its name; none if models of such a format are not read.
pub(crate) fn read(format: &str, bytes: Bytes, beside: &Beside) -> Option<Result<Graph, ModelError>> {
    let limits = ModelLimits::default();
    match format {
        ONNX => Some(onnx::read(bytes, beside, &limits)),
        GGUF if beside.0.is_empty() => Some(gguf::read(bytes, &limits)),
        GGUF => Some(Err(ModelError::Malformed("a GGUF model is one file, and has none beside it".into()))),
        _ => None,
    }
}

/// Bytes of a model's constants: what a file of few bytes may ask for.
pub(crate) fn constant_bytes(graph: &Graph) -> u64 {
    graph.constants.values().fold(0, |bytes, tensor| bytes.saturating_add(tensor.bytes().len() as u64))
}

/// The format of ONNX files.
pub(crate) const ONNX: &str = "onnx";
/// The format of llama.cpp's files, which wasi-nn calls ggml.
pub(crate) const GGUF: &str = "gguf";

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::sealed::SealedFile;

    #[test]
    fn formats_have_one_name_each() {
        let file = Bytes::from_static(include_bytes!("../../../tasks/nn-check/models/tiny.gguf"));
        let nothing = Beside::default();
        let weights = File::from(SealedFile::from_bytes("weights", b"").unwrap());
        let beside = Beside(BTreeMap::from([("weights.bin".to_owned(), Mapped::of(&weights, 0).unwrap())]));
        for (format, beside, is_read) in [
            ("gguf", &nothing, Some(true)),
            ("gguf", &beside, Some(false)),
            ("onnx", &nothing, Some(false)),
            ("ggml", &nothing, None),
            ("GGUF", &nothing, None),
        ] {
            assert_eq!(read(format, file.clone(), beside).map(|read| read.is_ok()), is_read, "{format}");
        }
    }
}
