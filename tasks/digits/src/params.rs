//! What a run may ask for. `package.toml` says the same to people, with the same defaults.

use serde::Deserialize;

/// The run's parameters. All but `mode` are for training.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    pub(crate) mode: Mode,
    /// How often to go through all images.
    pub(crate) epochs: u32,
    /// How far one batch moves the weights.
    pub(crate) learning_rate: f32,
    /// How much of the last move goes on in the next.
    pub(crate) momentum: f32,
    /// Images that are learned from at once.
    pub(crate) batch: u32,
    /// Units of the hidden layer.
    pub(crate) hidden: u32,
}

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Images, labels and earlier weights in, weights and metrics out.
    Train,
    /// Weights and images in, labels and a report out.
    Classify,
}

impl Default for Params {
    fn default() -> Self {
        Self { mode: Mode::Train, epochs: 10, learning_rate: 0.05, momentum: 0.9, batch: 16, hidden: 128 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_that_the_package_tells() {
        let package: toml::Table = include_str!("../package.toml").parse().unwrap();
        let properties = package["params"]["properties"].as_table().unwrap();
        let told = properties.iter().map(|(name, schema)| (name.clone(), schema["default"].clone())).collect();
        let told: Params = toml::Value::Table(told).try_into().unwrap();
        assert_eq!(told, Params::default());
    }
}
