//! Loading compiled code: the one place where bytes become machine code that runs in this process.
#![expect(unsafe_code, reason = "wasmtime cannot check compiled code: whoever loads it vouches for it")]

use poai_objects::World;
use wasmtime::component::Component;

/// Compiled code whose origin is known: this process made it, or the code cache authenticated it.
#[derive(Clone, Debug)]
pub struct Artefact {
    world: World,
    code: Vec<u8>,
}

impl Artefact {
    /// Code that [`Engine::compile`](crate::Engine::compile) made, here or in a compile worker, and that nobody
    /// else could have altered since: the caller vouches for it, by a key that only this home knows.
    pub(crate) fn authenticated(world: World, code: Vec<u8>) -> Self {
        Self { world, code }
    }

    /// How the program is started.
    pub fn world(&self) -> World {
        self.world
    }

    /// The serialised code, for the code cache.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The component that the code is of. An artefact of another engine or processor is an error.
    pub(super) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: an `Artefact` holds only what wasmtime serialised (its constructors' contract), so its code is what
        // the compiler made of a validated component. Wasmtime itself compares version, settings and processor.
        unsafe { Component::deserialize(engine, &self.code) }
    }
}
