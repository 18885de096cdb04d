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
    rewrite_component(checked, costs)
}
