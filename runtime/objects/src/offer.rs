use serde::{Deserialize, Serialize};

use crate::codec::{at_most, plain_text};
use crate::{EngineName, Object, ObjectError, OfferId};

/// What a host offers, to be signed by its key and spread by gossip until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The engine that it runs; runs of another engine are declined.
    pub engine: EngineName,
    /// Where it can be reached: multiaddrs, with the peer id.
    pub addresses: Vec<String>,
    /// Accelerators whose conformance proof passed on it; empty for the CPU alone.
    pub devices: Vec<String>,
    /// Metered work that it does in a second on one slot, as measured by itself.
    pub fuel_per_s: u64,
    /// What it asks.
    pub price: Price,
    /// Runs that it would start now.
    pub free_slots: u32,
    /// Bytes of memory that one run may have.
    pub memory_bytes: u64,
    /// Whether anybody's programs are taken, or only those that its operator named.
    pub open: bool,
    /// Raised with every offer of this host: the highest replaces the others.
    pub sequence: u64,
    /// The first second, since 1970-01-01T00:00:00Z, in which it no longer holds.
    pub expires_s: u64,
}

/// A price, in the ledger's smallest units per 10⁹ units of fuel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Price(pub u64);

impl Offer {
    /// Addresses of one offer.
    pub const MAX_ADDRESSES: usize = 16;
    /// Devices of one offer.
    pub const MAX_DEVICES: usize = 16;
    /// Bytes of one address or device name.
    pub const MAX_TEXT_BYTES: usize = 256;
}

impl Object for Offer {
    const KIND: &'static str = "poai/offer";
    const VERSION: u64 = 1;
    type Id = OfferId;

    fn validate(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "addresses", self.addresses.len(), Self::MAX_ADDRESSES)?;
        at_most(Self::KIND, "devices", self.devices.len(), Self::MAX_DEVICES)?;
        for text in self.addresses.iter().chain(&self.devices) {
            plain_text(Self::KIND, "text bytes", text, Self::MAX_TEXT_BYTES)?;
        }
        Ok(())
    }
}
