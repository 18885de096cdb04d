//! The run's inputs: folders that are looked up, files that are read at any offset.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;

use cid::Cid;
use poai_objects::{InputName, Link};

use super::host::Host;
use super::memory::{Memory, Reserved};
use super::meter::{Meter, cost};
use super::stop::Stop;
use crate::{BlockFile, Chunk, Fault, FolderEntry, Node};

/// Nodes kept after a look-up; beyond it all are forgotten and asked for again. What is kept decides what a look-up
/// costs, so this and the next two are part of the engine.
const NODES_KEPT: usize = 1_024;
/// Entries and chunks of all nodes kept: each takes some 200 bytes.
const PARTS_KEPT: usize = 1 << 19;
/// Blocks kept open: each is a descriptor.
const BLOCKS_KEPT: usize = 16;
/// Bytes of the run's memory limit that each chunk of an open file counts for.
const CHUNK_BYTES: u64 = 128;

/// What a path names.
#[derive(Clone)]
pub(crate) enum Place {
    /// The folder of all inputs.
    Root,
    File(Rc<InputFile>),
    Folder(Rc<[FolderEntry]>),
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No input, or nothing in a folder, has the name.
    NoEntry,
    /// A part but the last names a file.
    NotFolder,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) is_folder: bool,
    pub(crate) size_bytes: u64,
}

/// All inputs of a run.
pub(crate) struct Inputs {
    named: BTreeMap<InputName, Link>,
    nodes: HashMap<Link, Place>,
    /// Entries and chunks of `nodes`.
    parts_kept: usize,
    blocks: Blocks,
    memory: Arc<Memory>,
}

impl Inputs {
    pub(crate) fn new(named: BTreeMap<InputName, Link>, memory: Arc<Memory>) -> Self {
        Self { named, nodes: HashMap::new(), parts_kept: 0, blocks: Blocks::default(), memory }
    }

    /// Holds a file for the guest; none if the run's memory limit has no room for its layout.
    pub(crate) fn hold(&self, file: Rc<InputFile>) -> Option<HeldFile> {
        let bytes = CHUNK_BYTES.saturating_mul(file.chunks.len() as u64);
        let reserved = Reserved::of(&self.memory, bytes)?;
        Some(HeldFile { file, _reserved: Rc::new(reserved) })
    }

    /// What a path of checked parts names.
    pub(crate) fn look_up<'a>(
        &mut self,
        host: &Host,
        meter: &mut Meter,
        parts: impl Iterator<Item = &'a str>,
    ) -> Result<Result<Place, Missing>, Stop> {
        let mut place = Place::Root;
        for part in parts {
            let link = match &place {
                Place::Root => self.named.get(part).copied(),
                Place::Folder(entries) => entry(entries, part).map(|entry| entry.link),
                Place::File(_) => return Ok(Err(Missing::NotFolder)),
            };
            let Some(link) = link else { return Ok(Err(Missing::NoEntry)) };
            place = self.node(host, meter, link)?;
        }
        Ok(Ok(place))
    }

    /// A folder's entries, ordered by the bytes of their names; none of a file.
    pub(crate) fn list(&mut self, host: &Host, meter: &mut Meter, place: &Place) -> Result<Option<Vec<Listed>>, Stop> {
        match place {
            Place::File(_) => Ok(None),
            Place::Folder(entries) => Ok(Some(entries.iter().map(Listed::from).collect())),
            Place::Root => {
                let named: Vec<_> = self.named.iter().map(|(name, link)| (name.to_string(), *link)).collect();
                let listed = named.into_iter().map(|(name, link)| Ok(Listed::of(name, &self.node(host, meter, link)?)));
                listed.collect::<Result<_, _>>().map(Some)
            }
        }
    }

    /// The bytes from `offset`, as many as are asked for and left.
    pub(crate) fn read(
        &mut self,
        host: &Host,
        meter: &mut Meter,
        file: &InputFile,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, Stop> {
        let end = offset.saturating_add(length).min(file.size_bytes);
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(offset)).unwrap_or(0));
        let mut at = offset;
        while at < end {
            let (chunk, inside) = file.chunk_at(at).ok_or_else(|| unreadable("its layout has a gap"))?;
            let more = (chunk.bytes - inside).min(end - at);
            let begin = bytes.len();
            bytes.resize(begin + usize::try_from(more).expect("a read fits memory"), 0);
            let block = self.blocks.open(host, meter, chunk)?;
            block
                .file
                .read_exact_at(&mut bytes[begin..], block.offset + inside)
                .map_err(|error| unreadable(&error.to_string()))?;
            at += more;
        }
        Ok(bytes)
    }

    fn node(&mut self, host: &Host, meter: &mut Meter, link: Link) -> Result<Place, Stop> {
        if let Some(place) = self.nodes.get(&link) {
            return Ok(place.clone());
        }
        meter.charge(cost::OPEN)?;
        let (place, parts) = match host.open(link)? {
            Node::File(layout) => {
                let parts = layout.chunks.len();
                (Place::File(Rc::new(InputFile::new(link, layout.chunks))), parts)
            }
            Node::Folder(mut entries) => {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                let parts = entries.len();
                (Place::Folder(entries.into()), parts)
            }
        };
        // This host found, checked and sent each of them.
        meter.charge(cost::ENTRY.saturating_mul(parts as u64))?;
        if self.nodes.len() == NODES_KEPT || self.parts_kept + parts > PARTS_KEPT {
            self.nodes.clear();
            self.parts_kept = 0;
        }
        self.parts_kept += parts;
        self.nodes.insert(link, place.clone());
        Ok(place)
    }
}

