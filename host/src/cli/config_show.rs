use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::invocation::Invocation;
use crate::config::{Config, DEFAULT_TOML};
use crate::errors::{Exit, Failure};

/// Show the configuration
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Every key with its value, and where the value comes from
    Show {
        /// The commented defaults instead, to begin a file with
        #[arg(long)]
        defaults: bool,
    },
}

pub(super) fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let Action::Show { defaults } = args.action;
    if defaults {
        invocation.screen.value(&json!({ "toml": DEFAULT_TOML }), DEFAULT_TOML);
        return Ok(Exit::Done);
    }
    let home = invocation.home()?;
    let layers = invocation.layers(&home)?;
    Config::from_layers(&layers)?;
    let mut value = Map::new();
    let mut words = String::new();
    for (key, setting) in layers.settings() {
        let setting_json = serde_json::to_value(&setting.value).unwrap_or(Value::Null);
        value.insert(key.clone(), json!({ "value": setting_json, "from": setting.origin.to_string() }));
        let _ = writeln!(words, "{key} = {}  # {}", setting.value, setting.origin);
    }
    invocation.screen.value(&Value::Object(value), &words);
    Ok(Exit::Done)
}
