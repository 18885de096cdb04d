//! A run's inputs, from the store: the sandbox's [`Content`].

use std::sync::Arc;

use cid::Cid;
use poai_objects::Link;
use poai_sandbox::{BlockFile, Chunk, Content, Fault, FileLayout, FolderEntry, Node, Recording};
use poai_store::unixfs::{self, EntryKind, LayoutLimits};
use poai_store::{Store, StoreError};

use crate::recording::StoreRecording;
use crate::whole_files::WholeFiles;

/// Verified content of one store. Whoever runs with it holds what the run links to.
#[derive(Debug)]
pub(crate) struct StoreContent {
    store: Store,
    limits: LayoutLimits,
    whole: Arc<WholeFiles>,
    recording: Option<Arc<StoreRecording>>,
}

impl StoreContent {
    /// Content for a run; for a replay that samples, with what is recorded.
    pub(crate) fn new(store: Store, whole: Arc<WholeFiles>, recording: Option<Arc<StoreRecording>>) -> Self {
        Self { store, limits: LayoutLimits::default(), whole, recording }
    }
}

impl Content for StoreContent {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        match unixfs::open(&self.store, link.cid(), &self.limits).map_err(|error| unavailable(&error))? {
            unixfs::Node::File(layout) => Ok(Node::File(file_layout(&layout))),
            unixfs::Node::Folder(entries) => {
                entries.iter().map(folder_entry).collect::<Result<_, _>>().map(Node::Folder)
            }
            unixfs::Node::Symlink => Err(Fault::Content { reason: format!("{link} is a symbolic link") }),
        }
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        let poai_store::BlockFile { file, offset, bytes } =
            unixfs::leaf_file(&self.store, cid).map_err(|error| unavailable(&error))?;
        Ok(BlockFile { file, offset, bytes })
    }

    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        match self.open(file)? {
            Node::File(layout) => self.whole.get(file, &layout, &|cid| self.block(cid)),
            Node::Folder(_) => Err(Fault::Content { reason: format!("{file} is a folder") }),
        }
    }

    fn recording(&self) -> Option<&dyn Recording> {
        self.recording.as_deref().map(|recording| recording as _)
    }
}

fn file_layout(layout: &unixfs::FileLayout) -> FileLayout {
    let chunks = layout.chunks.iter().map(|chunk| Chunk { cid: chunk.cid, bytes: chunk.bytes }).collect();
    FileLayout { size_bytes: layout.size_bytes, chunks }
}

fn folder_entry(entry: &unixfs::FolderEntry) -> Result<FolderEntry, Fault> {
    if entry.kind == EntryKind::Symlink {
        return Err(Fault::Content { reason: format!("{} is a symbolic link", entry.name) });
    }
    let link = Link::try_from(entry.cid).map_err(|error| Fault::Content { reason: error.to_string() })?;
    let is_folder = entry.kind == EntryKind::Folder;
    Ok(FolderEntry { name: entry.name.clone(), link, is_folder, size_bytes: entry.size_bytes })
}

fn unavailable(error: &StoreError) -> Fault {
    Fault::Content { reason: error.to_string() }
}
