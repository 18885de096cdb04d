use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::errors::Exit;

/// What a node answers. CIDs, keys and peers are text here: an answer is for people and scripts,
/// and its fields are those of the documented JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Status(Box<StatusAnswer>),
    Published(PublishAnswer),
    Ran(Box<RunAnswer>),
    Detached(DetachedAnswer),
    Attempts(AttemptsAnswer),
    LogsEnded(LogsAnswer),
    Cancelled(CancelAnswer),
    Verified(VerifyAnswer),
    Shown(ShowAnswer),
    Listed(ListAnswer),
    Pulled(PullAnswer),
    Models(ModelsAnswer),
    PulledModels(PulledModelsAnswer),
    Pinned(PinAnswer),
    Collected(CollectAnswer),
    Exported(ExportAnswer),
    Imported(ImportAnswer),
    Key(KeyAnswer),
    Delegated(DelegateAnswer),
    Doctor(DoctorAnswer),
    Described(DescribeAnswer),
    Stopped(StopAnswer),
}

impl Answer {
    /// The exit code of a command that got this answer.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Answer::Ran(run) => run.exit(),
            Answer::Verified(VerifyAnswer { verdict: VerdictWord::Differs, .. }) => Exit::Difference,
            _ => Exit::Done,
        }
    }
}

/// A package that others can now run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PublishAnswer {
    pub(crate) package: String,
    pub(crate) program: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The package's signature.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) envelope: Option<String>,
}

/// A run that came to a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunAnswer {
    pub(crate) run: String,
    pub(crate) claim: String,
    pub(crate) receipt: String,
    /// The receipt's signature.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) envelope: Option<String>,
    pub(crate) outcome: OutcomeWords,
    pub(crate) fuel: u64,
    pub(crate) outputs: BTreeMap<String, OutputWords>,
    /// Whether a known claim answered.
    pub(crate) cached: bool,
    /// Why that claim is believed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cached_from: Option<String>,
    /// Who executed it: a peer id, absent if this home did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) host: Option<String>,
    /// Replays that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) verdicts: Vec<VerdictWords>,
    pub(crate) telemetry: TelemetryWords,
    /// Whether the program is a plain one, whose stdout is to be shown.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) plain: bool,
}

impl RunAnswer {
    fn exit(&self) -> Exit {
        if self.verdicts.iter().any(|verdict| verdict.verdict == VerdictWord::Differs) {
            return Exit::Difference;
        }
        match self.outcome.kind {
            OutcomeKind::Ok => Exit::Done,
            OutcomeKind::Failed => Exit::TaskFailed,
            OutcomeKind::Trapped => Exit::TaskTrapped,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutcomeWords {
    pub(crate) kind: OutcomeKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) exit_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) trap: Option<String>,
}

/// The three ways in which a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutcomeKind {
    Ok,
    Failed,
    Trapped,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutputWords {
    pub(crate) cid: String,
    pub(crate) bytes: u64,
}

/// Advisory measurements of one execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TelemetryWords {
    pub(crate) started_ms: u64,
    pub(crate) wall_us: u64,
    pub(crate) prepare_us: u64,
    pub(crate) device: String,
}

/// One replay's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VerdictWords {
    /// Who replayed: a peer id.
    pub(crate) host: String,
    pub(crate) verdict: VerdictWord,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) first_difference: Option<String>,
    /// The claim that the replay made.
    pub(crate) found: String,
    /// The signed verdict's CID.
    pub(crate) signed: String,
}

/// What a replay comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VerdictWord {
    Same,
    /// A replay that computed a sample found no difference.
    SameBySample,
    Differs,
}

/// A run that goes on without its asker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DetachedAnswer {
    pub(crate) attempt: u64,
    pub(crate) run: String,
}

/// This home's attempts, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttemptsAnswer {
    pub(crate) attempts: Vec<AttemptWords>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttemptWords {
    pub(crate) attempt: u64,
    pub(crate) run: String,
    /// What was asked for, in the asker's words.
    pub(crate) target: String,
    pub(crate) state: String,
    /// `local`, or a host's peer id.
    pub(crate) on: String,
    /// For whom: a peer id, absent if for this home.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) requester: Option<String>,
    pub(crate) started_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ended_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) claim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) message: Option<String>,
}

/// The lines were sent as events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogsAnswer {
    pub(crate) attempt: u64,
    pub(crate) state: String,
    pub(crate) lines: u64,
}

/// An attempt that was told to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CancelAnswer {
    pub(crate) attempt: u64,
    /// False if it had ended before.
    pub(crate) cancelled: bool,
    pub(crate) state: String,
}

/// What a replay of a claim came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VerifyAnswer {
    pub(crate) claim: String,
    pub(crate) verdict: VerdictWord,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) first_difference: Option<String>,
    /// The claim that the replay made.
    pub(crate) found: String,
    pub(crate) run: String,
    /// The signed verdict's CID.
    pub(crate) signed: String,
    /// Who signed the receipt, if a receipt was verified.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) receipt_key: Option<String>,
    /// What was computed, if results were taken from what the executor recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) sample: Option<SampleWords>,
    /// Who replayed, if not this home: a peer id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) by: Option<String>,
}

