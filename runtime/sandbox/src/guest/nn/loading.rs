//! `wasi:nn/graph`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use poai_graph::{Device, Graph, Session, gguf};
use poai_objects::Link;
use poai_objects::codec::{RAW, cid_of};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::nn::errors::ErrorCode;
use super::super::bindings::wasi::nn::graph::{self, ExecutionTarget, GraphEncoding};
use super::super::memory::Reserved;
use super::super::meter::cost;
use super::super::stop::Stop;
use super::NAMED_TENSORS;
use super::computing::NnContext;
use super::errors::{Failure, NnError};
use crate::mapping::Mapped;
use crate::models::{self, Beside, GGUF, Model, ONNX};
use crate::{Fault, FileLayout, Node};

/// Bytes of a model that a guest brings itself. A larger one is a model of the program, which is never in its memory.
const LOADED_BYTES: usize = 64 << 20;
/// Bytes of the run's memory limit that a model counts for that the guest brings, for each byte of its file…
const KEPT_FOR_BYTE: u64 = 4;
/// …for each of its operators…
const KEPT_FOR_NODE: u64 = 4_096;
/// …and whatever is in it. A model of the program counts for nothing: runs share it.
const KEPT_FOR_MODEL: u64 = 65_536;

/// The model itself, where a program's model is a folder.
const MAIN_FILE: &str = "model.onnx";

/// A file of a program's model.
struct ModelFile {
    link: Link,
    bytes: u64,
}

/// A model that a guest has loaded.
#[derive(Clone)]
pub struct NnGraph {
    pub(super) model: Arc<Model>,
    /// Of a model that the guest brought.
    _reserved: Option<Rc<[Reserved; 2]>>,
}

impl Guest {
    /// Loads a model from a guest's bytes.
    fn load_given(
        &mut self,
        builder: Vec<Vec<u8>>,
        encoding: GraphEncoding,
        target: ExecutionTarget,
    ) -> Result<NnGraph, Failure> {
        let parts = builder.len() as u64;
        self.meter.charge(cost::ENTRY.saturating_mul(parts))?;
        self.meter.charge_bytes(builder.iter().map(|part| part.len() as u64).sum())?;
        // Whatever computes, the bits are the same: a processor or a GPU is the host's choice.
        if target == ExecutionTarget::Tpu {
            return Err(Failure::refused(ErrorCode::UnsupportedOperation, "no model runs on a TPU"));
        }
        let one_file = <[Vec<u8>; 1]>::try_from(builder);
        let format = match (encoding, &one_file) {
            (GraphEncoding::Autodetect, Ok([file])) if file.starts_with(gguf::MAGIC) => GGUF,
            (GraphEncoding::Onnx | GraphEncoding::Autodetect, _) => ONNX,
            (GraphEncoding::Ggml, _) => GGUF,
            (other, _) => return Err(unknown_encoding(&format!("{other:?}"))),
        };
        let Ok([file]) = one_file else {
            return Err(Failure::refused(ErrorCode::InvalidArgument, "a model is one file"));
        };
        if file.len() > LOADED_BYTES {
            let reason = format!("a model of {} bytes, and {LOADED_BYTES} are allowed", file.len());
            return Err(Failure::refused(ErrorCode::TooLarge, reason));
        }
        let bytes = file.len() as u64;
        self.meter.charge(cost::MODEL_BYTE.saturating_mul(bytes))?;
        let for_bytes = self.reserve(bytes.saturating_mul(KEPT_FOR_BYTE).saturating_add(KEPT_FOR_MODEL))?;
        let id = cid_of(RAW, &file);
        let (graph, grown) = self.read_graph(format, file.into(), &Beside::default(), bytes)?;
        let for_nodes = KEPT_FOR_NODE.saturating_mul(graph.nodes.len() as u64);
        let for_graph = self.reserve(KEPT_FOR_BYTE.saturating_mul(grown).saturating_add(for_nodes))?;
        let device = match target {
            ExecutionTarget::Cpu => self.nn.models.processor(),
            ExecutionTarget::Gpu | ExecutionTarget::Tpu => self.nn.models.fastest(),
        };
        let model = make_ready(graph, id, bytes, device.map_err(Stop::Fault)?)?;
        Ok(NnGraph { model: Arc::new(model), _reserved: Some(Rc::new([for_bytes, for_graph])) })
    }

