//! Models: by themselves, before they are part of a package, and those that are here.

mod inspect;
mod ls;
mod pull;
mod run;

use poai_graph::Fact;
use serde_json::{Value, json};

use super::invocation::Invocation;
use crate::errors::{Exit, Failure};

/// Look at models and compute them, list and bring those of packages
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Ls(ls::Args),
    Pull(pull::Args),
    Inspect(inspect::Args),
    Run(Box<run::Args>),
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    match args.action {
        Action::Ls(args) => ls::run(&args, invocation).await,
        Action::Pull(args) => pull::run(args, invocation).await,
        Action::Inspect(args) => inspect::run(&args, invocation),
        Action::Run(args) => run::run(&args, invocation).await,
    }
}

/// Type and shape for people: `f32[batch, 3]`.
fn words(fact: Option<&Fact>) -> String {
    let Some(fact) = fact else { return "unknown".into() };
    let Some(shape) = &fact.shape else { return format!("{} of any shape", fact.dtype) };
    let sizes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    format!("{}[{}]", fact.dtype, sizes.join(", "))
}

/// The same for programs: a size is a number, a name, or null; a shape of which nothing is known is null.
fn object(fact: Option<&Fact>) -> Value {
    use poai_graph::Dim;
    let size = |dim: &Dim| match dim {
        Dim::Size(size) => json!(size),
        Dim::Named(name) => json!(**name),
        Dim::Unknown => Value::Null,
    };
    let shape = fact.and_then(|fact| fact.shape.as_ref());
    json!({
        "dtype": fact.map(|fact| fact.dtype.to_string()),
        "shape": shape.map(|shape| shape.iter().map(size).collect::<Vec<_>>()),
    })
}
