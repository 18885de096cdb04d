use std::io;
use std::path::{Path, PathBuf};

use cid::Cid;

use crate::unixfs::EntryKind;

/// What went wrong with a block, a file, a pin or the disk below. Small enough to return by value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes are not what their CID says; on disk, the block was moved aside and is no longer served.
    #[error("block {cid} is corrupt: its bytes hash to {found}")]
    Corrupt {
        /// What was asked for.
        cid: Cid,
        /// What the bytes are.
        found: Box<Cid>,
    },
    /// The block is not here.
    #[error("block {cid} is not in the store")]
    NotFound {
        /// Its CID.
        cid: Cid,
    },
    /// A hash that poai does not compute.
    #[error("{cid} is of hash {hash}; poai reads sha2-256 (and small identity CIDs)")]
    UnsupportedHash {
        /// The CID.
        cid: Cid,
        /// The hash's name, or its multicodec.
        hash: Box<str>,
    },
    /// A codec whose links poai cannot follow.
    #[error("{cid} is of codec {codec:#x}; poai reads raw, dag-pb and dag-cbor")]
    UnsupportedCodec {
        /// The CID.
        cid: Cid,
        /// Its multicodec.
        codec: u64,
    },
    /// Bytes that are no well-formed node.
    #[error("{cid} is malformed: {reason}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// A node of the wrong kind, for instance a folder where a file was asked for.
    #[error("{cid} is {found}, not {wanted}")]
    WrongKind {
        /// The block.
        cid: Cid,
        /// What it is.
        found: EntryKind,
        /// What was asked for.
        wanted: EntryKind,
    },
    /// A block above the size that IPFS nodes exchange.
    #[error("a block of {bytes} bytes is above the limit block_bytes of {limit}")]
    BlockTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Another named limit.
    #[error("{what} is above the limit {name} of {limit}")]
    Limit {
        /// What is too large: a CID or a path.
        what: String,
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The store holds as much as it may.
    #[error("the store's quota of {quota_bytes} bytes is used up")]
    QuotaUsedUp {
        /// The quota.
        quota_bytes: u64,
    },
    /// No room on the disk. Nothing that was there before is lost.
    #[error("the disk that holds {} is full", path.display())]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// Another process has this store open.
    #[error("the store at {} is in use by process {holder}", path.display())]
    HeldElsewhere {
        /// The store's folder.
        path: PathBuf,
        /// The process's number, as it wrote it down.
        holder: String,
    },
    /// A folder of another layout, or of a later version.
    #[error("{} is no store that this version reads: {reason}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// The pins cannot be read; nothing was collected or changed.
    #[error("the pins at {} are damaged at line {line}: {reason}", path.display())]
    PinsDamaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such pin.
    #[error("{cid} has no pin named {name:?}")]
    NoSuchPin {
        /// The CID.
        cid: Cid,
        /// The name that was given.
        name: Box<str>,
    },
    /// A pin's name that cannot be kept.
    #[error("the pin name {name:?} is refused: {reason}")]
    BadPinName {
        /// The name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A DAG that must be whole lacks a block.
    #[error("{root} is incomplete: block {missing} is not in the store")]
    Incomplete {
        /// Where the DAG begins.
        root: Cid,
        /// The first block that is missing.
        missing: Box<Cid>,
    },
    /// A name or a file that must not enter a DAG, or leave one for a disk.
    #[error("{} is refused: {reason}", path.display())]
    RefusedPath {
        /// The path, or the name within its folder.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// An archive that cannot be read.
    #[error("the CAR is malformed at byte {offset}: {reason}")]
    Car {
        /// Where, in bytes from the beginning.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The external Kubo node's answer.
    #[error("kubo at {address}: {reason}")]
    Kubo {
        /// Its RPC address.
        address: String,
        /// What it said, or how it could not be reached.
        reason: String,
    },
    /// Some writes could not be made durable; their blocks were dropped. It stays so until the store is
    /// opened again.
    #[error("blocks could not be made durable: {reason}")]
    NotDurable {
        /// What the disk said.
        reason: String,
    },
    /// Any other fault of a disk or stream.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The error of a file operation: a full disk has its own kind.
    pub(crate) fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            // A file-size limit is a full disk too, as far as a writer can tell.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path: path.to_owned() }
            }
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    pub(crate) fn malformed(cid: &Cid, reason: impl Into<Box<str>>) -> Self {
        Self::Malformed { cid: *cid, reason: reason.into() }
    }
}

/// A foreign text as an error shows it: cut short, and without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    const CHARS: usize = 256;
    text.chars().take(CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
