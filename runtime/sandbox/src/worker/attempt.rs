//! One run, from the daemon's side: what its worker asks for, and what it sends.

use std::collections::HashSet;
use std::os::fd::AsFd;

use cid::Cid;
use poai_objects::{Effect, Link, Outcome, OutputName, Program, Run, TraceChunk, TraceRoot};

use super::channel::{Channel, ChannelError, Patience};
use super::protocol::{FromWorker, MESSAGE_BYTES, ToWorker};
use crate::guest_text::one_line;
use crate::sink::{EFFECT_BYTES, FOR_EACH_TENSOR, TENSOR_BYTES};
use crate::{BlockFile, Call, Content, Fault, Finished, Node, Recalled, Sink, Word};

/// Advisory words that one run may say; further ones are dropped, as the guest's own limit would have done.
const WORDS: u32 = 1 << 20;

/// Accelerated calls that one run may make: as many as a trace can hold.
const EFFECTS: usize = TraceRoot::MAX_CHUNKS * TraceChunk::EFFECTS;

/// Why an attempt stopped.
pub(super) enum Stop {
    /// It has a fault; the worker is well, or is killed all the same.
    Fault(Fault),
    /// The worker is gone, hangs, or is no longer wanted.
    Channel(ChannelError),
    /// The worker is gone and has said nothing: it was dead or dying before, and nothing of the run has happened.
    Silent,
    /// The worker broke the protocol.
    Worker(&'static str),
}

impl From<ChannelError> for Stop {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Has a loaded worker execute a run, and serves it meanwhile.
pub(super) fn attend(
    channel: &mut Channel,
    program: &Program,
    run: &Run,
    content: &dyn Content,
    sink: &mut dyn Sink,
    patience: &Patience<'_>,
) -> Result<Finished, Stop> {
    let (tensor_bytes, is_replay) = (sink.tensor_bytes(), content.recording().is_some());
    let start = ToWorker::Start { run: run.clone(), tensor_bytes, is_replay };
    let mut next = begin(channel, &start, patience)?;
    let mut granted = Granted::new(program, run);
    let mut budget = Budget::new(run, tensor_bytes);
    loop {
        match next {
            FromWorker::Open(link) => {
                let answer = granted.open(&link, content)?;
                answer_open(channel, answer, patience)?;
            }
            FromWorker::Block(cid) => answer_block(channel, granted.block(&cid, content)?, patience)?,
            FromWorker::Whole(file) => answer_block(channel, granted.whole(file, content)?, patience)?,
            FromWorker::Recall(call) => {
                let recalled = granted.recall(&call, content);
                channel.send(&answer_recall(recalled), None, patience)?;
            }
            FromWorker::Output { name, bytes } => {
                budget.spend(&name, bytes.len())?;
                sink.output(&name, &bytes)?;
            }
            FromWorker::Tensor(bytes) => {
                budget.keep(bytes.len())?;
                sink.tensor(&bytes)?;
            }
            FromWorker::Effect { effect, arguments_bytes, results_bytes } => {
                budget.compute()?;
                let (arguments, results) =
                    receive_payloads(channel, &effect, [arguments_bytes, results_bytes], patience)?;
                sink.effect(&effect, &arguments, &results)?;
            }
            FromWorker::Word(word) => {
                if budget.may_speak() {
                    sink.word(clean(word));
                }
            }
            FromWorker::Done { outcome, fuel, outputs, trace, first_difference, guest_us, accelerated } => {
                return check(Finished { outcome, fuel, outputs, trace, first_difference, guest_us, accelerated }, run);
            }
            FromWorker::Faulted(fault) => return Err(fault.one_line().into()),
            _ => return Err(Stop::Worker("sent what no run sends")),
        }
        next = channel.receive(patience)?.0;
    }
}

/// Starts the run, and waits for the first message.
fn begin(channel: &mut Channel, start: &ToWorker, patience: &Patience<'_>) -> Result<FromWorker, Stop> {
    let first = channel.send(start, None, patience).and_then(|()| channel.receive(patience));
    match first {
        Ok((first, _)) => Ok(first),
        Err(ChannelError::Closed) => Err(Stop::Silent),
        Err(error) => Err(error.into()),
    }
}

/// What this run's worker may ask for: what the run and its program name, and what lies below that.
/// A guest that broke out finds no other content of this home.
struct Granted {
    links: HashSet<Link>,
    blocks: HashSet<Cid>,
    /// Those of the links that belong to models.
    models: HashSet<Link>,
    /// Those of the models' files that it has.
    whole: HashSet<Link>,
}

impl Granted {
    fn new(program: &Program, run: &Run) -> Self {
        let models: HashSet<Link> = program.models.values().map(|model| model.graph).collect();
        let links = run.inputs.values().chain(&models).copied().collect();
        Self { links, blocks: HashSet::new(), models, whole: HashSet::new() }
    }

