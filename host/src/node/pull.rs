use std::path::PathBuf;
use std::sync::Arc;

use cid::Cid;
use poai_store::unixfs::{self, EntryKind, ExportLimits, LayoutLimits, Node as Content};
use poai_store::{DAG_PB, RAW};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::control::{Answer, PullAnswer};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::shelf::Shelf;

/// Why fetched content is kept, for a while.
const PULLED: &str = "pulled";

impl Node {
    /// Fetches content, and writes it as a file or folder if a path is given. Nothing may be there yet.
    pub(super) async fn pull(
        self: &Arc<Self>,
        name: &str,
        output: Option<PathBuf>,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let cid = self.cid_of_name(name)?;
        let is_file_tree = cid.codec() == RAW || cid.codec() == DAG_PB;
        if output.is_some() && !is_file_tree {
            let message = format!("{cid} is an object, not a file or folder");
            return Err(
                Failure::new(Kind::BadInput, message).hint("leave --output out, and look at it with `poai show`")
            );
        }
        let in_use = self.store.in_use();
        in_use.hold_dag(&cid);
        let fetched_bytes = self.bring(cid, peers, events, cancel).await?;
        let until = self.end_of_retention();
        self.blocking(move |node| node.store.keep(cid, PULLED, Some(until))).await?;
        let shown = output.as_ref().map(|path| path.display().to_string());
        let bytes = self
            .blocking(move |node| match output {
                Some(path) => Ok(unixfs::export(&node.store, &cid, &path, &ExportLimits::default())?.bytes),
                None if is_file_tree => node.content_bytes(&cid),
                None => Ok(node.store.size(&cid)?.unwrap_or_default()),
            })
            .await?;
        Ok(Answer::Pulled(PullAnswer { cid: cid.to_string(), fetched_bytes, bytes, output: shown }))
    }

    /// Bytes of a file, or of the files in a folder's first level.
    pub(super) fn content_bytes(&self, cid: &Cid) -> Result<u64, Failure> {
        Ok(match unixfs::open(&self.store, cid, &LayoutLimits::default())? {
            Content::File(layout) => layout.size_bytes,
            Content::Folder(entries) => {
                entries.iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.size_bytes).sum()
            }
            Content::Symlink => 0,
        })
    }
}
