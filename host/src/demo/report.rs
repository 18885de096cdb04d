use serde::{Deserialize, Serialize};

use crate::control::{PublishAnswer, RunAnswer, VerdictWord, VerifyAnswer};

/// What came of a demo.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DemoReport {
    pub(crate) task: PublishAnswer,
    pub(crate) peers: Vec<PeerRow>,
    /// Every run that was made, in order.
    pub(crate) runs: Vec<RunRow>,
    /// How the trained network reads images that it was not trained on.
    pub(crate) held_out: Reading,
    /// Time from the first peer's start to the last verdict, without the task's build.
    pub(crate) took_ms: u64,
    /// Where the peers' homes are, if they were kept.
    pub(crate) kept: Option<String>,
    /// This program, for whoever wants to go on.
    pub(crate) program: String,
}

/// What came of a demo with models.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModelsReport {
    pub(crate) peers: Vec<PeerRow>,
    /// Every task that was run, in order.
    pub(crate) tasks: Vec<TaskRow>,
    /// Time from the first peer's start to the last verdict, without builds.
    pub(crate) took_ms: u64,
    /// Where the peers' homes are, if they were kept.
    pub(crate) kept: Option<String>,
    /// This program, for whoever wants to go on.
    pub(crate) program: String,
}

/// One task with a model, what it was asked, and what it answered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TaskRow {
    pub(crate) task: PublishAnswer,
    #[serde(flatten)]
    pub(crate) row: RunRow,
    /// The code that computed the model on the host, and on the verifier.
    pub(crate) kernels: String,
    pub(crate) verifier_kernels: String,
    pub(crate) question: String,
    /// The answer, a line each.
    pub(crate) answer: Vec<String>,
}

/// What came of a demo with GPUs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DevicesReport {
    pub(crate) task: PublishAnswer,
    pub(crate) peers: Vec<PeerRow>,
    /// Every device, in order.
    pub(crate) devices: Vec<DeviceRow>,
    /// Time from the first peer's start to the last verdict, without proofs and the build.
    pub(crate) took_ms: u64,
    /// Where the peers' homes are, if they were kept.
    pub(crate) kept: Option<String>,
    /// This program, for whoever wants to go on.
    pub(crate) program: String,
}

/// One device, and the run that it computed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeviceRow {
    #[serde(flatten)]
    pub(crate) row: RunRow,
    /// The host's device.
    pub(crate) device: String,
    /// The code that computed the models again.
    pub(crate) verifier_kernels: String,
}

/// One peer of the story.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PeerRow {
    pub(crate) name: String,
    pub(crate) peer: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) home: String,
    /// The code that computes its models.
    pub(crate) kernels: String,
    /// The device that computes them too, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// Bytes that came to it from the others.
    pub(crate) received_bytes: u64,
}

/// One run and its replay.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunRow {
    pub(crate) name: String,
    /// Who executed it.
    pub(crate) host: String,
    pub(crate) run: RunAnswer,
    /// Who replayed it.
    pub(crate) verifier: String,
    pub(crate) replay: VerifyAnswer,
}

impl RunRow {
    /// Whether the replay made another claim.
    pub(crate) fn differs(&self) -> bool {
        self.replay.verdict == VerdictWord::Differs
    }
}

/// How well images were read: the task's own output `report`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) images: u64,
    pub(crate) correct: u64,
    pub(crate) accuracy: f64,
}