    fn open(&mut self, link: &Link, content: &dyn Content) -> Result<Result<Node, Fault>, Stop> {
        if !self.links.contains(link) {
            return Err(Stop::Worker("asked for content that its run does not name"));
        }
        let node = content.open(link);
        match &node {
            Ok(Node::File(layout)) => self.blocks.extend(layout.chunks.iter().map(|chunk| chunk.cid)),
            Ok(Node::Folder(entries)) => {
                let entries = || entries.iter().map(|entry| entry.link);
                self.links.extend(entries());
                if self.models.contains(link) {
                    self.models.extend(entries());
                }
            }
            Err(_) => {}
        }
        Ok(node)
    }

    fn block(&self, cid: &Cid, content: &dyn Content) -> Result<Result<BlockFile, Fault>, Stop> {
        if !self.blocks.contains(cid) {
            return Err(Stop::Worker("asked for a block of no file that it has opened"));
        }
        Ok(content.block(cid))
    }

    /// Each once: a file may have to be assembled, which takes time and room on the disk.
    fn whole(&mut self, file: Link, content: &dyn Content) -> Result<Result<BlockFile, Fault>, Stop> {
        if !self.models.contains(&file) {
            return Err(Stop::Worker("asked for a whole file that is no model of its program"));
        }
        if !self.whole.insert(file) {
            return Err(Stop::Worker("asked twice for a whole file"));
        }
        Ok(content.whole(&file))
    }

    fn recall(&mut self, call: &Call, content: &dyn Content) -> Result<Option<Recalled>, Fault> {
        let recalled = content.recording().map_or(Ok(None), |recording| recording.recall(call))?;
        self.blocks.extend(recalled.iter().flat_map(|recalled| &recalled.tensors));
        Ok(recalled)
    }
}

fn answer_open(channel: &mut Channel, node: Result<Node, Fault>, patience: &Patience<'_>) -> Result<(), Stop> {
    let answer = node.map_or_else(ToWorker::Missing, ToWorker::Node);
    match channel.send(&answer, None, patience) {
        Err(ChannelError::Protocol(_)) => {
            let reason = format!("a file's or folder's list of parts is over the limit of {MESSAGE_BYTES} bytes");
            Err(Fault::Content { reason }.into())
        }
        sent => Ok(sent?),
    }
}

fn answer_recall(recalled: Result<Option<Recalled>, Fault>) -> ToWorker {
    match recalled {
        Ok(Some(Recalled { results, recompute, .. })) => ToWorker::Recalled { results, recompute },
        Ok(None) => ToWorker::Compute,
        Err(fault) => ToWorker::Missing(fault),
    }
}

fn answer_block(channel: &mut Channel, block: Result<BlockFile, Fault>, patience: &Patience<'_>) -> Result<(), Stop> {
    match block {
        Ok(block) => {
            let answer = ToWorker::Payload { offset: block.offset, bytes: block.bytes };
            channel.send(&answer, Some(block.file.as_fd()), patience)?;
        }
        Err(fault) => channel.send(&ToWorker::Missing(fault), None, patience)?,
    }
    Ok(())
}

/// What a run may still send. The guest's own limits end its run long before; these stop a worker
/// that no longer keeps to them.
struct Budget {
    bytes: u64,
    names: HashSet<OutputName>,
    names_allowed: usize,
    words: u32,
    effects: usize,
    tensor_bytes: u64,
}

impl Budget {
    fn new(run: &Run, tensor_bytes: u64) -> Self {
        Self {
            bytes: run.limits.output_bytes,
            names: HashSet::new(),
            names_allowed: usize::try_from(run.limits.output_count).unwrap_or(usize::MAX),
            words: WORDS,
            effects: EFFECTS,
            tensor_bytes,
        }
    }

