//! A case: a model, its inputs, and the outputs to expect.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use poai_graph::{DType, Tensor};
use prost::Message;

use super::Error;
use super::comparison::Tolerance;

/// A case as its folder holds it.
pub(crate) struct Case {
    /// Its kind and name, as in `node/test_abs`.
    pub(crate) name: String,
    /// The model's file.
    pub(crate) model: Bytes,
    /// Messages, one for each input of the model.
    pub(crate) inputs: Vec<Bytes>,
    /// Messages, one for each output of the model.
    pub(crate) outputs: Vec<Bytes>,
    /// How far floats may be from those.
    pub(crate) tolerance: Tolerance,
    /// Why it holds no inputs and outputs.
    pub(crate) skipped: Option<String>,
}

impl Case {
    /// Reads a folder KIND/NAME.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let mut names = folder.iter().rev().map(|name| name.to_string_lossy());
        let (name, kind) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let text = |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
        let number = |file: &str, usual: f64| text(file).map_or(Ok(usual), |text| text.parse());
        let usual = Tolerance::default();
        Ok(Self {
            name: format!("{kind}/{name}"),
            model: fs::read(folder.join("model.onnx"))?.into(),
            inputs: messages(folder, "input"),
            outputs: messages(folder, "output"),
            tolerance: Tolerance {
                relative: number("rtol", usual.relative)?,
                absolute: number("atol", usual.absolute)?,
            },
            skipped: text("skipped"),
        })
    }

    /// The operators that its model names outside of bodies and functions.
    pub(crate) fn operators(&self) -> BTreeSet<String> {
        let graph = ModelMessage::decode(self.model.clone()).ok().and_then(|model| model.graph);
        let nodes = graph.map_or_else(Vec::new, |graph| graph.nodes);
        nodes.into_iter().map(|node| qualified(&node.domain, node.operator)).collect()
    }
}

fn qualified(domain: &str, operator: String) -> String {
    if domain.is_empty() || domain == "ai.onnx" { operator } else { format!("{domain}.{operator}") }
}

fn messages(folder: &Path, kind: &str) -> Vec<Bytes> {
    (0..).map_while(|i| fs::read(folder.join(format!("{kind}_{i}.pb"))).ok()).map(Bytes::from).collect()
}

#[derive(Message)]
struct ModelMessage {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphMessage>,
}

#[derive(Message)]
struct GraphMessage {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<NodeMessage>,
}

#[derive(Message)]
struct NodeMessage {
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Message)]
struct TensorMessage {
    #[prost(int64, repeated, tag = "1")]
    sizes: Vec<i64>,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(bytes = "bytes", tag = "9")]
    elements: Bytes,
}

/// Reads a message of a case, whose elements are raw.
///
/// # Errors
/// If it is no tensor of a type that is supported.
pub(crate) fn tensor(message: &Bytes) -> Result<Tensor, String> {
    let message = TensorMessage::decode(message.clone()).map_err(|error| error.to_string())?;
    let dtype = match message.kind {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::Bf16,
        other => return Err(format!("type {other} is none of ours")),
    };
    let shape = message.sizes.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| format!("a tensor of shape {:?}", message.sizes))?;
    Tensor::from_bytes(dtype, &shape, message.elements).map_err(|error| error.to_string())
}
