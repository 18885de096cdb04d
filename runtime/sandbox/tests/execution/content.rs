//! Inputs of the tests: files in chunks of a few bytes, and folders.

use std::collections::BTreeMap;
use std::io::Write;

use cid::Cid;
use poai_objects::Link;
use poai_objects::codec::{RAW, cid_of};
use poai_sandbox::{BlockFile, Chunk, Content, Fault, FileLayout, FolderEntry, Node};

/// Bytes of a chunk: small, so that every read crosses some.
const CHUNK_BYTES: usize = 7;
/// What stands before a block's payload in its file.
const WRAPPING: &[u8] = b"wrapping";

#[derive(Default)]
pub(crate) struct Contents {
    nodes: BTreeMap<Link, Node>,
    blocks: BTreeMap<Cid, Vec<u8>>,
}

impl Contents {
    pub(crate) fn file(&mut self, bytes: &[u8]) -> Link {
        let link = Link::try_from(cid_of(RAW, bytes)).unwrap();
        let mut chunks = Vec::new();
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let cid = cid_of(RAW, chunk);
            self.blocks.insert(cid, chunk.to_vec());
            chunks.push(Chunk { cid, bytes: chunk.len() as u64 });
        }
        self.nodes.insert(link, Node::File(FileLayout { size_bytes: bytes.len() as u64, chunks }));
        link
    }

    pub(crate) fn folder(&mut self, entries: &[(&str, Link)]) -> Link {
        let listed = entries.iter().map(|(name, link)| {
            let (is_folder, size_bytes) = match &self.nodes[link] {
                Node::File(layout) => (false, layout.size_bytes),
                Node::Folder(_) => (true, 0),
            };
            FolderEntry { name: (*name).into(), link: *link, is_folder, size_bytes }
        });
        let node = Node::Folder(listed.collect());
        let link = Link::try_from(cid_of(RAW, format!("{node:?}").as_bytes())).unwrap();
        self.nodes.insert(link, node);
        link
    }

    /// A link that nothing is behind.
    pub(crate) fn missing() -> Link {
        Link::try_from(cid_of(RAW, b"nothing is here")).unwrap()
    }

    /// Loses all blocks, as a store does whose disk broke.
    pub(crate) fn lose_blocks(&mut self) {
        self.blocks.clear();
    }
}

impl Content for Contents {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        self.nodes.get(link).cloned().ok_or_else(|| Fault::Content { reason: format!("{link} is not here") })
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        let bytes = self.blocks.get(cid).ok_or_else(|| Fault::Content { reason: format!("{cid} is not here") })?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[WRAPPING, bytes, WRAPPING].concat()).unwrap();
        Ok(BlockFile { file, offset: WRAPPING.len() as u64, bytes: bytes.len() as u64 })
    }
}
