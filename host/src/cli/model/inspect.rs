use std::fmt::Write;
use std::path::PathBuf;

use poai_graph::{Declared, Inspection};
use serde_json::{Map, Value, json};

use super::super::invocation::Invocation;
use super::{object, words};
use crate::errors::{Exit, Failure};
use crate::model_file::ModelFile;

/// Show what a model takes and gives, its operators, and what of it is unsupported
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: an ONNX or GGUF file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let inspection = ModelFile::read(&args.file)?.inspection()?;
    invocation.screen.value(&json(&inspection), &text(&inspection));
    Ok(Exit::Done)
}

fn json(inspection: &Inspection) -> Value {
    let values = |values: &[Declared]| -> Map<_, _> {
        values.iter().map(|value| (value.name.clone(), object(value.fact.as_ref()))).collect()
    };
    let unsupported = inspection.unsupported.iter();
    let unsupported = unsupported.map(|it| json!({ "node": it.node, "operator": it.op, "reason": it.reason }));
    json!({
        "inputs": values(&inspection.inputs),
        "outputs": values(&inspection.outputs),
        "operators": inspection.operators,
        "constants": { "count": inspection.constants, "bytes": inspection.constant_bytes },
        "unsupported": unsupported.collect::<Vec<_>>(),
    })
}

fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    for (title, values) in [("inputs", &inspection.inputs), ("outputs", &inspection.outputs)] {
        let _ = writeln!(text, "{title}");
        for value in values {
            let _ = writeln!(text, "  {}  {}", value.name, words(value.fact.as_ref()));
        }
    }
    let _ = writeln!(text, "constants\n  {}, {} bytes", inspection.constants, inspection.constant_bytes);
    let _ = writeln!(text, "operators");
    for (operator, count) in &inspection.operators {
        let _ = writeln!(text, "  {operator}  {count}");
    }
    if inspection.unsupported.is_empty() {
        let _ = writeln!(text, "every operator is supported");
    } else {
        let _ = writeln!(text, "unsupported");
    }
    for it in &inspection.unsupported {
        let _ = writeln!(text, "  node {} ({}): {}", it.node, it.op, it.reason);
    }
    text
}
