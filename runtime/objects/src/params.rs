use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ObjectError;
use crate::codec::quoted;
use crate::json::{self, JsonFlaw};
use crate::schema::Schema;

/// A run's parameters: one JSON object as RFC 8785 writes it, so that equal parameters are equal
/// bytes. Names that stand twice, numbers beyond a double and integers beyond ±2⁵³ are refused
/// rather than silently changed.
///
/// [`FromStr`] and decoding take the canonical text only; [`Params::parse`] takes any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Params(String);

impl Params {
    /// Bytes of the text, as given and in canonical form.
    pub const MAX_BYTES: usize = 256 << 10;
    /// Lists and objects inside each other.
    pub const MAX_DEPTH: usize = json::MAX_DEPTH;

    /// The canonical form of any JSON object's text.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        check_size(text)?;
        match json::parse(text).map_err(|flaw| invalid(&flaw))? {
            Value::Object(members) => Self::canonical(members),
            _ => Err(ObjectError::InvalidParams { reason: "they are not a JSON object".into() }),
        }
    }

    /// Parameters from `NAME=VALUE` pairs, as a command line has them.
    ///
    /// A value is taken as JSON if it is JSON, else as text; if the schema says that the parameter
    /// is a string, always as text. Defaults are not filled in: see [`Params::with_defaults`].
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        schema: Option<&Params>,
    ) -> Result<Self, ObjectError> {
        let schema = schema.map(Schema::of).transpose()?;
        let mut members = Map::new();
        for (name, text) in pairs {
            check_size(text)?;
            let value = if schema.as_ref().is_some_and(|schema| schema.takes_text(name)) {
                Value::String(text.to_owned())
            } else {
                value_of(name, text)?
            };
            if members.insert(name.to_owned(), value).is_some() {
                let reason = format!("the parameter {:?} is given twice", quoted(name));
                return Err(ObjectError::InvalidParams { reason });
            }
        }
        Self::canonical(members)
    }

    /// Checks these parameters against a schema and fills in what it has defaults for.
    ///
    /// The schema is a package's: see [`Params::check_schema`] for what it may say. A name that the
    /// schema does not know is refused, unless `additionalProperties` says otherwise. Defaults are
    /// filled in at every level of objects that are there, so doing it twice changes nothing.
    pub fn with_defaults(&self, schema: &Params) -> Result<Self, ObjectError> {
        let filled = Schema::of(schema)?.fill(self.to_json())?;
        match filled {
            Value::Object(members) => Self::canonical(members),
            _ => unreachable!("a schema of parameters takes objects only, and filling keeps the type"),
        }
    }

    /// Checks that this is a schema of parameters in the subset of JSON Schema that is understood
    /// here, so that nothing an author writes is silently ignored.
    ///
    /// | keyword | in schemas of type |
    /// |---|---|
    /// | `type`: `object`, `array`, `string`, `number`, `integer`, `boolean` or `null` | all; needed unless there is `enum` |
    /// | `enum`, `default` | all |
    /// | `properties`, `required`, `additionalProperties` (`true`, `false`, a schema; `false` if absent) | `object` |
    /// | `items`, `minItems`, `maxItems` | `array` |
    /// | `minLength`, `maxLength` (in characters) | `string` |
    /// | `minimum`, `maximum` | `number`, `integer` |
    /// | `title`, `description`, `examples`, `$schema`: for people | all |
    ///
    /// The whole is an object's schema; `{}` is the schema of a task without parameters.
    pub fn check_schema(&self) -> Result<(), ObjectError> {
        Schema::of(self).map(drop)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parameters as a JSON value, always an object.
    pub fn to_json(&self) -> Value {
        json::parse(&self.0).expect("the text was written by the canonical writer")
    }

    fn canonical(members: Map<String, Value>) -> Result<Self, ObjectError> {
        let text = json::write(&Value::Object(members));
        check_size(&text)?;
        // Read back, so that what is canonical here is canonical wherever it is decoded.
        json::parse(&text).map_err(|flaw| invalid(&flaw))?;
        Ok(Self(text))
    }
}

fn value_of(name: &str, text: &str) -> Result<Value, ObjectError> {
    match json::parse(text) {
        Ok(value) => Ok(value),
        Err(JsonFlaw::Syntax { .. }) => Ok(Value::String(text.to_owned())),
        Err(JsonFlaw::Refused { reason }) => {
            Err(ObjectError::InvalidParams { reason: format!("the parameter {:?}: {reason}", quoted(name)) })
        }
    }
}

fn check_size(text: &str) -> Result<(), ObjectError> {
    crate::codec::at_most("params", "bytes", text.len(), Params::MAX_BYTES)
}

fn invalid(flaw: &JsonFlaw) -> ObjectError {
    let reason = match flaw {
        JsonFlaw::Syntax { reason, at } => format!("{reason} (at byte {at})"),
        JsonFlaw::Refused { reason } => reason.clone(),
    };
    ObjectError::InvalidParams { reason }
}

impl FromStr for Params {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let params = Self::parse(text)?;
        if params.0 != text {
            return Err(ObjectError::InvalidParams { reason: "the text is not in canonical form (RFC 8785)".into() });
        }
        Ok(params)
    }
}

impl TryFrom<String> for Params {
    type Error = ObjectError;

    fn try_from(text: String) -> Result<Self, ObjectError> {
        text.parse()
    }
}

impl Default for Params {
    /// No parameters: `{}`.
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
