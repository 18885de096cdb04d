//! Folders too large for one node: a hash tree of 256 slots a node. An entry's slots are the bytes of
//! its name's hash; a link's name is its slot in two hex digits, and then the entry's name, or nothing
//! for a node further down.

use cid::Cid;

use super::LayoutLimits;
use super::folder::{self, FolderLink};
use super::murmur::murmur3_64;
use super::node::{FsNode, Kind, shard_message};
use crate::block::DAG_PB;
use crate::dag_pb::{PbLink, PbNode};
use crate::{Blocks, InUse, StoreError, Verified};

/// The multicodec of the hash: the first half of murmur3-x64-128.
const MURMUR3_64: u64 = 0x22;
/// Slots of a node, by the profile.
const FANOUT: u64 = 256;
/// Slots of a node that are read: others write fewer or more.
const FANOUT_MOST: u64 = 1_024;

/// The names of a sharded folder.
pub(crate) fn links(
    blocks: &dyn Blocks,
    cid: &Cid,
    node: &FsNode<'_>,
    limits: &LayoutLimits,
) -> Result<Vec<FolderLink>, StoreError> {
    let mut links = Vec::new();
    collect(blocks, cid, node, limits, 0, &mut links)?;
    Ok(links)
}

/// The shards that one names.
pub(crate) fn shards(cid: &Cid, node: &FsNode<'_>) -> Result<Vec<Cid>, StoreError> {
    let digits = slot_digits(cid, node)?;
    Ok(node.links.iter().filter(|link| link.name.len() == digits).map(|link| link.cid).collect())
}

fn collect(
    blocks: &dyn Blocks,
    cid: &Cid,
    node: &FsNode<'_>,
    limits: &LayoutLimits,
    depth: usize,
    links: &mut Vec<FolderLink>,
) -> Result<(), StoreError> {
    let digits = slot_digits(cid, node)?;
    for link in &node.links {
        let (slot, name) = link
            .name
            .split_at_checked(digits)
            .ok_or_else(|| StoreError::malformed(cid, "a shard's link has no slot in its name"))?;
        let slot = u64::from_str_radix(slot, 16).ok().filter(|slot| Some(*slot) < node.fanout);
        if slot.is_none() {
            return Err(StoreError::malformed(cid, "a shard's link has a bad slot in its name"));
        }
        if !name.is_empty() {
            if links.len() == limits.entries {
                return Err(StoreError::Limit { what: cid.to_string(), name: "entries", limit: limits.entries as u64 });
            }
            links.push(folder::folder_link(name, link)?);
            continue;
        }
        if depth == limits.depth {
            return Err(StoreError::Limit { what: cid.to_string(), name: "depth", limit: limits.depth as u64 });
        }
        let block = blocks.need(&link.cid)?;
        let child = FsNode::decode(&link.cid, block.bytes())?;
        if child.kind != Kind::Shard {
            return Err(StoreError::malformed(&link.cid, "it is no shard, but its parent says so"));
        }
        // An empty shard would be work without entries, any number of times.
        if child.links.is_empty() {
            return Err(StoreError::malformed(&link.cid, "it is an empty shard below another"));
        }
        collect(blocks, &link.cid, &child, limits, depth + 1, links)?;
    }
    Ok(())
}

/// How many hex digits a slot takes.
fn slot_digits(cid: &Cid, node: &FsNode<'_>) -> Result<usize, StoreError> {
    if node.hash != Some(MURMUR3_64) {
        return Err(StoreError::malformed(cid, "a shard is of an unknown hash function"));
    }
    match node.fanout {
        Some(fanout) if fanout.is_power_of_two() && (8..=FANOUT_MOST).contains(&fanout) => {
            Ok(format!("{:X}", fanout - 1).len())
        }
        _ => Err(StoreError::malformed(cid, "a shard's fanout is no power of two from 8 to 1,024")),
    }
}

/// Writes a sharded folder: its root, and the bytes of all blocks below.
pub(crate) fn write(blocks: &dyn Blocks, in_use: &InUse, links: &[PbLink<'_>]) -> Result<(Cid, u64), StoreError> {
    let mut hashed: Vec<Hashed<'_>> =
        links.iter().map(|link| Hashed { slots: murmur3_64(link.name.as_bytes()).to_be_bytes(), link }).collect();
    hashed.sort_by(|a, b| a.slots.cmp(&b.slots).then_with(|| a.link.name.cmp(b.link.name)));
    write_node(blocks, in_use, &hashed, 0)
}

struct Hashed<'a> {
    slots: [u8; 8],
    link: &'a PbLink<'a>,
}

/// Writes the node of entries that share their first `depth` slots, which are sorted by them.
fn write_node(
    blocks: &dyn Blocks,
    in_use: &InUse,
    entries: &[Hashed<'_>],
    depth: usize,
) -> Result<(Cid, u64), StoreError> {
    let mut names = Vec::new();
    let mut children = Vec::new();
    let mut bits = [0_u8; FANOUT as usize / 8];
    let same_slot = |a: &Hashed<'_>, b: &Hashed<'_>| a.slots.get(depth) == b.slots.get(depth);
    for group in entries.chunk_by(same_slot) {
        let Some(&slot) = group[0].slots.get(depth) else {
            let name = group[0].link.name.into();
            return Err(StoreError::RefusedPath {
                path: name,
                reason: "its name's hash is another name's, which no sharded folder can hold",
            });
        };
        bits[bits.len() - 1 - usize::from(slot) / 8] |= 1 << (slot % 8);
        if let [one] = group {
            names.push(format!("{slot:02X}{}", one.link.name));
            children.push((one.link.cid, one.link.tree_bytes));
        } else {
            names.push(format!("{slot:02X}"));
            children.push(write_node(blocks, in_use, group, depth + 1)?);
        }
    }
    let links: Vec<PbLink<'_>> =
        names.iter().zip(&children).map(|(name, &(cid, tree_bytes))| PbLink { cid, name, tree_bytes }).collect();
    let first = bits.iter().position(|byte| *byte != 0).unwrap_or(bits.len());
    let message = shard_message(&bits[first..], MURMUR3_64, FANOUT);
    let block = Verified::of(DAG_PB, PbNode { links, data: Some(&message) }.encode())?;
    in_use.hold_dag(block.cid());
    blocks.put(&block)?;
    let tree_bytes = block.bytes().len() as u64 + children.iter().map(|(_, bytes)| bytes).sum::<u64>();
    Ok((*block.cid(), tree_bytes))
}
