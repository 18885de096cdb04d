use serde::{Deserialize, Serialize};

use crate::codec::plain_text;
use crate::{ClaimId, Object, ObjectError, PackageId, ReceiptId};

/// A host's word for a claim, to be signed: the claim, and advisory telemetry beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What the host says the run produced.
    pub claim: ClaimId,
    /// The package by which the run was asked for, if by one: whose contributors are credited.
    pub package: Option<PackageId>,
    /// How it went on this host. Nobody can check it; nothing depends on it.
    pub telemetry: Telemetry,
}

/// Measured by the host, and different every time: never inside a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// When the run began, milliseconds since 1970-01-01T00:00:00Z by the host's clock.
    pub started_ms: u64,
    /// How long the guest ran, microseconds of real time.
    pub wall_us: u64,
    /// How long preparing took (fetching, compiling), microseconds of real time.
    pub prepare_us: u64,
    /// The processor's or accelerator's name.
    pub device: String,
}

impl Receipt {
    /// Bytes of the device's name.
    pub const MAX_DEVICE_BYTES: usize = 256;
}

impl Object for Receipt {
    const KIND: &'static str = "poai/receipt";
    const VERSION: u64 = 1;
    type Id = ReceiptId;

    fn validate(&self) -> Result<(), ObjectError> {
        plain_text(Self::KIND, "device bytes", &self.telemetry.device, Self::MAX_DEVICE_BYTES)
    }
}
