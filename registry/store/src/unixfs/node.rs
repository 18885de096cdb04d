use bytes::Bytes;
use cid::Cid;

use crate::StoreError;
use crate::block::{DAG_PB, RAW};
use crate::dag_pb::{Field, PbLink, PbNode, next_field, next_number, put_bytes, put_number};

/// What the message says of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Symlink,
    Shard,
}

/// A node of a file system, borrowed from its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FsNode<'a> {
    pub(crate) kind: Kind,
    /// A file's own bytes, before those of its children; a symlink's target; a shard's bit field.
    pub(crate) data: &'a [u8],
    /// A file's length.
    pub(crate) size_bytes: Option<u64>,
    /// The length of each child.
    pub(crate) child_bytes: Vec<u64>,
    /// A shard's hash function.
    pub(crate) hash: Option<u64>,
    /// A shard's greatest number of slots.
    pub(crate) fanout: Option<u64>,
    pub(crate) links: Vec<PbLink<'a>>,
}

const TYPE_RAW: u64 = 0;
const TYPE_FOLDER: u64 = 1;
const TYPE_FILE: u64 = 2;
const TYPE_SYMLINK: u64 = 4;
const TYPE_SHARD: u64 = 5;

impl<'a> FsNode<'a> {
    /// Reads a block: a raw one is a file's leaf.
    pub(crate) fn decode(cid: &Cid, bytes: &'a Bytes) -> Result<Self, StoreError> {
        match cid.codec() {
            RAW => Ok(Self::leaf(bytes)),
            DAG_PB => {
                let node = PbNode::decode(cid, bytes)?;
                Self::parse(node).map_err(|reason| StoreError::malformed(cid, reason))
            }
            codec => Err(StoreError::UnsupportedCodec { cid: *cid, codec }),
        }
    }

    fn leaf(bytes: &'a [u8]) -> Self {
        let size_bytes = Some(bytes.len() as u64);
        Self {
            kind: Kind::File,
            data: bytes,
            size_bytes,
            child_bytes: Vec::new(),
            hash: None,
            fanout: None,
            links: Vec::new(),
        }
    }

    fn parse(node: PbNode<'a>) -> Result<Self, String> {
        let mut message = node.data.ok_or_else(|| "it is a bare dag-pb node, not a file or folder".to_owned())?;
        let mut found = Self::leaf(&[]);
        found.size_bytes = None;
        let mut kind = None;
        while let Some((number, field)) = next_field(&mut message)? {
            match (number, field) {
                (1, Field::Number(number)) => kind = Some(parse_kind(number)?),
                (2, Field::Bytes(data)) => found.data = data,
                (3, Field::Number(bytes)) => found.size_bytes = Some(bytes),
                (4, Field::Number(bytes)) => found.child_bytes.push(bytes),
                (4, Field::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        found.child_bytes.push(next_number(&mut packed)?);
                    }
                }
                (5, Field::Number(hash)) => found.hash = Some(hash),
                (6, Field::Number(fanout)) => found.fanout = Some(fanout),
                // A mode and a time: no part of what content means here.
                (7, Field::Number(_)) | (8, Field::Bytes(_)) => {}
                _ => return Err(format!("its UnixFS message has no field {number} of this type")),
            }
        }
        found.kind = kind.ok_or_else(|| "its UnixFS message has no type".to_owned())?;
        found.links = node.links;
        found.check_sizes()?;
        Ok(found)
    }

    /// A file's parts must add up, or its offsets would mean nothing.
    fn check_sizes(&self) -> Result<(), String> {
        if self.kind != Kind::File {
            return Ok(());
        }
        if self.child_bytes.len() != self.links.len() {
            return Err(format!("it has {} links and the lengths of {}", self.links.len(), self.child_bytes.len()));
        }
        let sum = self.child_bytes.iter().try_fold(self.data.len() as u64, |sum, bytes| sum.checked_add(*bytes));
        match (sum, self.size_bytes) {
            (None, _) => Err("its length is beyond 64 bits".to_owned()),
            (Some(sum), Some(size)) if sum != size => Err(format!("it says {size} bytes and its parts are {sum}")),
            _ => Ok(()),
        }
    }

    /// A file's length: its own bytes and its children's.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.data.len() as u64 + self.child_bytes.iter().sum::<u64>()
    }
}

fn parse_kind(number: u64) -> Result<Kind, String> {
    match number {
        TYPE_RAW | TYPE_FILE => Ok(Kind::File),
        TYPE_FOLDER => Ok(Kind::Folder),
        TYPE_SYMLINK => Ok(Kind::Symlink),
        TYPE_SHARD => Ok(Kind::Shard),
        _ => Err(format!("UnixFS has no nodes of type {number}")),
    }
}

/// The message of a file's interior node.
pub(crate) fn file_message(child_bytes: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, TYPE_FILE);
    put_number(&mut out, 3, child_bytes.iter().sum());
    for bytes in child_bytes {
        put_number(&mut out, 4, *bytes);
    }
    out
}

/// The message of a folder.
pub(crate) fn folder_message() -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, TYPE_FOLDER);
    out
}

/// The message of a sharded folder's node, by its bit field.
pub(crate) fn shard_message(bits: &[u8], hash: u64, fanout: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, TYPE_SHARD);
    put_bytes(&mut out, 2, bits);
    put_number(&mut out, 5, hash);
    put_number(&mut out, 6, fanout);
    out
}
