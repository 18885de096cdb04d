use poai_sandbox::Sink;
use poai_sandbox::worker::{Ran, RunError};

/// Has the workers execute one run into a sink. A blocking call.
pub(crate) type Execute<'a> = &'a mut dyn FnMut(&mut dyn Sink) -> Result<Ran, RunError>;

/// What stands between a node's guests and its store.
///
/// The seam at which the demo's cheat stands. Every other node is [`Honest`]: no flag and no key of the
/// configuration chooses anything else.
pub(crate) trait Executor: Send + Sync {
    /// Executes, once, so that what comes of it reaches the store's sink.
    fn run(&self, execute: Execute<'_>, store: &mut dyn Sink) -> Result<Ran, RunError>;
}

/// Adds nothing to what the workers do, and takes nothing away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Honest;

impl Executor for Honest {
    fn run(&self, execute: Execute<'_>, store: &mut dyn Sink) -> Result<Ran, RunError> {
        execute(store)
    }
}
