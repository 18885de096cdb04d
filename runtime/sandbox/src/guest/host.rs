//! The way out of the guest's thread: content comes in, outputs, effects and words go out.
//!
//! The guest runs on a thread of its own, with a large stack; [`Content`] and [`Sink`] belong to the caller's.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use cid::Cid;
use poai_objects::{Effect, Link, OutputName};

use super::stop::Stop;
use crate::{BlockFile, Call, Content, Fault, Node, Recalled, Sink, Word};

/// Messages that may wait for the caller; then the guest waits.
const WAITING: usize = 64;
/// Bytes of output in one message, so that what waits is at most 16 MiB.
const MESSAGE_BYTES: usize = 256 << 10;

/// What the guest's thread asks of its caller.
pub(crate) enum Request {
    Open { link: Link, answer: SyncSender<Result<Node, Fault>> },
    Block { cid: Cid, answer: SyncSender<Result<BlockFile, Fault>> },
    Whole { file: Link, answer: SyncSender<Result<BlockFile, Fault>> },
    Output { name: OutputName, bytes: Vec<u8> },
    Recall { call: Call, answer: SyncSender<Result<Option<Recalled>, Fault>> },
    Tensor(Bytes),
    Effect { effect: Effect, arguments: Vec<u8>, results: Vec<u8> },
    Word(Word),
}

/// The guest's end.
pub(crate) struct Host {
    requests: SyncSender<Request>,
    /// Bytes of results' tensors that the caller wants.
    pub(crate) tensor_bytes: u64,
    has_recording: bool,
}

/// Both ends of a new way: to a sink that wants so many bytes of tensors, and content that may have a recording.
pub(crate) fn way(tensor_bytes: u64, has_recording: bool) -> (Host, Receiver<Request>) {
    let (requests, receiver) = sync_channel(WAITING);
    (Host { requests, tensor_bytes, has_recording }, receiver)
}

impl Host {
    pub(crate) fn open(&self, link: Link) -> Result<Node, Stop> {
        self.ask(|answer| Request::Open { link, answer })
    }

    pub(crate) fn block(&self, cid: Cid) -> Result<BlockFile, Stop> {
        self.ask(|answer| Request::Block { cid, answer })
    }

    /// A whole file, to be mapped.
    pub(crate) fn whole(&self, file: Link) -> Result<BlockFile, Stop> {
        self.ask(|answer| Request::Whole { file, answer })
    }

    /// Adds bytes to an output; no bytes create it.
    pub(crate) fn output(&self, name: &OutputName, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return self.send(Request::Output { name: name.clone(), bytes: Vec::new() });
        }
        let mut pieces = bytes.chunks(MESSAGE_BYTES);
        pieces.try_for_each(|piece| self.send(Request::Output { name: name.clone(), bytes: piece.to_vec() }))
    }

    /// What is recorded of a call, if the run is a replay.
    pub(crate) fn recall(&self, call: Call) -> Result<Option<Recalled>, Stop> {
        if self.has_recording { self.ask(|answer| Request::Recall { call, answer }) } else { Ok(None) }
    }

    /// A tensor that the next effect's results name.
    pub(crate) fn tensor(&self, bytes: Bytes) -> Result<(), Stop> {
        self.send(Request::Tensor(bytes))
    }

    /// One accelerated call, with the bytes that its digests name.
    pub(crate) fn effect(&self, effect: Effect, arguments: Vec<u8>, results: Vec<u8>) -> Result<(), Stop> {
        self.send(Request::Effect { effect, arguments, results })
    }

    pub(crate) fn word(&self, word: Word) -> Result<(), Stop> {
        self.send(Request::Word(word))
    }

    fn ask<T>(&self, request: impl FnOnce(SyncSender<Result<T, Fault>>) -> Request) -> Result<T, Stop> {
        let (answer, answered) = sync_channel(1);
        self.send(request(answer))?;
        answered.recv().map_err(|_| GONE)?.map_err(Stop::Fault)
    }

    fn send(&self, request: Request) -> Result<(), Stop> {
        self.requests.send(request).map_err(|_| GONE)
    }
}

/// The caller stopped serving: it has its own reason, which it reports instead.
const GONE: Stop = Stop::Fault(Fault::Cancelled);

/// Serves a guest until it ends, or until the caller's own side fails.
pub(crate) fn serve(requests: Receiver<Request>, content: &dyn Content, sink: &mut dyn Sink) -> Result<(), Fault> {
    for request in requests {
        // An answer that nobody waits for any more belongs to a guest that has ended.
        match request {
            Request::Open { link, answer } => drop(answer.send(content.open(&link))),
            Request::Block { cid, answer } => drop(answer.send(content.block(&cid))),
            Request::Whole { file, answer } => drop(answer.send(content.whole(&file))),
            Request::Output { name, bytes } => sink.output(&name, &bytes)?,
            Request::Recall { call, answer } => {
                let recalled = content.recording().map_or(Ok(None), |recording| recording.recall(&call));
                drop(answer.send(recalled));
            }
            Request::Tensor(bytes) => sink.tensor(&bytes)?,
            Request::Effect { effect, arguments, results } => sink.effect(&effect, &arguments, &results)?,
            Request::Word(word) => sink.word(word),
        }
    }
    Ok(())
}
