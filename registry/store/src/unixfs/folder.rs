use std::fmt;

use cid::Cid;

use super::node::{FsNode, Kind, folder_message};
use super::{LayoutLimits, Written, shard};
use crate::block::{DAG_PB, RAW};
use crate::dag_pb::{PbLink, PbNode};
use crate::error::printable;
use crate::{Blocks, InUse, StoreError, Verified};

/// Bytes of an entry's name: one path component, as file systems have it.
const NAME_BYTES: usize = 255;
/// Bytes of a folder in one node, by the profile; a larger one is spread over shards.
pub(crate) const FOLDER_BYTES: usize = 256 << 10;

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, which poai never follows.
    Symlink,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Symlink => "a symbolic link",
        })
    }
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    /// One path component: no `/`, no control characters, not `.` or `..`, at most 255 bytes.
    pub name: String,
    /// What it names.
    pub cid: Cid,
    /// Of which kind that is.
    pub kind: EntryKind,
    /// A file's length in bytes; 0 for anything else.
    pub size_bytes: u64,
}

/// A name in a folder, as the folder tells it: nobody has looked at what it links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderLink {
    /// As an entry's.
    pub name: String,
    /// What it names.
    pub cid: Cid,
    /// Bytes of all blocks from there on, by the word of whoever made the folder; for a raw leaf, the file's length.
    pub tree_bytes: u64,
}

impl FolderLink {
    /// The entry that it is, by its first block; none if that is not here.
    ///
    /// # Errors
    /// [`StoreError::Malformed`], or what keeps a block from being read.
    pub fn look(&self, blocks: &dyn Blocks) -> Result<Option<FolderEntry>, StoreError> {
        match entry(blocks, self) {
            Err(StoreError::NotFound { cid }) if cid == self.cid => Ok(None),
            found => found.map(Some),
        }
    }
}

/// Collects a folder's entries.
#[derive(Debug, Default)]
pub struct FolderWriter {
    entries: Vec<(String, Written)>,
}

impl FolderWriter {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file or folder.
    ///
    /// # Errors
    /// [`StoreError::RefusedPath`] for a name that is no path component, or one that no disk would take.
    pub fn add(&mut self, name: &str, written: Written) -> Result<(), StoreError> {
        check_name(name)?;
        self.entries.push((name.to_owned(), written));
        Ok(())
    }

    /// Ends the folder: sorts, encodes and puts it, and holds it in place of its entries.
    ///
    /// # Errors
    /// [`StoreError::RefusedPath`] for a name that occurs twice; whatever keeps a block from being kept.
    pub fn finish(mut self, blocks: &dyn Blocks, in_use: &InUse) -> Result<Written, StoreError> {
        self.entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        if let Some(pair) = self.entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(StoreError::RefusedPath {
                path: pair[0].0.clone().into(),
                reason: "the folder has this name twice",
            });
        }
        let links: Vec<PbLink<'_>> = self
            .entries
            .iter()
            .map(|(name, written)| PbLink { cid: written.cid, name, tree_bytes: written.tree_bytes })
            .collect();
        let size_bytes = self.entries.iter().map(|(_, written)| written.size_bytes).sum();
        let message = folder_message();
        let bytes = PbNode { links: links.clone(), data: Some(&message) }.encode();
        let (cid, tree_bytes) = if bytes.len() > FOLDER_BYTES {
            shard::write(blocks, in_use, &links)?
        } else {
            let tree_bytes = bytes.len() as u64 + links.iter().map(|link| link.tree_bytes).sum::<u64>();
            let block = Verified::of(DAG_PB, bytes)?;
            in_use.hold_dag(block.cid());
            blocks.put(&block)?;
            (*block.cid(), tree_bytes)
        };
        self.entries.iter().for_each(|(_, written)| in_use.let_go(&written.cid));
        Ok(Written { cid, size_bytes, tree_bytes })
    }
}

/// The names of a folder in one node.
pub(crate) fn links(cid: &Cid, node: &FsNode<'_>, limits: &LayoutLimits) -> Result<Vec<FolderLink>, StoreError> {
    if node.links.len() > limits.entries {
        return Err(StoreError::Limit { what: cid.to_string(), name: "entries", limit: limits.entries as u64 });
    }
    node.links.iter().map(|link| folder_link(link.name, link)).collect()
}

/// A link of a folder's node by its name, which is checked.
pub(crate) fn folder_link(name: &str, link: &PbLink<'_>) -> Result<FolderLink, StoreError> {
    check_name(name)?;
    Ok(FolderLink { name: name.to_owned(), cid: link.cid, tree_bytes: link.tree_bytes })
}

/// What a name in a folder stands for: its node is read, a raw leaf looked for.
pub(crate) fn entry(blocks: &dyn Blocks, link: &FolderLink) -> Result<FolderEntry, StoreError> {
    let FolderLink { name, cid, .. } = link;
    if cid.codec() == RAW {
        let size_bytes = blocks.size(cid)?.ok_or(StoreError::NotFound { cid: *cid })?;
        return Ok(FolderEntry { name: name.clone(), cid: *cid, kind: EntryKind::File, size_bytes });
    }
    let block = blocks.need(cid)?;
    let node = FsNode::decode(cid, block.bytes())?;
    let size_bytes = if node.kind == Kind::File { node.file_bytes() } else { 0 };
    Ok(FolderEntry { name: name.clone(), cid: *cid, kind: node.kind.into(), size_bytes })
}

/// The links in the order of their names; a name that occurs twice is refused.
pub(crate) fn in_order(cid: &Cid, mut links: Vec<FolderLink>) -> Result<Vec<FolderLink>, StoreError> {
    links.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    if let Some(pair) = links.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(StoreError::malformed(cid, format!("it has the name {:?} twice", pair[0].name)));
    }
    Ok(links)
}

/// Refuses names that would leave their folder, or that a terminal or a disk would take for more.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let reason = match name {
        "" => "a name is empty",
        "." | ".." => "a name is `.` or `..`",
        _ if name.contains('/') => "a name has a `/`",
        _ if name.chars().any(char::is_control) => "a name has control characters",
        _ if name.len() > NAME_BYTES => "a name is longer than 255 bytes",
        _ => return Ok(()),
    };
    Err(StoreError::RefusedPath { path: printable(name).into(), reason })
}
