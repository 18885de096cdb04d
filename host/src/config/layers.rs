use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::{Table, Value};

use super::DEFAULT_TOML;
use crate::errors::{Failure, Kind};
use crate::nearest::nearest;
use crate::toml_line::line_of;

/// Bytes of a configuration file.
const MAX_FILE_BYTES: usize = 1 << 20;
/// Variables that mean something else than a key of the configuration.
const OTHER_VARIABLES: [&str; 2] = ["POAI_HOME", "POAI_CONFIG"];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    Default,
    File(String),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => f.write_str(path),
            Origin::Environment(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// One key's value and origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// All keys, each with the value of the highest layer that set it.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    settings: BTreeMap<String, Setting>,
}

impl Default for Layers {
    fn default() -> Self {
        let table: Table = DEFAULT_TOML.parse().expect("the embedded defaults are valid TOML");
        let mut settings = BTreeMap::new();
        for (section, keys) in table {
            let Value::Table(keys) = keys else { unreachable!("every key lies in a section") };
            for (key, value) in keys {
                settings.insert(format!("{section}.{key}"), Setting { value, origin: Origin::Default });
            }
        }
        Self { settings }
    }
}

impl Layers {
    /// Every key with its value and origin, in order.
    pub(crate) fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.settings
    }

    /// Lays a file over what is there.
    pub(crate) fn add_file(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        let refuse = |message: String| Failure::new(Kind::Config, message);
        if text.len() > MAX_FILE_BYTES {
            return Err(refuse(format!("{path} is larger than {MAX_FILE_BYTES} bytes")));
        }
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            refuse(format!("{path}, line {}: {}", line_of(text, &error), error.message()))
        })?;
        for (section, keys) in table {
            let Value::Table(keys) = keys else {
                return Err(self.unknown(&section, path));
            };
            for (key, value) in keys {
                self.set(&format!("{section}.{key}"), value, Origin::File(path.to_owned()))?;
            }
        }
        Ok(())
    }

    /// Lays the environment's `POAI_SECTION_KEY` variables over what is there.
    pub(crate) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), Failure> {
        for (name, text) in variables {
            if !name.starts_with("POAI_") || OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let Some(key) = self.settings.keys().find(|key| variable_of(key) == name).cloned() else {
                let names: Vec<String> = self.settings.keys().map(|key| variable_of(key)).collect();
                let mut error = Failure::new(
                    Kind::Config,
                    format!("the environment sets {name}, which names no key of the configuration"),
                );
                if let Some(near) = nearest(&name, names.iter().map(String::as_str)) {
                    error = error.hint(format!("did you mean {near}?"));
                }
                return Err(error);
            };
            let value = self.parse_text(&key, &text, &name)?;
            self.set(&key, value, Origin::Environment(name))?;
        }
        Ok(())
    }

    /// Lays one flag's value over what is there.
    pub(crate) fn add_flag(&mut self, flag: &str, key: &str, value: impl Into<Value>) -> Result<(), Failure> {
        self.set(key, value.into(), Origin::Flag(flag.to_owned()))
    }

    /// The values as nested tables.
    pub(crate) fn merged(&self) -> Table {
        let mut table = Table::new();
        for (path, setting) in &self.settings {
            let (section, key) = path.split_once('.').expect("every key lies in a section");
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(section) = section else { unreachable!("sections are tables") };
            section.insert(key.to_owned(), setting.value.clone());
        }
        table
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), Failure> {
        let Some(setting) = self.settings.get_mut(key) else {
            return Err(self.unknown(key, &origin.to_string()));
        };
        if setting.value.type_str() != value.type_str() {
            let message = format!(
                "{origin}: {key} must be {}, not {}",
                article(setting.value.type_str()),
                article(value.type_str())
            );
            return Err(Failure::new(Kind::Config, message));
        }
        *setting = Setting { value, origin };
        Ok(())
    }

    fn unknown(&self, key: &str, place: &str) -> Failure {
        let error = Failure::new(Kind::Config, format!("{place}: there is no key {key}"));
        match nearest(key, self.settings.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
    }

    /// A variable's text as a value of its key's type. Lists are separated by commas.
    fn parse_text(&self, key: &str, text: &str, name: &str) -> Result<Value, Failure> {
        let refuse = |expected: &str| Failure::new(Kind::Config, format!("{name} must be {expected}, not {text:?}"));
        Ok(match &self.settings[key].value {
            Value::Integer(_) => Value::Integer(text.parse().map_err(|_| refuse("a whole number"))?),
            Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| refuse("true or false"))?),
            Value::Array(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            _ => Value::String(text.to_owned()),
        })
    }
}

fn variable_of(key: &str) -> String {
    format!("POAI_{}", key.to_ascii_uppercase().replace('.', "_"))
}

fn article(kind: &str) -> String {
    match kind {
        "integer" => "a whole number".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => format!("a {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(layers: &Layers, key: &str) -> (String, String) {
        let setting = &layers.settings()[key];
        (setting.value.to_string(), setting.origin.to_string())
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let mut layers = Layers::default();
        let key = "store.quota_bytes";
        assert_eq!(value(&layers, key), ("0".into(), "default".into()));
        layers.add_file("config.toml", "[store]\nquota_bytes = 1").unwrap();
        assert_eq!(value(&layers, key), ("1".into(), "config.toml".into()));
        layers.add_environment([("POAI_STORE_QUOTA_BYTES".into(), "2".into())].into_iter()).unwrap();
        assert_eq!(value(&layers, key), ("2".into(), "POAI_STORE_QUOTA_BYTES".into()));
        layers.add_flag("--quota", key, 3).unwrap();
        assert_eq!(value(&layers, key), ("3".into(), "--quota".into()));
    }

    #[test]
    fn what_is_not_a_key_is_refused_with_the_nearest() {
        for (text, message, hint) in [
            ("[store]\nquota_byte = 1", "f: there is no key store.quota_byte", Some("did you mean store.quota_bytes?")),
            ("[stor]\nquota_bytes = 1", "f: there is no key stor.quota_bytes", Some("did you mean store.quota_bytes?")),
            ("store = 1", "f: there is no key store", None),
            ("[store]\nquota_bytes = \"1\"", "f: store.quota_bytes must be a whole number, not a string", None),
            ("[store\n", "f, line 1: ", None),
        ] {
            let error = Layers::default().add_file("f", text).unwrap_err();
            assert!(error.message.starts_with(message), "{}", error.message);
            if let Some(hint) = hint {
                assert_eq!(error.hint.as_deref(), Some(hint));
            }
        }
    }

    #[test]
    fn a_mistyped_variable_is_refused() {
        let error = Layers::default().add_environment([("POAI_HOST_SLOT".into(), "2".into())].into_iter()).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean POAI_HOST_SLOTS?"));
        let error =
            Layers::default().add_environment([("POAI_HOST_SLOTS".into(), "two".into())].into_iter()).unwrap_err();
        assert_eq!(error.message, "POAI_HOST_SLOTS must be a whole number, not \"two\"");
    }
}
