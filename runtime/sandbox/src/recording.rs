use cid::Cid;
use poai_objects::Fuel;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// What an earlier execution computed: the seam to whoever keeps it, for a replay that does not compute all of it again.
///
/// A replay takes what it is told as if it had computed it, and writes it into its own trace. So where recorded and
/// recomputed results part, or what the guest does with them, two traces part.
pub trait Recording: Send + Sync {
    /// What is recorded of this very call. Of another one, or of one whose results were not kept, nothing: then the
    /// replay computes.
    fn recall(&self, call: &Call) -> Result<Option<Recalled>, Fault>;
}

/// A computation that a replay has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Its number in the trace, from 0.
    pub index: u64,
    /// The fuel spent when it was made.
    pub fuel: Fuel,
    /// The CID of its arguments.
    pub arguments: Cid,
}

/// A computation's recorded results. Their tensors are blocks of the run's [`Content`](crate::Content).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// As the effect names them.
    pub results: Vec<u8>,
    /// The blocks that they name.
    pub tensors: Vec<Cid>,
    /// Whether the results are to be computed again beside the replay, and compared.
    pub recompute: bool,
}