/// What a replay by a sample computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SampleWords {
    /// Whether everything was computed after all: then the verdict is a full one.
    pub(crate) full: bool,
    /// In hexadecimal. With it, anybody can tell which effects were chosen.
    pub(crate) seed: String,
    pub(crate) per_million: u32,
    /// Effects of the claim.
    pub(crate) effects: u64,
    pub(crate) recomputed: u64,
    /// Which ones; of many, the first.
    pub(crate) indices: Vec<u64>,
    /// How many of them since their results are not at hand.
    pub(crate) unrecorded: u64,
}

/// One object or content, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShowAnswer {
    pub(crate) cid: String,
    /// `poai/run`, `file`, `folder`, …
    pub(crate) kind: String,
    /// The object as JSON: links are text.
    pub(crate) object: serde_json::Value,
    /// Other objects of this home that belong to it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) related: BTreeMap<String, Vec<String>>,
}

/// Packages and pins of this home, or a folder's entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListAnswer {
    pub(crate) entries: Vec<EntryWords>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EntryWords {
    pub(crate) name: String,
    pub(crate) cid: String,
    /// `package`, `pin`, `file`, `folder`, `symbolic link`, or `not fetched` for what is not here to be looked at.
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) about: Option<String>,
}

/// Content that is here now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PullAnswer {
    pub(crate) cid: String,
    /// Bytes that came from peers.
    pub(crate) fetched_bytes: u64,
    /// Bytes of the content.
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) output: Option<String>,
}

/// The models that are here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelsAnswer {
    pub(crate) models: Vec<ModelWords>,
}

/// Models that are here now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PulledModelsAnswer {
    pub(crate) models: Vec<ModelWords>,
    /// Bytes that came from peers.
    pub(crate) fetched_bytes: u64,
}

/// A model of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelWords {
    /// The name by which the program loads it.
    pub(crate) name: String,
    pub(crate) format: String,
    /// Bytes of its file, with those of the files beside it.
    pub(crate) bytes: u64,
    pub(crate) cid: String,
    pub(crate) program: String,
    /// `name@version` of a package of that program, if one is here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) package: Option<String>,
}

/// What is pinned or no longer pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PinAnswer {
    pub(crate) cid: String,
    pub(crate) pinned: bool,
}

/// What garbage collection did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CollectAnswer {
    pub(crate) removed_blocks: u64,
    pub(crate) removed_bytes: u64,
    pub(crate) kept_blocks: u64,
    pub(crate) kept_bytes: u64,
    /// Damaged blocks that were dropped, if all were checked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) damaged_blocks: Option<u64>,
}

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExportAnswer {
    pub(crate) output: String,
    pub(crate) roots: Vec<String>,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// Files or archives that were taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportAnswer {
    pub(crate) roots: Vec<String>,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// This home's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyAnswer {
    pub(crate) account: String,
    pub(crate) host: String,
    pub(crate) peer: String,
    /// The account that this host acts for, by its delegation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) acts_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until_s: Option<u64>,
}

/// A delegation that was signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DelegateAnswer {
    pub(crate) delegation: String,
    pub(crate) account: String,
    pub(crate) host: String,
    pub(crate) until_s: u64,
    pub(crate) output: String,
}

/// How this node does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) home: String,
    pub(crate) version: String,
    pub(crate) engine: String,
    /// The daemon's process id; absent if none runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) daemon: Option<u32>,
    pub(crate) peer: String,
    pub(crate) addresses: Vec<String>,
    /// Where blocks are served over HTTP, if they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) gateway: Option<String>,
    pub(crate) peers: Vec<PeerWords>,
    pub(crate) offers: Vec<OfferWords>,
    pub(crate) running: u64,
    pub(crate) waiting: u64,
    /// What computes models.
    pub(crate) kernels: String,
    /// On how many threads, in each run.
    pub(crate) threads: u64,
    /// The device that computes them beside the processor, if one does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) device: Option<String>,
    pub(crate) store_blocks: u64,
    pub(crate) store_bytes: u64,
    /// The operator's Kubo node, if there is one: where it is, and its version or what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) kubo: Option<String>,
}

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PeerWords {
    pub(crate) peer: String,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// A host's offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OfferWords {
    pub(crate) peer: String,
    pub(crate) engine: String,
    pub(crate) free_slots: u32,
    pub(crate) open: bool,
    /// What computes models there beside the processor.
    pub(crate) devices: Vec<String>,
    pub(crate) fuel_per_s: u64,
    pub(crate) price: u64,
}

/// What this machine offers and enforces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DoctorAnswer {
    pub(crate) checks: Vec<CheckWords>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckWords {
    pub(crate) name: String,
    pub(crate) state: CheckState,
    pub(crate) about: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CheckState {
    Good,
    /// It works, with less than there could be.
    Weak,
    Bad,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DescribeAnswer {
    pub(crate) program: String,
    /// Whether a pipe is meant for it.
    pub(crate) takes_stdin: bool,
}

/// A daemon that ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StopAnswer {
    pub(crate) stopped: u32,
}
