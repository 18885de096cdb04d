use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ObjectError;

/// A run's parameters: one JSON object as RFC 8785 writes it, so that equal parameters are equal
/// bytes. Duplicate names and integers beyond ±2⁵³ are refused rather than silently changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Params(String);

impl Params {
    /// Bytes of the canonical text.
    pub const MAX_BYTES: usize = 256 << 10;

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Params {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let refused = |reason: &str| ObjectError::InvalidParams { reason: reason.into() };
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| refused(&error.to_string()))?;
        let canonical = serde_json::to_string(&value).expect("a JSON value has a text");
        if canonical != text {
            return Err(refused("the text is not in canonical form"));
        }
        Ok(Self(canonical))
    }
}

impl TryFrom<String> for Params {
    type Error = ObjectError;

    fn try_from(text: String) -> Result<Self, ObjectError> {
        text.parse()
    }
}

impl Default for Params {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Params> for String {
    fn from(params: Params) -> String {
        params.0
    }
}
