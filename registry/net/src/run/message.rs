//! The messages of `/poai/run/1`: canonical DAG-CBOR, one a frame.
//!
//! Both sides begin with [`Hello`]. The requester then sends one [`Ask`], and perhaps
//! [`FromRequester::Cancel`]; the host answers with [`RunEvent`]s, of which the last is final. Once the requester has
//! all that a receipt leads to, it says so by [`FromRequester::Fetched`], over a stream of its own.

use cid::Cid;
use poai_objects::codec::encode;
use poai_objects::{Claim, EngineName, Envelope, Object, ObjectError, Receipt, Run, Signed, Verdict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::NAME;
use crate::NetError;

/// The version of these messages; raised whenever one changes.
pub(crate) const VERSION: u64 = 2;

/// The first message of either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    /// The sender's [`VERSION`].
    pub(crate) version: u64,
    /// The engine that the requester asks for, or that the host runs.
    pub(crate) engine: EngineName,
}

/// What a requester sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FromRequester {
    Hello(Hello),
    Ask(Ask),
    Cancel,
    /// Instead of an ask: it has everything below the envelope of this receipt, and needs it kept no longer.
    Fetched(Cid),
}

/// What a host sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FromHost {
    Hello(Hello),
    Event(RunEvent),
    /// Nothing new: the host lives.
    Alive,
}

/// A run that somebody wants executed, or replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What the answer is for.
    pub purpose: Purpose,
    /// The canonical bytes of a [`Run`]. What it links to is fetched from the requester by bitswap.
    #[serde(with = "serde_bytes")]
    pub run: Vec<u8>,
    /// The package by which it was asked for, if by one.
    pub package: Option<SignedBytes>,
    /// Whether log lines are wanted.
    pub want_log: bool,
    /// A word to the host's operator; empty for none.
    pub note: String,
}

/// What an [`Ask`] is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Purpose {
    /// A receipt: the run is executed, or known.
    Receipt,
    /// A verdict on a claim: the run is replayed, never looked up.
    Verdict {
        /// The canonical bytes of the [`Claim`] in doubt.
        #[serde(with = "serde_bytes")]
        claim: Vec<u8>,
    },
}

impl Ask {
    /// A run to be executed, without a package or a note.
    pub fn for_run(run: &Run) -> Self {
        Self { purpose: Purpose::Receipt, run: run.to_bytes(), package: None, want_log: true, note: String::new() }
    }

    /// A claim to be replayed.
    pub fn for_verdict(run: &Run, claim: &Claim) -> Self {
        Self { purpose: Purpose::Verdict { claim: claim.to_bytes() }, ..Self::for_run(run) }
    }

    /// The run, checked.
    pub fn run(&self) -> Result<Run, ObjectError> {
        Run::from_bytes(&self.run)
    }

    /// The claim in doubt, checked; none if a receipt is asked for.
    pub fn claim(&self) -> Result<Option<Claim>, ObjectError> {
        match &self.purpose {
            Purpose::Receipt => Ok(None),
            Purpose::Verdict { claim } => Claim::from_bytes(claim).map(Some),
        }
    }
}

/// A signed object as it travels: nobody has checked it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBytes {
    /// The canonical bytes of the [`Envelope`].
    #[serde(with = "serde_bytes")]
    pub envelope: Vec<u8>,
    /// The canonical bytes of the payload.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

impl SignedBytes {
    /// A signed object's two blocks.
    pub fn of<T: Object>(signed: &Signed<T>) -> Self {
        Self { envelope: signed.envelope().to_bytes(), payload: signed.object().to_bytes() }
    }

    /// Checks the signature, and decodes the payload.
    pub fn open<T: Object>(&self) -> Result<Signed<T>, ObjectError> {
        Signed::open(Envelope::from_bytes(&self.envelope)?, &self.payload)
    }
}

/// What a host says about a run, in order: at most one of `Accepted`, any number of `Progress` and
/// `Log`, and one last word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RunEvent {
    /// It takes the run.
    Accepted {
        /// Runs that come before it.
        queue_position: u64,
    },
    /// How far it is.
    Progress(Progress),
    /// What the guest says, in order.
    Log {
        /// The lines, without their ends.
        lines: Vec<LogLine>,
        /// Lines that the host left out since the last message, because there were too many.
        dropped: u64,
    },
    /// The last word: it does not take the run.
    Declined(Decline),
    /// The last word: the run's result.
    Receipt(ReceiptAnswer),
    /// The last word: the replay's result.
    Verdict(VerdictAnswer),
    /// The last word: the attempt came to no claim, by the host's doing; another host may do better.
    Faulted(RunFault),
}

