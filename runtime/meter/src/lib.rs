//! Static rules and exact metering of WebAssembly components: bytes in, bytes out.
//!
//! [`check`] validates a component and tests it against [`StaticRules`]; [`instrument`] rewrites what was checked
//! so that it counts its own fuel and stack by a [`CostTable`]. Core modules become components before they come here.
//! Nothing here compiles, runs, reads a clock or touches a file.
//!
//! # What the host supplies
//!
//! An instrumented component imports one more instance, [`HOST_INTERFACE`], of four plain functions:
//!
//! | function | called | the host |
//! |---|---|---|
//! | `fuel-limit: func() -> s64` | once, first of all | answers the run's fuel limit, 0 … [`MAX_FUEL`] |
//! | `stack-limit: func() -> s32` | once, right after | answers the run's stack limit in units, 0 … [`MAX_STACK_UNITS`] |
//! | `sync: func(left: s64)` | before each imported call and resource drop; after each exported call and start function | notes the fuel left; if negative, ends the run as *out of fuel* by returning an error |
//! | `take: func() -> s64` | after each imported call | answers what it charged since the last `take`, at least 0, and forgets it |
//!
//! So inside an imported call the fuel left is the last `left` minus what the host has charged since. Whatever the
//! host charges (bytes lifted and lowered, multiply-adds) it reports by `take`; a count below zero is found at the
//! guest's next check or `sync`. `sync` is not called from `realloc` or `post-return`, where the component model
//! forbids calls out.
//!
//! # The figure when a run ends
//!
//! - *Well*: call the added export [`GUEST_INTERFACE`] / [`FUEL_LEFT_EXPORT`], `func() -> s64`, after the last
//!   `post-return`. It answers the fuel left.
//! - *By an error that carries a `wasmtime::WasmCoreDump`* (`Config::coredump_on_trap`): the fuel left is the value
//!   of `dump.globals()[`[`FUEL_GLOBAL`]`]`, an i64, minus what the host has charged and `take` has not yet answered;
//!   the stack left is `dump.globals()[`[`STACK_GLOBAL`]`]`, an i32. The meter's instance comes first, so its globals
//!   do, provided that the store held no instance before. A negative stack means that the run ended as *stack*.
//! - *By any other error* (a segment out of bounds while instantiating, a result that does not lift): the fuel left is
//!   the last `left` told by `sync`, minus what the host has charged since. No guest code ran after it, except
//!   `realloc` for the arguments of an exported call.
//!
//! In every case a negative figure means *out of fuel*, whatever else the error says, and out of fuel reports the
//! limit as the fuel spent. The guest's own checks end in `unreachable`, with the globals stored.
//!
//! # What the host limits itself
//!
//! The memory limit is not of this crate: a `ResourceLimiter` in the sandbox answers `Ok(false)` to growth beyond it,
//! so that `memory.grow` returns −1. The native stack must be far larger than the stack limit: a unit is about
//! a byte of a native frame, no promise. NaN canonicalisation is the
//! compiler's setting, or this crate's with [`Nans::ByMeter`].
//! Instrumenting adds at most [`ADDED_CORE_INSTANCES`] core instances to pool, no memory and no table.

mod body; // rewrites one function body
mod calls; // the call graph: who counts what, who tests the stack
mod charge; // where a body charges, and how much
mod check; // the static rules, tested on the original component
mod component; // rewrites a component around its core modules
mod component_output; // the component being written
mod cost; // what each operation costs
mod features; // which proposals are accepted
mod float_ops; // what an instruction does with the bits of a NaN
mod instrument; // the rewriting, from the outside
mod joins; // what the compiler takes long over
mod module; // rewrites one core module
mod nan; // where NaNs are made canonical
mod nan_webs; // values and where they flow, for that
mod ops; // one instruction: its cost, and whether it can trap
mod reach; // which instructions some path leads to
mod refusal; // why a component is refused
mod rules; // the static limits
mod scan; // what a body has in it
mod seam; // the core modules that are added
mod signatures; // function types with the counters in them
mod wasm_types; // value types, from the parser's to the encoder's

pub use check::{Checked, ComponentFacts, check, check_module};
pub use cost::CostTable;
pub use features::features;
pub use instrument::{ADDED_CORE_INSTANCES, Nans, instrument, instrument_with};
pub use refusal::{Refused, StaticRule};
pub use rules::StaticRules;

/// Version of the instrumentation: part of the key of compiled code, raised with any change of its output.
pub const METER_VERSION: u32 = 2;

/// The instance that an instrumented component imports from the host.
pub const HOST_INTERFACE: &str = "poai:meter/host@0.1.0";

/// The instance that an instrumented component exports for the host.
pub const GUEST_INTERFACE: &str = "poai:meter/guest@0.1.0";

/// The function of [`GUEST_INTERFACE`] that answers the fuel left.
pub const FUEL_LEFT_EXPORT: &str = "fuel-left";

/// The module name under which instrumented core modules import the meter's globals; reserved in every component.
pub const METER_MODULE: &str = "poai:meter";

/// Where a core dump's globals have the fuel left, an i64.
pub const FUEL_GLOBAL: usize = 0;

/// Where a core dump's globals have the stack left, in units, an i32; negative once a check has failed.
pub const STACK_GLOBAL: usize = 1;

/// The greatest fuel limit, so that no count can overflow.
pub const MAX_FUEL: i64 = 1 << 60;

/// The greatest stack limit, in units.
pub const MAX_STACK_UNITS: i32 = 1 << 30;
