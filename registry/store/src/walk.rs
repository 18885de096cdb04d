use std::collections::HashSet;

use cid::Cid;

use crate::block::RAW;
use crate::limits::{WALK_BLOCKS, WALK_PENDING};
use crate::{Blocks, StoreError, links};

/// Every block of a DAG once, parents before children, in the order of their links.
///
/// Interior nodes are read and checked; raw leaves are only looked for, so that a walk of a large
/// file reads a thousandth of it. A block that is missing or unreadable is told, and the walk goes on.
pub struct Walk<'a> {
    blocks: &'a dyn Blocks,
    pending: Vec<Cid>,
    // By CID, not by digest: the codec decides which links a block has.
    seen: HashSet<Cid>,
}

/// One block of a walk.
#[derive(Debug)]
pub struct Visit {
    /// Its CID, as its parent names it.
    pub cid: Cid,
    /// What was found under it.
    pub found: Found,
}

/// What a walk found at a CID.
#[derive(Debug)]
pub enum Found {
    /// The block, and its links come next.
    Here,
    /// No such block.
    Missing,
    /// A block whose links cannot be followed: corrupt, malformed, or of a foreign hash or codec.
    Unreadable(StoreError),
}

impl<'a> Walk<'a> {
    /// Begins at `roots`, in order.
    pub fn new(blocks: &'a dyn Blocks, roots: impl IntoIterator<Item = Cid>) -> Self {
        let mut pending: Vec<Cid> = roots.into_iter().collect();
        pending.reverse();
        Self { blocks, pending, seen: HashSet::new() }
    }

    /// Adds a root to a walk under way. It is looked at even if it was before, for it may have come
    /// since; what lies below it and was visited is not visited again.
    pub fn add(&mut self, root: Cid) {
        self.seen.remove(&root);
        self.pending.push(root);
    }

    /// The first block that is missing or unreadable, if any: whether a DAG is whole.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`], or what made a block unreadable.
    pub fn check_whole(blocks: &'a dyn Blocks, root: &Cid) -> Result<(), StoreError> {
        for visit in Self::new(blocks, [*root]) {
            match visit.found {
                Found::Here => {}
                Found::Missing => return Err(StoreError::Incomplete { root: *root, missing: Box::new(visit.cid) }),
                Found::Unreadable(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn look(&mut self, cid: &Cid) -> Result<Found, StoreError> {
        if self.seen.len() as u64 > WALK_BLOCKS {
            return Err(StoreError::Limit { what: cid.to_string(), name: "walk_blocks", limit: WALK_BLOCKS });
        }
        if cid.codec() == RAW {
            return Ok(if self.blocks.size(cid)?.is_some() { Found::Here } else { Found::Missing });
        }
        let Some(block) = self.blocks.get(cid)? else { return Ok(Found::Missing) };
        let links = links(cid, block.bytes())?;
        if self.pending.len() + links.len() > WALK_PENDING {
            return Err(StoreError::Limit { what: cid.to_string(), name: "walk_pending", limit: WALK_PENDING as u64 });
        }
        self.pending.extend(links.into_iter().rev());
        Ok(Found::Here)
    }
}

impl Iterator for Walk<'_> {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        loop {
            let cid = self.pending.pop()?;
            if !self.seen.insert(cid) {
                continue;
            }
            let found = self.look(&cid).unwrap_or_else(Found::Unreadable);
            return Some(Visit { cid, found });
        }
    }
}