impl RunEvent {
    /// Whether nothing comes after it.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Progress(_) | Self::Log { .. } => false,
            Self::Declined(_) | Self::Receipt(_) | Self::Verdict(_) | Self::Faulted(_) => true,
        }
    }
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What the host is at.
    pub stage: Stage,
    /// Units done: bytes while fetching, the guest's own while running.
    pub done: u64,
    /// Units in all, if known.
    pub total: Option<u64>,
    /// What is being done, in the guest's or host's words.
    pub what: String,
}

/// What a host is at with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Others come first.
    Queued,
    /// Program and inputs are on their way.
    Fetching,
    /// The program is being compiled.
    Compiling,
    /// The guest runs.
    Running,
    /// Outputs are being stored.
    Storing,
}

/// One line of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// How urgent.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// A log line's urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Step by step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What anybody may want to know.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Why a host does not take a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// The kind of reason.
    pub reason: DeclineReason,
    /// More, for people.
    pub text: String,
}

/// The kinds of reasons to decline a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeclineReason {
    /// The operator takes neither this program nor this requester.
    Policy,
    /// Every slot and the queue are taken; later may be better.
    Busy,
    /// The run is for another engine than the host's.
    Engine,
    /// The run's limits are above what the host gives.
    Limits,
    /// The program breaks a static rule of the engine: no host takes it.
    Refused {
        /// The rule's name.
        rule: String,
    },
    /// The program could not be had from anybody.
    UnknownProgram,
    /// The ask is not well formed.
    Malformed,
}

/// A host's claim with its signature on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptAnswer {
    /// A signed [`Receipt`].
    pub receipt: SignedBytes,
    /// The canonical bytes of the [`Claim`] that it names. Its outputs are fetched by bitswap.
    #[serde(with = "serde_bytes")]
    pub claim: Vec<u8>,
}

impl ReceiptAnswer {
    /// Packs a receipt and its claim.
    pub fn of(receipt: &Signed<Receipt>, claim: &Claim) -> Self {
        Self { receipt: SignedBytes::of(receipt), claim: claim.to_bytes() }
    }

    /// Checks the signature, and that the receipt is for this claim. Whether the claim is for the run
    /// that was asked for is the caller's to check.
    pub fn open(&self) -> Result<(Signed<Receipt>, Claim), ObjectError> {
        let receipt = self.receipt.open::<Receipt>()?;
        let claim = Claim::from_bytes(&self.claim)?;
        same(receipt.object().claim.into(), claim.id().into())?;
        Ok((receipt, claim))
    }
}

/// A verifier's verdict with its signature on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictAnswer {
    /// A signed [`Verdict`].
    pub verdict: SignedBytes,
    /// The canonical bytes of the [`Claim`] that the replay made.
    #[serde(with = "serde_bytes")]
    pub found: Vec<u8>,
}

impl VerdictAnswer {
    /// Packs a verdict and the claim that the replay made.
    pub fn of(verdict: &Signed<Verdict>, found: &Claim) -> Self {
        Self { verdict: SignedBytes::of(verdict), found: found.to_bytes() }
    }

    /// Checks the signature, and that the verdict found this claim.
    pub fn open(&self) -> Result<(Signed<Verdict>, Claim), ObjectError> {
        let verdict = self.verdict.open::<Verdict>()?;
        let found = Claim::from_bytes(&self.found)?;
        same(verdict.object().found.into(), found.id().into())?;
        Ok((verdict, found))
    }
}

fn same(expected: Cid, found: Cid) -> Result<(), ObjectError> {
    if expected == found {
        Ok(())
    } else {
        Err(ObjectError::WrongCid { expected: expected.into(), found: found.into() })
    }
}

/// Why an attempt came to no claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFault {
    /// The kind.
    pub kind: FaultKind,
    /// More, for people.
    pub text: String,
}

/// The kinds of host faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The worker process ended, or broke its protocol.
    WorkerDied,
    /// The host is out of memory.
    HostMemory,
    /// Compiling took more than the host gives.
    Compile,
    /// An accelerator went away.
    DeviceLost,
    /// The attempt took longer than the host allows.
    Watchdog,
    /// The native stack overflowed.
    NativeStack,
    /// Program or inputs could not be had.
    Content,
    /// An output could not be stored.
    Storage,
    /// The host is shutting down, or gave up without a word.
    Stopped,
    /// An error of no known class.
    Unknown,
}

/// Reads one message, and refuses bytes that would not be written the same way again.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, NetError> {
    let malformed = |reason: String| NetError::Malformed { protocol: NAME, reason };
    let message: T = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if encode(&message) != bytes {
        return Err(malformed("its bytes are not in canonical form".to_owned()));
    }
    Ok(message)
}
