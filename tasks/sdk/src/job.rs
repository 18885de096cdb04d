//! What was asked of this run: parameters, seed, limits.

use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::poai::task::job;

/// The run's parameters as the type that the task works with.
///
/// # Errors
/// [`Error::Param`] names the parameter that does not fit, [`Error::Params`] one that is missing.
pub fn params<P: DeserializeOwned>() -> Result<P, Error> {
    parse(&job::params())
}

/// The seed from which all randomness of the run follows: see [`Rng`](crate::Rng).
#[must_use]
pub fn seed() -> u64 {
    job::seed()
}

/// What the run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units of metered work. Going over ends the run.
    pub fuel: u64,
    /// Bytes of all memories and tables together. Growing past it fails.
    pub memory_bytes: u64,
    /// Units of call stack. Going over ends the run.
    pub stack_units: u64,
    /// Bytes of all outputs together. Going over ends the run.
    pub output_bytes: u64,
    /// How many outputs there may be. Going over ends the run.
    pub output_count: u32,
}

/// The limits that the run's description sets.
#[must_use]
pub fn limits() -> Limits {
    let limits = job::get_limits();
    Limits {
        fuel: limits.fuel,
        memory_bytes: limits.memory_bytes,
        stack_units: limits.stack_units,
        output_bytes: limits.output_bytes,
        output_count: limits.output_count,
    }
}

fn parse<P: DeserializeOwned>(json: &str) -> Result<P, Error> {
    // By way of a value, so that messages speak of parameters rather than of lines and columns.
    let value: serde_json::Value =
        serde_json::from_str(json).map_err(|error| Error::Params { reason: error.to_string() })?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        // The path of an error at the top is ".".
        if path == "." { Error::Params { reason } } else { Error::Param { path, reason } }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Params {
        epochs: u32,
        rate: f32,
        #[serde(default)]
        layers: Vec<Layer>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Layer {
        width: u8,
    }

    #[test]
    fn parameters_become_a_type() {
        assert_eq!(
            parse::<Params>(r#"{"epochs":3,"layers":[{"width":8}],"rate":0.1}"#).unwrap(),
            Params { epochs: 3, rate: 0.1, layers: vec![Layer { width: 8 }] }
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (json, expected) in [
            (r#"{"epochs":"3","rate":1}"#, "parameter `epochs`: invalid type: string \"3\", expected u32"),
            (r#"{"epochs":-1,"rate":1}"#, "parameter `epochs`: invalid value: integer `-1`, expected u32"),
            (
                r#"{"epochs":1,"rate":1,"layers":[{"width":1},{"width":256}]}"#,
                "parameter `layers[1].width`: invalid value: integer `256`, expected u8",
            ),
            (r#"{"epochs":1}"#, "parameters: missing field `rate`"),
            (
                r#"{"epochs":1,"rate":1,"rates":2}"#,
                "parameter `rates`: unknown field `rates`, expected one of `epochs`, `rate`, `layers`",
            ),
            ("[]", "parameters: invalid length 0, expected struct Params with 3 elements"),
        ] {
            assert_eq!(parse::<Params>(json).unwrap_err().to_string(), expected);
        }
    }
}
