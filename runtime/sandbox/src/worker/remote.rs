//! Content and sink of a run, from inside the worker: everything is asked of the daemon.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Mutex, MutexGuard};

use cid::Cid;
use poai_objects::{Effect, Link, OutputName};

use super::channel::{Channel, ChannelError, Patience};
use super::protocol::{FromWorker, PIECE_BYTES, ToWorker};
use crate::{BlockFile, Call, Content, Fault, Node, Recalled, Recording, Sink, Word};

/// Block descriptors that are kept open, the ones last used.
const DESCRIPTORS_KEPT: usize = 64;

/// The worker's end of the socket, shared by a run's content and its sink.
pub(super) struct Line {
    channel: Mutex<Channel>,
}

impl Line {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel: Mutex::new(channel) }
    }

    /// Waits for the next order.
    pub(super) fn receive(&self) -> Result<(ToWorker, Option<File>), ChannelError> {
        let (order, descriptor) = self.channel().receive(&Patience::FOREVER)?;
        Ok((order, descriptor.map(File::from)))
    }

    pub(super) fn say(&self, message: &FromWorker) -> Result<(), ChannelError> {
        self.channel().send(message, None, &Patience::FOREVER)
    }

    /// Sends bytes in pieces; none at all if there are none.
    pub(super) fn say_in_pieces(&self, bytes: &[u8], piece: fn(Vec<u8>) -> FromWorker) -> Result<(), ChannelError> {
        bytes.chunks(PIECE_BYTES).try_for_each(|part| self.say(&piece(part.to_vec())))
    }

    fn ask(&self, question: &FromWorker) -> Result<(ToWorker, Option<File>), Fault> {
        // Held from question to answer, so that answers reach whoever asked.
        let mut channel = self.channel();
        let answer =
            channel.send(question, None, &Patience::FOREVER).and_then(|()| channel.receive(&Patience::FOREVER));
        let (answer, descriptor) = answer.map_err(lost)?;
        Ok((answer, descriptor.map(File::from)))
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().expect("no holder of the channel panics")
    }
}

/// A run's content: the daemon's, block by block.
pub(super) struct RemoteContent<'a> {
    line: &'a Line,
    is_replay: bool,
    // The block last used is at the back.
    kept: Mutex<VecDeque<(Cid, BlockFile)>>,
}

impl<'a> RemoteContent<'a> {
    pub(super) fn new(line: &'a Line, is_replay: bool) -> Self {
        Self { line, is_replay, kept: Mutex::default() }
    }

    fn fetch(&self, question: &FromWorker) -> Result<BlockFile, Fault> {
        match self.line.ask(question)? {
            (ToWorker::Payload { offset, bytes }, Some(file)) => Ok(BlockFile { file, offset, bytes }),
            (ToWorker::Missing(fault), None) => Err(fault),
            _ => Err(unexpected()),
        }
    }
}

impl Content for RemoteContent<'_> {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        match self.line.ask(&FromWorker::Open(*link))? {
            (ToWorker::Node(node), None) => Ok(node),
            (ToWorker::Missing(fault), None) => Err(fault),
            _ => Err(unexpected()),
        }
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        let mut kept = self.kept.lock().expect("no holder of the descriptors panics");
        let block = match kept.iter().position(|(known, _)| known == cid).and_then(|index| kept.remove(index)) {
            Some((_, block)) => block,
            None => self.fetch(&FromWorker::Block(*cid))?,
        };
        let copy = duplicate(&block)?;
        if kept.len() == DESCRIPTORS_KEPT {
            kept.pop_front();
        }
        kept.push_back((*cid, block));
        Ok(copy)
    }

    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        self.fetch(&FromWorker::Whole(*file))
    }

    fn recording(&self) -> Option<&dyn Recording> {
        self.is_replay.then_some(self)
    }
}

impl Recording for RemoteContent<'_> {
    fn recall(&self, call: &Call) -> Result<Option<Recalled>, Fault> {
        match self.line.ask(&FromWorker::Recall(*call))? {
            // The daemon knows which blocks are granted.
            (ToWorker::Recalled { results, recompute }, None) => {
                Ok(Some(Recalled { results, tensors: Vec::new(), recompute }))
            }
            (ToWorker::Compute, None) => Ok(None),
            (ToWorker::Missing(fault), None) => Err(fault),
            _ => Err(unexpected()),
        }
    }
}

fn duplicate(block: &BlockFile) -> Result<BlockFile, Fault> {
    let file = block
        .file
        .try_clone()
        .map_err(|error| Fault::HostMemory { reason: format!("a worker's descriptors: {error}") })?;
    Ok(BlockFile { file, offset: block.offset, bytes: block.bytes })
}

/// A run's sink: the daemon's. Small writes travel together.
pub(super) struct RemoteSink<'a> {
    line: &'a Line,
    tensor_bytes: u64,
    pending: Option<(OutputName, Vec<u8>)>,
}

impl<'a> RemoteSink<'a> {
    pub(super) fn new(line: &'a Line, tensor_bytes: u64) -> Self {
        Self { line, tensor_bytes, pending: None }
    }

    /// Sends what is still here.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        match self.pending.take() {
            Some((name, bytes)) => self.line.say(&FromWorker::Output { name, bytes }).map_err(lost),
            None => Ok(()),
        }
    }
}

impl Sink for RemoteSink<'_> {
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        if self.pending.as_ref().is_some_and(|(pending, _)| pending != name) {
            self.flush()?;
        }
        self.pending.get_or_insert_with(|| (name.clone(), Vec::new()));
        for piece in bytes.chunks(PIECE_BYTES) {
            if self.pending.as_ref().is_some_and(|(_, pending)| pending.len() + piece.len() > PIECE_BYTES) {
                self.flush()?;
            }
            self.pending.get_or_insert_with(|| (name.clone(), Vec::new())).1.extend_from_slice(piece);
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        self.flush()?;
        let announcement = FromWorker::Effect {
            effect: effect.clone(),
            arguments_bytes: arguments.len() as u64,
            results_bytes: results.len() as u64,
        };
        self.line.say(&announcement).map_err(lost)?;
        self.line.say_in_pieces(arguments, FromWorker::Bytes).map_err(lost)?;
        self.line.say_in_pieces(results, FromWorker::Bytes).map_err(lost)
    }

    fn tensor_bytes(&self) -> u64 {
        self.tensor_bytes
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.line.say(&FromWorker::Tensor(bytes.to_vec())).map_err(lost)
    }

    fn word(&mut self, word: Word) {
        // Advisory: if the daemon is gone, the next output or the end of the run finds out.
        self.line.say(&FromWorker::Word(word)).ok();
    }
}

fn lost(error: ChannelError) -> Fault {
    Fault::WorkerDied { reason: error.to_string() }
}

fn unexpected() -> Fault {
    Fault::WorkerDied { reason: "the daemon answered something else than was asked".into() }
}

#[cfg(test)]
mod tests;
