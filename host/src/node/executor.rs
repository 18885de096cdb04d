use poai_sandbox::worker::{Attempt, Cancel, Ran, RunError, Workers};
use poai_sandbox::{Content, Sink};

/// How a node has its workers execute a run. A blocking call.
///
/// The seam at which the demo's cheat stands. Every other node is [`Honest`]: no flag and no key of the
/// configuration chooses anything else.
pub(crate) trait Executor: Send + Sync {
    /// As [`Workers::run`].
    fn run(
        &self,
        workers: &Workers,
        attempt: Attempt<'_>,
        content: &dyn Content,
        sink: &mut dyn Sink,
        cancel: &Cancel,
    ) -> Result<Ran, RunError>;
}

/// Adds nothing to what the workers do, and takes nothing away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Honest;

impl Executor for Honest {
    fn run(
        &self,
        workers: &Workers,
        attempt: Attempt<'_>,
        content: &dyn Content,
        sink: &mut dyn Sink,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        workers.run(attempt, content, sink, cancel)
    }
}
