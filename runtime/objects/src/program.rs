use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{InputName, Link, Object, ProgramId};

/// What executes: a component, its models, and how it is started. Content-addressed, unsigned:
/// who packaged it never changes the work's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// How the component is started.
    pub world: World,
    /// The WebAssembly component, or preview 1 core module.
    pub component: Link,
    /// Models that the component loads by name through wasi-nn.
    pub models: BTreeMap<InputName, Model>,
    /// The preview 1 adapter that the engine puts around a core module; none for a component.
    pub adapter: Option<String>,
}

/// How a component is started, and what it may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// `poai:task/task@0.1`: `run` is called.
    #[serde(rename = "poai:task/task@0.1")]
    Task,
    /// `wasi:cli/command@0.2`: a plain program that knows nothing of poai.
    #[serde(rename = "wasi:cli/command@0.2")]
    Command,
}

/// A model that belongs to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The model's file.
    pub graph: Link,
    /// Its format, by wasi-nn's name: `onnx`, `ggml`.
    pub format: String,
}

impl Object for Program {
    const KIND: &'static str = "poai/program";
    const VERSION: u64 = 1;
    type Id = ProgramId;
}