fn entry<'a>(entries: &'a [FolderEntry], name: &str) -> Option<&'a FolderEntry> {
    entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok().map(|index| &entries[index])
}

fn unreadable(reason: &str) -> Stop {
    Stop::Fault(Fault::Content { reason: format!("an input: {reason}") })
}

impl From<&FolderEntry> for Listed {
    fn from(entry: &FolderEntry) -> Self {
        Self {
            name: entry.name.clone(),
            is_folder: entry.is_folder,
            size_bytes: if entry.is_folder { 0 } else { entry.size_bytes },
        }
    }
}

impl Listed {
    /// An entry of this name for a place.
    pub(crate) fn of(name: String, place: &Place) -> Self {
        match place {
            Place::File(file) => Self { name, is_folder: false, size_bytes: file.size_bytes },
            Place::Root | Place::Folder(_) => Self { name, is_folder: true, size_bytes: 0 },
        }
    }
}

/// A file of an input.
pub(crate) struct InputFile {
    pub(crate) link: Link,
    pub(crate) size_bytes: u64,
    chunks: Vec<Chunk>,
    /// Where each chunk begins in the file.
    starts: Vec<u64>,
}

impl InputFile {
    fn new(link: Link, chunks: Vec<Chunk>) -> Self {
        let mut size_bytes = 0_u64;
        let mut starts = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            starts.push(size_bytes);
            size_bytes = size_bytes.saturating_add(chunk.bytes);
        }
        Self { link, size_bytes, chunks, starts }
    }

    /// The chunk that holds the byte at `offset`, and where in it that byte lies.
    fn chunk_at(&self, offset: u64) -> Option<(Chunk, u64)> {
        let index = self.starts.partition_point(|&start| start <= offset).checked_sub(1)?;
        let inside = offset - self.starts[index];
        (inside < self.chunks[index].bytes).then_some((self.chunks[index], inside))
    }
}

/// A file that the guest holds. Nodes that are kept may be forgotten, and what handles hold may not: so its layout counts
/// against the run's memory limit, until the last of its clones is dropped.
#[derive(Clone)]
pub(crate) struct HeldFile {
    file: Rc<InputFile>,
    _reserved: Rc<Reserved>,
}

impl Deref for HeldFile {
    type Target = InputFile;

    fn deref(&self) -> &InputFile {
        &self.file
    }
}

/// The blocks that were read last.
#[derive(Default)]
struct Blocks {
    /// The latest last.
    open: Vec<(Cid, BlockFile)>,
}

impl Blocks {
    fn open(&mut self, host: &Host, meter: &mut Meter, chunk: Chunk) -> Result<&BlockFile, Stop> {
        if let Some(index) = self.open.iter().position(|(cid, _)| *cid == chunk.cid) {
            let block = self.open.remove(index);
            self.open.push(block);
        } else {
            // The whole block is read and hashed for it, however little the guest reads.
            meter.charge(cost::OPEN)?;
            meter.charge_bytes(chunk.bytes)?;
            let block = host.block(chunk.cid)?;
            if block.bytes != chunk.bytes {
                return Err(unreadable("a block is not as long as its file says"));
            }
            if self.open.len() == BLOCKS_KEPT {
                self.open.remove(0);
            }
            self.open.push((chunk.cid, block));
        }
        Ok(&self.open.last().expect("one was pushed").1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_lies_in_one_chunk() {
        let cid: Cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".parse().unwrap();
        let chunks = [3, 0, 2].map(|bytes| Chunk { cid, bytes });
        let file = InputFile::new(Link::try_from(cid).unwrap(), chunks.to_vec());
        let found: Vec<_> =
            (0..6).map(|offset| file.chunk_at(offset).map(|(chunk, inside)| (chunk.bytes, inside))).collect();
        assert_eq!(found, [Some((3, 0)), Some((3, 1)), Some((3, 2)), Some((2, 0)), Some((2, 1)), None]);
        assert_eq!(file.size_bytes, 5);
    }
}
