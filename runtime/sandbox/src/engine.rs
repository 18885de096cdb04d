//! The compiler and its settings: everything that could change a bit of a claim is pinned here.

mod artefact; // loading compiled code

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

pub use artefact::Artefact;
use poai_meter::{ADDED_CORE_INSTANCES, METER_VERSION, Nans, StaticRules};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{
    Config, Inlining, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig, RegallocAlgorithm,
    Strategy, WasmFeatures,
};

use crate::guest_text::one_line;
use crate::link::{self, Loaded};
use crate::{Fault, Prepared, Refusal};

/// Bytes of native stack that wasm may use: far above what the metered stack allows, so that it never decides.
pub(crate) const NATIVE_STACK_BYTES: usize = 240 << 20;

/// Bytes of one linear memory: all that 32-bit addresses reach.
const MEMORY_BYTES: usize = 4 << 30;

/// Bytes of the runtime's own record of one instance. The static rules allow about 10 MiB.
const INSTANCE_RECORD_BYTES: usize = 64 << 20;

/// How hard the compiler tries. Both give the same claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptLevel {
    /// Compiles quickly.
    None,
    /// Runs quickly.
    #[default]
    Speed,
}

/// What may differ between engines without changing a claim.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How hard the compiler tries.
    pub opt_level: OptLevel,
    /// Who makes NaNs canonical; programs are to be prepared for the same.
    pub nans: Nans,
    /// Runs in this process at once: address space is reserved for as many, about 35 GiB each.
    pub concurrent_runs: NonZeroU32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { opt_level: OptLevel::default(), nans: Nans::ByMeter, concurrent_runs: NonZeroU32::MIN }
    }
}

/// Why a prepared program cannot be compiled or loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The program's doing: the same on every host.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This host's doing.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Compiles programs and holds the pool in which they run.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    nans: Nans,
}

impl Engine {
    /// An engine with its pool reserved.
    ///
    /// # Errors
    /// [`Fault::HostMemory`] if this host cannot reserve the address space.
    pub fn new(config: &EngineConfig) -> Result<Self, Fault> {
        let wasmtime = wasmtime::Engine::new(&pinned(config))
            .map_err(|error| Fault::HostMemory { reason: format!("{error:#}") })?;
        Ok(Self { wasmtime, nans: config.nans })
    }

    /// Compiles a prepared program and checks that everything it imports fits.
    ///
    /// # Errors
    /// [`Refusal::Link`] if an import does not fit; [`Fault::Unknown`] if the compiler gives up, or if the program was
    /// prepared for an engine with other NaNs.
    pub fn compile(&self, prepared: &Prepared) -> Result<Artefact, LoadError> {
        if prepared.nans() != self.nans {
            return Err(
                Fault::Unknown { reason: "the program was prepared for an engine with other NaNs".into() }.into()
            );
        }
        let unknown = |error: wasmtime::Error| Fault::Unknown { reason: one_line(&format!("{error:#}")) };
        let component = Component::from_binary(&self.wasmtime, prepared.component()).map_err(unknown)?;
        link::load(&self.wasmtime, &component, prepared.world())?;
        let code = component.serialize().map_err(unknown)?;
        Ok(Artefact::authenticated(prepared.world(), code))
    }

    /// Makes compiled code ready to run, any number of times.
    ///
    /// # Errors
    /// [`Fault::Unknown`] if the artefact is of another engine or processor, [`Refusal::Link`] as in [`Engine::compile`].
    pub fn load(&self, artefact: &Artefact) -> Result<Loaded, LoadError> {
        let component =
            artefact.load(&self.wasmtime).map_err(|error| Fault::Unknown { reason: format!("{error:#}") })?;
        Ok(link::load(&self.wasmtime, &component, artefact.world())?)
    }

    /// What compiled code depends on besides the program: wasmtime, its settings, this processor, the meter.
    /// Two engines with the same answer can load each other's artefacts.
    pub fn compatibility(&self) -> [u8; 32] {
        let mut hasher = Sha256Hasher(Sha256::new());
        METER_VERSION.hash(&mut hasher);
        self.wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.finalize().into()
    }
}

/// Feeds whatever is hashed to SHA-256: a 64-bit hash is too short for a name.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the whole digest is taken instead")
    }
}

fn pinned(config: &EngineConfig) -> Config {
    let mut pinned = Config::new();
    pinned
        // Wasmtime's default is the whole of wasm 3: start from nothing.
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(poai_meter::features(), true)
        // A NaN's bits differ between processors, and so does relaxed arithmetic.
        .cranelift_nan_canonicalization(config.nans == Nans::ByCompiler)
        .relaxed_simd_deterministic(true)
        // Whether a segment out of bounds is found before or after others were copied.
        .memory_init_cow(true)
        .table_lazy_init(true)
        // How a run's figures are read when it ended by a trap.
        .coredump_on_trap(true)
        .wasm_backtrace_max_frames(None)
        .max_wasm_stack(NATIVE_STACK_BYTES)
        .async_stack_size(NATIVE_STACK_BYTES)
        // The meter ends a run, and the watchdog a worker: nothing interrupts compiled code.
        .consume_fuel(false)
        .epoch_interruption(false)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(match config.opt_level {
            OptLevel::None => wasmtime::OptLevel::None,
            OptLevel::Speed => wasmtime::OptLevel::Speed,
        })
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .compiler_inlining(Inlining::No)
        .generate_address_map(false)
        .memory_reservation(MEMORY_BYTES as u64)
        .memory_may_move(false)
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config.concurrent_runs.get())));
    pinned.module_version(ModuleVersionStrategy::WasmtimeVersion).expect("wasmtime's own version is not too long");
    pinned
}

/// The pool follows from the static rules: what they let in always finds its place.
fn pool(runs: u32) -> PoolingAllocationConfig {
    let rules = StaticRules::default();
    let count = |of_one_run: u64| u32::try_from(of_one_run).unwrap_or(u32::MAX).saturating_mul(runs);
    let core_instances = rules.core_instances + ADDED_CORE_INSTANCES;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_core_instances(count(core_instances))
        .total_memories(count(rules.memories))
        .total_tables(count(rules.tables * rules.core_instances))
        .max_component_instance_size(INSTANCE_RECORD_BYTES)
        .max_core_instance_size(INSTANCE_RECORD_BYTES)
        .max_memories_per_module(u32::try_from(rules.memories).unwrap_or(u32::MAX))
        .max_tables_per_module(u32::try_from(rules.tables).unwrap_or(u32::MAX))
        .table_elements(usize::try_from(rules.table_elements).unwrap_or(usize::MAX))
        .max_memory_size(MEMORY_BYTES);
    pool
}

#[cfg(test)]
mod tests;
