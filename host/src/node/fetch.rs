use std::sync::Arc;

use cid::Cid;
use poai_net::{FetchEvent, FetchSummary, Follow, Sources};
use poai_objects::codec::{self, DecodeLimits};
use poai_objects::{Object, Package};
use poai_store::Walk;
use poai_store::unixfs::{self, LayoutLimits};
use tokio_util::sync::CancellationToken;

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
        if self.blocking(move |node| Ok(Walk::check_whole(&node.store, &root).is_ok())).await? {
            return Ok(0);
        }
        self.bring_part(root, |cid, bytes| poai_store::links(cid, bytes), peers, events, cancel).await
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
        if self.blocking(here).await? {
            return Ok(0);
        }
        self.bring_part(root, unixfs::folder_links, peers, events, cancel).await
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
        if self.store.has(cid)? {
            return Ok(());
        }
        let network = self.network().await?;
        network.dial_all(peers).await?;
        events.send(Event::Fetching { cid: cid.to_string(), done_bytes: 0, total_bytes: None, from: None });
        tokio::select! {
            fetched = network.net.fetch_block(*cid, Sources::Anyone) => fetched.map(drop).map_err(Failure::from),
            () = cancel.cancelled() => Err(interrupted()),
        }
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