    fn spend(&mut self, name: &OutputName, bytes: usize) -> Result<(), Stop> {
        let too_much = Stop::Worker("sent more output than its run may have");
        if !self.names.contains(name) {
            if self.names.len() == self.names_allowed {
                return Err(too_much);
            }
            self.names.insert(name.clone());
        }
        self.bytes = self.bytes.checked_sub(bytes as u64).ok_or(too_much)?;
        Ok(())
    }

    fn compute(&mut self) -> Result<(), Stop> {
        let left = self.effects.checked_sub(1);
        self.effects = left.ok_or(Stop::Worker("sent more effects than a trace may have"))?;
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), Stop> {
        let left = self.tensor_bytes.checked_sub(bytes as u64 + FOR_EACH_TENSOR);
        let left = left.filter(|_| bytes <= TENSOR_BYTES);
        self.tensor_bytes = left.ok_or(Stop::Worker("sent more tensors than are wanted"))?;
        Ok(())
    }

    fn may_speak(&mut self) -> bool {
        let may = self.words > 0;
        self.words = self.words.saturating_sub(1);
        may
    }
}

fn receive_payloads(
    channel: &mut Channel,
    effect: &Effect,
    bytes: [u64; 2],
    patience: &Patience<'_>,
) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    if bytes.iter().any(|bytes| *bytes > EFFECT_BYTES as u64) {
        let reason = format!("a call of {} takes or gives more than {EFFECT_BYTES} bytes", one_line(&effect.function));
        return Err(Fault::Storage { reason }.into());
    }
    let arguments = receive_payload(channel, bytes[0], patience)?;
    let results = receive_payload(channel, bytes[1], patience)?;
    Ok((arguments, results))
}

fn receive_payload(channel: &mut Channel, bytes: u64, patience: &Patience<'_>) -> Result<Vec<u8>, Stop> {
    let mut payload = Vec::new();
    while (payload.len() as u64) < bytes {
        match channel.receive(patience)?.0 {
            FromWorker::Bytes(piece) if !piece.is_empty() => payload.extend_from_slice(&piece),
            _ => return Err(Stop::Worker("announced an effect's bytes and sent something else")),
        }
    }
    if payload.len() as u64 > bytes {
        return Err(Stop::Worker("sent more bytes of an effect than it announced"));
    }
    Ok(payload)
}

// The worker has cleaned them already, if it is still what it was.
fn clean(word: Word) -> Word {
    match word {
        Word::Log { level, message } => Word::Log { level, message: one_line(&message) },
        Word::Progress { done, total, what } => Word::Progress { done, total, what: one_line(&what) },
    }
}

fn check(finished: Finished, run: &Run) -> Result<Finished, Stop> {
    let trapped = matches!(finished.outcome, Outcome::Trapped { .. });
    if finished.fuel > run.limits.fuel
        || finished.outputs.len() as u64 > u64::from(run.limits.output_count)
        || finished.outputs.windows(2).any(|pair| pair[0] >= pair[1])
        || trapped && !finished.outputs.is_empty()
    {
        return Err(Stop::Worker("claims an end that no run of these limits has"));
    }
    Ok(finished)
}

impl Stop {
    /// What the channel came to, for whoever describes the worker's death.
    pub(super) fn into_channel_error(self) -> Result<ChannelError, Fault> {
        match self {
            Self::Fault(fault) => Err(fault),
            Self::Channel(error) => Ok(error),
            Self::Silent => Ok(ChannelError::Closed),
            Self::Worker(what) => Ok(ChannelError::Conduct(what)),
        }
    }
}

#[cfg(test)]
mod tests;
