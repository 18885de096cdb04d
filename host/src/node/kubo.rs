//! An IPFS node of the operator's beside the embedded store: asked before the network, and given what is published.
//!
//! It is a convenience, never a condition. Whatever it sends is checked, and whatever is wrong with it is said once;
//! then the work goes on without it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cid::Cid;
use poai_store::unixfs::{self, LayoutLimits};
use poai_store::{Blocks, InUse, Kubo, KuboLimits, Store, StoreError, Verified, Walk};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::config::StoreConfig;
use crate::errors::Failure;
use crate::events::{Event, Events};

/// What one request may take. It stands on this machine or next to it, and is asked for blocks that it has.
const LIMITS: KuboLimits =
    KuboLimits { connect: Duration::from_secs(2), read: Duration::from_secs(10), answer: Duration::from_secs(20) };
/// How long it is left alone after something was wrong with it.
const REST: Duration = Duration::from_secs(60);

/// The operator's Kubo node, if there is one.
pub(super) struct KuboSide {
    address: String,
    kubo: Kubo,
    rests_until: Mutex<Option<Instant>>,
}

/// How far a walk through it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// One block.
    Block,
    /// A folder's own blocks.
    Folder,
    /// All that the root leads to.
    Whole,
}

impl KuboSide {
    pub(super) fn new(config: &StoreConfig) -> Result<Option<Self>, Failure> {
        let address = config.kubo_address()?;
        Ok(address.map(|address| Self { kubo: Kubo::new(&*address, LIMITS), address, rests_until: Mutex::new(None) }))
    }

    fn rests(&self) -> bool {
        self.rests_until().is_some_and(|until| Instant::now() < until)
    }

    /// Says what is wrong, and lets it rest.
    fn leave(&self, error: &StoreError, events: &Events) {
        *self.rests_until() = Some(Instant::now() + REST);
        let what = match error {
            // It names the node already.
            StoreError::Kubo { .. } => error.to_string(),
            other => format!("kubo at {}: {other}", self.address),
        };
        events.notice(format!("{what}; going on without it for {} s", REST.as_secs()));
    }

    fn rests_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests_until.lock().expect("nothing panics while it holds this time")
    }
}

/// The store, and behind it the Kubo node: a block that only the latter has comes into the former.
struct Through<'a> {
    store: &'a Store,
    side: &'a KuboSide,
    root: Cid,
    events: &'a Events,
    cancel: &'a CancellationToken,
    came_bytes: Mutex<u64>,
}

impl Through<'_> {
    fn bring(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        if self.side.rests() || self.cancel.is_cancelled() {
            return Ok(None);
        }
        let block = match self.side.kubo.get(cid) {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.side.leave(&error, self.events);
                return Ok(None);
            }
        };
        self.store.put_lazily(&block)?;
        let mut came_bytes = self.came_bytes.lock().expect("nothing panics while it holds this sum");
        *came_bytes += block.bytes().len() as u64;
        self.events.send(Event::Fetching {
            cid: self.root.to_string(),
            done_bytes: *came_bytes,
            total_bytes: None,
            from: Some(format!("kubo at {}", self.side.address)),
        });
        Ok(Some(block))
    }
}

impl Blocks for Through<'_> {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        match self.store.size(cid)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(self.bring(cid)?.map(|block| block.bytes().len() as u64)),
        }
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        match self.store.get(cid)? {
            Some(block) => Ok(Some(block)),
            None => self.bring(cid),
        }
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        self.store.put_lazily(block)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn in_use(&self) -> InUse {
        self.store.in_use()
    }
}

impl Node {
    /// Whether the operator's Kubo node answers, with words about it; none if there is none.
    pub(super) async fn kubo_words(self: &Arc<Self>) -> Result<Option<(bool, String)>, Failure> {
        self.blocking(|node| {
            let Some(side) = &node.kubo else { return Ok(None) };
            Ok(Some(match side.kubo.version() {
                Ok(version) => (true, format!("{version} at {}", side.address)),
                Err(error) => (false, error.to_string()),
            }))
        })
        .await
    }

    /// Brings what the operator's Kubo node has of a root; gives the bytes that came. What it lacks is missing still.
    pub(super) async fn bring_from_kubo(
        self: &Arc<Self>,
        root: Cid,
        reach: Reach,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        if self.kubo.as_ref().is_none_or(KuboSide::rests) {
            return Ok(0);
        }
        let (events, cancel) = (events.clone(), cancel.child_token());
        // Whoever drops this future ends the walk too.
        let _ending = cancel.clone().drop_guard();
        self.blocking(move |node| {
            let Some(side) = &node.kubo else { return Ok(0) };
            let (store, came_bytes) = (&node.store, Mutex::new(0));
            let in_use = store.in_use();
            in_use.hold_dag(&root);
            let through = Through { store, side, root, events: &events, cancel: &cancel, came_bytes };
            match reach {
                Reach::Block => drop(through.get(&root)?),
                // What is no folder, or not whole, is for whoever asked to find out.
                Reach::Folder => drop(unixfs::list(&through, &root, &LayoutLimits::default())),
                Reach::Whole => Walk::new(&through, [root]).for_each(drop),
            }
            let came_bytes = *through.came_bytes.lock().expect("nothing panics while it holds this sum");
            if came_bytes > 0 {
                store.sync()?;
            }
            Ok(came_bytes)
        })
        .await
    }

    /// Gives the operator's Kubo node all that a root leads to, and has it pin that. What is wrong is said.
    pub(super) async fn give_to_kubo(self: &Arc<Self>, root: Cid, events: &Events, cancel: &CancellationToken) {
        if self.kubo.as_ref().is_none_or(KuboSide::rests) {
            return;
        }
        let (told, cancel) = (events.clone(), cancel.child_token());
        let _ending = cancel.clone().drop_guard();
        let given = self.blocking(move |node| {
            let Some(side) = &node.kubo else { return Ok(()) };
            if let Err(error) = give(&node.store, &side.kubo, &root, &cancel) {
                side.leave(&error, &told);
            }
            Ok(())
        });
        if let Err(failure) = given.await {
            events.notice(failure.message);
        }
    }
}

/// Puts every block that Kubo lacks, then pins the root.
fn give(store: &Store, kubo: &Kubo, root: &Cid, cancel: &CancellationToken) -> Result<(), StoreError> {
    for visit in Walk::new(store, [*root]) {
        if cancel.is_cancelled() {
            return Ok(());
        }
        if kubo.size(&visit.cid)?.is_none() {
            kubo.put(&store.need(&visit.cid)?)?;
        }
    }
    kubo.pin(root)
}
