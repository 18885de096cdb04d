//! A case: a model, its inputs, and the outputs to expect.

use std::collections::BTreeMap;

use bytes::Bytes;
use poai_graph::{DType, Tensor};
use prost::Message;

use super::comparison::Tolerance;

/// A case, as `scripts/onnx-cases.py` writes it.
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
    /// A case of its files.
    ///
    /// # Errors
    /// If a tolerance is no number.
    pub(crate) fn new(name: String, files: &BTreeMap<String, Bytes>) -> Result<Self, String> {
        let messages = |kind| (0..).map_while(|i| files.get(&format!("{kind}_{i}.pb")).cloned()).collect();
        let text = |file| files.get(file).map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        let number = |file, usual: f64| {
            let parsed = text(file).map_or(Ok(usual), |text| text.parse());
            parsed.map_err(|error| format!("{name}: {file}: {error}"))
        };
        let usual = Tolerance::default();
        let tolerance =
            Tolerance { relative: number("rtol", usual.relative)?, absolute: number("atol", usual.absolute)? };
        Ok(Self {
            model: files.get("model.onnx").cloned().unwrap_or_default(),
            inputs: messages("input"),
            outputs: messages("output"),
            tolerance,
            skipped: text("skipped"),
            name,
        })
    }
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
