use std::sync::Arc;
use std::time::SystemTime;

use poai_store::{Pin, PinMode, StoreError, Walk};

use super::Node;
use crate::control::{Answer, CollectAnswer, PinAnswer};
use crate::errors::{Failure, Kind};

/// The pins that people set by hand.
const BY_HAND: &str = "pin";

impl Node {
    /// Keeps content until it is unpinned.
    pub(super) async fn pin(self: &Arc<Self>, name: &str) -> Result<Answer, Failure> {
        let cid = self.cid_of_name(name)?;
        let pin = Pin { cid, mode: PinMode::Recursive, name: BY_HAND.into(), until: None };
        self.blocking(move |node| Ok(node.store.pin(&pin)?)).await?;
        Ok(Answer::Pinned(PinAnswer { cid: cid.to_string(), pinned: true }))
    }

    /// Ends every pin of some content. For a receipt that is also the one on its signature.
    pub(super) async fn unpin(self: &Arc<Self>, name: &str) -> Result<Answer, Failure> {
        let cid = self.cid_of_name(name)?;
        let mut cids = self.envelopes_of_receipt(cid)?;
        cids.extend(
            self.records.packages()?.into_iter().filter(|record| record.package == cid).map(|record| record.envelope),
        );
        cids.push(cid);
        let ended = self.blocking(move |node| {
            let pins: Vec<Pin> = node.store.pins().into_iter().filter(|pin| cids.contains(&pin.cid)).collect();
            pins.iter().try_for_each(|pin| node.store.unpin(&pin.cid, &pin.name))?;
            Ok(pins.len())
        });
        if ended.await? == 0 {
            return Err(
                Failure::new(Kind::NotFound, format!("{cid} is not pinned")).hint("`poai ls --pins` lists what is")
            );
        }
        Ok(Answer::Pinned(PinAnswer { cid: cid.to_string(), pinned: false }))
    }

    /// Drops what nothing keeps; with `check`, reads every block that is kept, and drops damaged ones.
    pub(super) async fn collect_garbage(self: &Arc<Self>, check: bool) -> Result<Answer, Failure> {
        self.blocking(move |node| {
            let damaged_blocks = if check { Some(node.check_kept()?) } else { None };
            let collected = node.store.collect(SystemTime::now())?;
            let usage = node.store.usage();
            Ok(Answer::Collected(CollectAnswer {
                removed_blocks: collected.blocks,
                removed_bytes: collected.bytes,
                kept_blocks: usage.blocks,
                kept_bytes: usage.bytes,
                damaged_blocks,
            }))
        })
        .await
    }

    /// Reads every block that a pin keeps; the store moves damaged ones aside. Gives how many those were.
    fn check_kept(&self) -> Result<u64, Failure> {
        let mut damaged = 0;
        for visit in Walk::new(&self.store, self.store.pins().into_iter().map(|pin| pin.cid)) {
            match self.store.get(&visit.cid) {
                Ok(_) => {}
                Err(StoreError::Corrupt { .. }) => damaged += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(damaged)
    }
}
