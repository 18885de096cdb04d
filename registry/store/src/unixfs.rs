//! Files and folders as blocks, and back.
//!
//! Written by the profile unixfs-v1-2025: CIDv1 of sha2-256, raw leaves of 1 MiB, at most 1,024 links a
//! node, balanced trees, no modes or times. Read: whatever Kubo and Helia write, version 0, wrapped
//! leaves and sharded folders included.
//!
//! [`FileWriter`] and [`import`] write; [`open`] tells what a link is: a [`FileLayout`] or folder's
//! [`FolderEntry`]s; [`list`] its names alone; [`FileReader`] reads at any offset; [`export`] writes to a disk. Symbolic links are
//! refused on import and export: content must mean the same everywhere.

mod export; // to a disk, whatever the names say
mod file_reader; // any byte of a file
mod file_writer; // a file as it comes
mod folder; // a folder's node
mod import; // from a disk
mod layout; // where a file's bytes lie
mod murmur; // which shard a name falls into
mod node; // the UnixFS message inside a dag-pb node
mod shard; // folders spread over many nodes

pub use export::{ExportLimits, Exported, export};
pub use file_reader::FileReader;
pub use file_writer::{FileWriter, Written};
pub use folder::{EntryKind, FolderEntry, FolderLink, FolderWriter};
pub use import::{ImportLimits, Imported, import, import_reader};
pub use layout::{Chunk, FileLayout, LayoutLimits, Node, folder_links, leaf_file, list, open, resolve};
