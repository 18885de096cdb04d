//! The rewriting, from the outside.

use crate::component::rewrite_component;
use crate::{Checked, CostTable, Refused};

/// The most core instances that instrumenting adds to a component's own: the meter's, one after each module that
/// starts, and one for each group of wrappers and twins (a handful in what toolchains make).
pub const ADDED_CORE_INSTANCES: u64 = crate::component::ADDED_CORE_INSTANCES;

/// Rewrites a checked component so that it counts its fuel and stack: the same bytes for the same input, always.
/// What comes out is valid with [`features`](crate::features).
///
/// # Errors
/// [`StaticRule::BodyBytes`](crate::StaticRule::BodyBytes) if a function grows beyond what WebAssembly engines allow;
/// [`StaticRule::CoreInstances`](crate::StaticRule::CoreInstances) if more than [`ADDED_CORE_INSTANCES`] are needed.
pub fn instrument(checked: &Checked<'_>, costs: &CostTable) -> Result<Vec<u8>, Refused> {
    rewrite_component(checked, costs, Nans::ByCompiler)
}

/// Who makes NaNs canonical, so that their bits are the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nans {
    /// The compiler, after every arithmetic instruction (`Config::cranelift_nan_canonicalization(true)`).
    ByCompiler,
    /// The instrumented code, where a NaN's bits come to be seen; the compiler's setting is to be off. A program
    /// cannot tell it from [`Nans::ByCompiler`], but by its speed.
    ByMeter,
}

/// As [`instrument`], which is for [`Nans::ByCompiler`], with the choice of who makes NaNs canonical.
///
/// # Errors
/// Those of [`instrument`].
pub fn instrument_with(checked: &Checked<'_>, costs: &CostTable, nans: Nans) -> Result<Vec<u8>, Refused> {
    rewrite_component(checked, costs, nans)
}
