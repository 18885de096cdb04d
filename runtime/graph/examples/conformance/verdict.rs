//! One case, computed.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use poai_graph::{Budget, Cpu, ModelError, ModelLimits, OpError, RunError, Session, Tensor, onnx};

use super::case::{Case, tensor};
use super::comparison::compare;

/// What any case may cost: far more than any does.
const BUDGET: Budget = Budget { fuel: 1 << 40, memory_bytes: 8 << 30 };

/// How a case ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// With the outputs to expect.
    Passed,
    /// With others, with an error, or with a panic.
    Failed(String),
    /// It needs something that is not built.
    Unsupported {
        /// An operator, or what else it is.
        operator: String,
        /// What of it.
        reason: String,
    },
    /// It is not about tensors.
    Skipped(String),
}

impl Verdict {
    /// What it is, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Unsupported { .. } => "unsupported",
            Self::Skipped(_) => "skipped",
        }
    }

    fn failed(what: &str, reason: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {reason}"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str(self.kind()),
            Self::Failed(reason) | Self::Skipped(reason) => write!(f, "{}: {reason}", self.kind()),
            Self::Unsupported { operator, reason } => write!(f, "{}: {operator}: {reason}", self.kind()),
        }
    }
}

/// Computes a case and compares. A panic is a failure of that case alone.
pub(crate) fn of(case: &Case, cpu: &Cpu) -> Verdict {
    if let Some(reason) = &case.skipped {
        return Verdict::Skipped(reason.clone());
    }
    let computed = catch_unwind(AssertUnwindSafe(|| outputs(case, cpu)));
    let found = match computed {
        Ok(Ok(outputs)) => outputs,
        Ok(Err(verdict)) => return verdict,
        Err(payload) => return Verdict::failed("PANIC", message(&*payload)),
    };
    if found.len() != case.outputs.len() {
        return Verdict::Failed(format!("{} outputs instead of {}", found.len(), case.outputs.len()));
    }
    for (i, (found, expected)) in found.iter().zip(&case.outputs).enumerate() {
        let compared = tensor(expected).and_then(|expected| compare(&expected, found, case.tolerance));
        if let Err(difference) = compared {
            return Verdict::failed(&format!("output {i}"), difference);
        }
    }
    Verdict::Passed
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref().copied()).unwrap_or("of an unknown kind")
}

/// What the model gives.
///
/// # Errors
/// How the case ended, if not with outputs.
pub(crate) fn outputs(case: &Case, cpu: &Cpu) -> Result<Vec<Tensor>, Verdict> {
    let graph =
        onnx::read(case.model.clone(), &(), &ModelLimits::default()).map_err(|error| refused(error, "reading"))?;
    let session = Session::new(graph, Arc::new(cpu.clone())).map_err(|error| refused(error, "preparing"))?;
    let names = session.graph().inputs.iter().map(|&id| session.graph().value(id).name.as_str());
    let tensors = case
        .inputs
        .iter()
        .enumerate()
        .map(|(i, message)| tensor(message).map_err(|reason| Verdict::failed(&format!("input {i}"), reason)));
    let inputs = names.zip(tensors).map(|(name, tensor)| Ok((name, tensor?))).collect::<Result<Vec<_>, _>>()?;
    session.run(&inputs, &mut BUDGET.clone()).map_err(|error| stopped(&session, error))
}

fn refused(error: ModelError, when: &str) -> Verdict {
    match error {
        ModelError::Unsupported { op, reason, .. } => Verdict::Unsupported { operator: op, reason },
        ModelError::Value { reason: OpError::Unsupported(reason), .. } => {
            Verdict::Unsupported { operator: "a value".into(), reason }
        }
        other => Verdict::failed(when, other),
    }
}

fn stopped(session: &Session, error: RunError) -> Verdict {
    match error {
        RunError::Node { node, reason: OpError::Unsupported(reason) } => {
            let found = session.graph().nodes.iter().find(|found| found.name == node);
            let operator = found.map_or("an operator in a body", |node| node.op.operation().name());
            Verdict::Unsupported { operator: operator.to_owned(), reason }
        }
        other => Verdict::failed("running", other),
    }
}
