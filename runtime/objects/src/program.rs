use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::at_most;
use crate::{InputName, Link, Object, ObjectError, ProgramId};

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
    /// The preview 1 adapter that is put around a core module, by the CID of its bytes as one raw
    /// block: its code is metered, so it is part of the work. None for a component. An engine has
    /// its own adapter, and refuses a program that names another.
    pub adapter: Option<Link>,
}

/// How a component is started, and what it may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Its format: `onnx`, `gguf`. One that hosts do not read is found out when the program loads the model.
    pub format: String,
}

impl Program {
    /// Models of one program.
    pub const MAX_MODELS: usize = 256;
    /// Bytes of a model format's name.
    pub const MAX_FORMAT_BYTES: usize = 32;
}

impl Object for Program {
    const KIND: &'static str = "poai/program";
    const VERSION: u64 = 1;
    type Id = ProgramId;

    fn validate(&self) -> Result<(), ObjectError> {
        let malformed = |reason: &str| Err(ObjectError::Malformed { kind: Self::KIND, reason: reason.into() });
        at_most(Self::KIND, "models", self.models.len(), Self::MAX_MODELS)?;
        for model in self.models.values() {
            at_most(Self::KIND, "model format bytes", model.format.len(), Self::MAX_FORMAT_BYTES)?;
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if model.format.is_empty() || !model.format.bytes().all(is_letter) {
                return malformed("a model's format is not lower-case letters, digits and '-'");
            }
        }
        if self.adapter.is_some() && self.world == World::Task {
            return malformed("an adapter belongs to a plain program, and its world is a task's");
        }
        Ok(())
    }
}
