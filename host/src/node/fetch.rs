use std::sync::Arc;

use cid::Cid;
use poai_net::{FetchEvent, FetchSummary, Follow, Sources};
use poai_objects::codec::{self, DecodeLimits};
use poai_objects::{Object, Package};
use poai_store::Walk;
use poai_store::unixfs::{self, LayoutLimits};
use tokio_util::sync::CancellationToken;

use super::kubo::Reach;
use super::{Node, interrupted};
use crate::errors::Failure;
use crate::events::{Event, Events};
use crate::shelf::Shelf;

impl Node {
    /// Brings a root and all that it links to, from peers where it is not here. Gives the bytes that came;
    /// pinning the root makes them durable.
    pub(super) async fn bring(
        self: &Arc<Self>,
        root: Cid,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        let here = move |node: &Arc<Self>| Ok(Walk::check_whole(&node.store, &root).is_ok());
        self.bring_unless(here, root, Reach::Whole, peers, events, cancel).await
    }

    /// Brings as much of a folder as tells its names: its own blocks, and nothing of what they name.
    pub(super) async fn bring_folder(
        self: &Arc<Self>,
        root: Cid,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        let here = move |node: &Arc<Self>| Ok(unixfs::list(&node.store, &root, &LayoutLimits::default()).is_ok());
        self.bring_unless(here, root, Reach::Folder, peers, events, cancel).await
    }

    /// Brings from the operator's Kubo node, then from peers, until enough is here.
    async fn bring_unless(
        self: &Arc<Self>,
        here: impl Fn(&Arc<Self>) -> Result<bool, Failure> + Copy + Send + 'static,
        root: Cid,
        reach: Reach,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        if self.blocking(here).await? {
            return Ok(0);
        }
        let from_kubo = self.bring_from_kubo(root, reach, events, cancel).await?;
        if from_kubo > 0 && self.blocking(here).await? {
            return Ok(from_kubo);
        }
        let follow: Follow = match reach {
            Reach::Block => |_, _| Ok(Vec::new()),
            Reach::Folder => unixfs::folder_links,
            Reach::Whole => |cid, bytes| poai_store::links(cid, bytes),
        };
        Ok(from_kubo + self.bring_part(root, follow, peers, events, cancel).await?)
    }

    async fn bring_part(
        self: &Arc<Self>,
        root: Cid,
        follow: Follow,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        let network = self.network().await?;
        network.dial_all(peers).await?;
        let events = events.clone();
        let fetched = network.net.fetch_part(root, follow, Sources::Anyone, move |event| tell(&events, root, event));
        let summary = tokio::select! {
            fetched = fetched => fetched?,
            () = cancel.cancelled() => return Err(interrupted()),
        };
        Ok(summary.fetched_bytes)
    }

    /// Brings one object, and a package's program: as much as is needed to name a run, not its content.
    pub(super) async fn bring_object(
        self: &Arc<Self>,
        cid: &Cid,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        self.bring_block(cid, peers, events, cancel).await?;
        let Some(block) = self.store.get(cid)? else { return Ok(()) };
        if codec::kind_of(block.bytes(), &DecodeLimits::default()).is_ok_and(|(kind, _)| kind == Package::KIND) {
            let package: Package = self.store.object(*cid)?;
            self.bring_block(package.program.cid(), peers, events, cancel).await?;
        }
        Ok(())
    }

    async fn bring_block(
        self: &Arc<Self>,
        cid: &Cid,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let cid = *cid;
        self.bring_unless(move |node| Ok(node.store.has(&cid)?), cid, Reach::Block, peers, events, cancel).await?;
        Ok(())
    }
}

/// Shows a fetch. How much a DAG has in all is known only at its end.
fn tell(events: &Events, root: Cid, event: FetchEvent) {
    let fetching = |progress: &FetchSummary, from: Option<String>| Event::Fetching {
        cid: root.to_string(),
        done_bytes: progress.fetched_bytes,
        total_bytes: (progress.missing_blocks == 0).then_some(progress.fetched_bytes),
        from,
    };
    match event {
        FetchEvent::Block { from, progress, .. } => events.send(fetching(&progress, Some(from.to_string()))),
        FetchEvent::Present { progress } => events.send(fetching(&progress, None)),
        FetchEvent::PeerDropped { peer, reason } => events.notice(format!("{peer} is asked no more: {reason}")),
    }
}
