use serde::{Deserialize, Serialize};

use crate::kernels::Step;

/// What came of the proof of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How the device computes the fused step; none of a device that serves nothing.
    pub step: Option<Step>,
    /// What was wrong. A device may serve with failures of a lowering that it does not use.
    pub failures: Vec<Failure>,
    /// The checks that differ if shaders are not marked. None means that this driver never took the liberty.
    pub undecorated: Vec<String>,
}

/// A check that a device does not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The hazard that was looked for.
    pub check: String,
    /// The lowering of the fused step that failed; none if the check has no step.
    pub step: Option<Step>,
    /// What was seen.
    pub reason: String,
}

impl Verdict {
    /// Whether the device gives the right bits.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.step.is_some()
    }
}
