//! What a running guest sees of the world: nothing of this machine.

pub(crate) mod stop; // why a host call ends the run

use wasmtime::component::Linker;

/// The state behind every host call of one run.
pub(crate) struct Guest {}

impl Guest {
    /// Offers everything that a run offers.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        let _ = linker;
        Ok(())
    }
}
