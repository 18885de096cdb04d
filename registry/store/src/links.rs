use cid::Cid;
use ipld_core::serde::ExtractLinks;

use crate::StoreError;
use crate::block::{DAG_CBOR, DAG_PB, RAW};
use crate::dag_pb::PbNode;
use crate::error::printable;
use crate::limits::LINKS_PER_BLOCK;

/// The CIDs that a block names, in order, with repetitions.
///
/// # Errors
/// [`StoreError::Malformed`] or [`StoreError::UnsupportedCodec`], naming the block; more than 65,536 links.
pub fn links(cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>, StoreError> {
    let found: Vec<Cid> = match cid.codec() {
        RAW => return Ok(Vec::new()),
        DAG_PB => PbNode::decode(cid, bytes)?.links.iter().map(|link| link.cid).collect(),
        // The decoder stops at 256 levels of nesting.
        DAG_CBOR => serde_ipld_dagcbor::from_slice::<ExtractLinks<64>>(bytes)
            .map_err(|error| StoreError::malformed(cid, printable(&error.to_string())))?
            .into_vec(),
        codec => return Err(StoreError::UnsupportedCodec { cid: *cid, codec }),
    };
    if found.len() > LINKS_PER_BLOCK {
        return Err(StoreError::Limit {
            what: cid.to_string(),
            name: "links_per_block",
            limit: LINKS_PER_BLOCK as u64,
        });
    }
    Ok(found)
}
