use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ObjectError;
use crate::codec::quoted;

/// The name of all rules that a claim depends on, `poai-engine/MAJOR.MINOR`: accepted wasm
/// features, static limits, cost table, virtual WASI, numerics, imports and the codec of outputs.
///
/// Two engines of different names never agree on a claim; a host runs only the one it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineName {
    major: u16,
    minor: u16,
}

impl EngineName {
    /// The engine that this program is. Raised whenever a pinned vector changes.
    pub const CURRENT: Self = Self { major: 0, minor: 2 };
}

const PREFIX: &str = "poai-engine/";

impl FromStr for EngineName {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let parsed = text
            .strip_prefix(PREFIX)
            .and_then(|numbers| numbers.split_once('.'))
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        match parsed {
            // One spelling per engine: no leading zeros, no plus sign.
            Some(name) if name.to_string() == text => Ok(name),
            _ => Err(ObjectError::InvalidName {
                name: quoted(text),
                what: "engine",
                rule: "it must look like poai-engine/0.1",
            }),
        }
    }
}

impl TryFrom<String> for EngineName {
    type Error = ObjectError;

    fn try_from(text: String) -> Result<Self, ObjectError> {
        text.parse()
    }
}

impl From<EngineName> for String {
    fn from(name: EngineName) -> String {
        name.to_string()
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{}", self.major, self.minor)
    }
}

impl fmt::Debug for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