    /// Loads a model of the program. What it costs does not tell whether an earlier run has left it ready.
    fn load_named(&mut self, name: &str) -> Result<NnGraph, Failure> {
        self.meter.charge_bytes(name.len() as u64)?;
        self.meter.charge(cost::OPEN)?;
        let Some(found) = self.nn.named.get(name).cloned() else {
            return Err(Failure::refused(ErrorCode::NotFound, format!("the program has no model {name:?}")));
        };
        if let Some(model) = self.nn.models.get(&found) {
            self.meter.charge(cost::MODEL_BYTE.saturating_mul(model.bytes))?;
            self.meter.charge(cost::MODEL_NODE.saturating_mul(model.nodes))?;
            return Ok(NnGraph { model, _reserved: None });
        }
        let mut files = self.files_of(found.graph)?;
        let bytes = files.values().fold(0, |bytes: u64, file| bytes.saturating_add(file.bytes));
        self.meter.charge(cost::MODEL_BYTE.saturating_mul(bytes))?;
        let file = files.remove(MAIN_FILE).ok_or_else(|| {
            Failure::refused(ErrorCode::InvalidEncoding, format!("the model {name} is a folder without {MAIN_FILE}"))
        })?;
        let mapped = self.mapped(&file)?;
        let beside = files.into_iter().map(|(name, file)| Ok((name, self.mapped(&file)?)));
        let beside = Beside(beside.collect::<Result<_, Stop>>()?);
        let (graph, grown) = self.read_graph(&found.format, mapped.whole(), &beside, bytes)?;
        let device = self.nn.models.fastest().map_err(Stop::Fault)?;
        let model = Arc::new(make_ready(graph, *found.graph.cid(), bytes.saturating_add(grown), device)?);
        self.nn.models.keep(found, &model);
        Ok(NnGraph { model, _reserved: None })
    }

    /// A model's file by the name that it has in a folder, and the files beside it there.
    fn files_of(&self, link: Link) -> Result<BTreeMap<String, ModelFile>, Stop> {
        let file = |link, layout: FileLayout| ModelFile { link, bytes: layout.size_bytes };
        let entries = match self.host.open(link)? {
            Node::File(layout) => return Ok(BTreeMap::from([(MAIN_FILE.to_owned(), file(link, layout))])),
            Node::Folder(entries) => entries,
        };
        let mut files = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_folder) {
            if let Node::File(layout) = self.host.open(entry.link)? {
                files.insert(entry.name, file(entry.link, layout));
            }
        }
        Ok(files)
    }

    /// A file's bytes, mapped: all workers that have it share them.
    fn mapped(&self, file: &ModelFile) -> Result<Mapped, Stop> {
        self.nn.models.file(file.link, || {
            let unreadable = |reason: &str| Stop::Fault(Fault::Content { reason: format!("a model: {reason}") });
            let whole = self.host.whole(file.link)?;
            if (whole.offset, whole.bytes) != (0, file.bytes) {
                return Err(unreadable("its file is not as long as its layout says"));
            }
            Mapped::of(&whole.file, whole.bytes).map_err(|error| unreadable(&error.to_string()))
        })
    }

    fn reserve(&self, bytes: u64) -> Result<Reserved, Failure> {
        Reserved::of(&self.nn.memory, bytes).ok_or_else(|| {
            Failure::refused(ErrorCode::TooLarge, format!("the model needs {bytes} bytes of the run's memory"))
        })
    }

    /// Reads a model of so many bytes, which are paid, and tells by how many its constants are more: a file may say in
    /// few words what takes much.
    fn read_graph(&mut self, format: &str, file: Bytes, beside: &Beside, bytes: u64) -> Result<(Graph, u64), Failure> {
        let graph = models::read(format, file, beside).ok_or_else(|| unknown_encoding(format))??;
        let grown = models::constant_bytes(&graph).saturating_sub(bytes);
        self.meter.charge(cost::MODEL_BYTE.saturating_mul(grown))?;
        self.meter.charge(cost::MODEL_NODE.saturating_mul(graph.nodes.len() as u64))?;
        for (tensors, what) in [(&graph.inputs, "inputs"), (&graph.outputs, "outputs")] {
            if tensors.len() > NAMED_TENSORS {
                let reason = format!("the model has {} {what}, and {NAMED_TENSORS} are allowed", tensors.len());
                return Err(Failure::refused(ErrorCode::TooLarge, reason));
            }
        }
        Ok((graph, grown))
    }
}

fn make_ready(graph: Graph, id: Cid, bytes: u64, device: Arc<dyn Device>) -> Result<Model, Failure> {
    let nodes = graph.nodes.len() as u64;
    Ok(Model { session: Session::new(graph, device)?, id, bytes, nodes })
}

fn unknown_encoding(name: &str) -> Failure {
    Failure::refused(ErrorCode::InvalidEncoding, format!("models of the encoding {name} are not read"))
}

impl graph::Host for Guest {
    fn load(
        &mut self,
        builder: Vec<Vec<u8>>,
        encoding: GraphEncoding,
        target: ExecutionTarget,
    ) -> wasmtime::Result<Result<Resource<NnGraph>, Resource<NnError>>> {
        let loaded = self.load_given(builder, encoding, target);
        let loaded = loaded.and_then(|graph| Ok(self.handles.push(graph)?));
        self.answer(loaded)
    }

    fn load_by_name(&mut self, name: String) -> wasmtime::Result<Result<Resource<NnGraph>, Resource<NnError>>> {
        let loaded = self.load_named(&name);
        let loaded = loaded.and_then(|graph| Ok(self.handles.push(graph)?));
        self.answer(loaded)
    }
}

impl graph::HostGraph for Guest {
    fn init_execution_context(
        &mut self,
        graph: Resource<NnGraph>,
    ) -> wasmtime::Result<Result<Resource<NnContext>, Resource<NnError>>> {
        let context = NnContext(self.handles.get(&graph)?.clone());
        Ok(Ok(self.handles.push(context)?))
    }

    fn drop(&mut self, graph: Resource<NnGraph>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(graph)?)
    }
}
