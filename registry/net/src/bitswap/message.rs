//! Bitswap's one message, as protobuf.
//!
//! Blocks are neither copied when a message is read nor when it is written: reading slices the
//! message's buffer, writing gives the message in parts.

use bytes::{Bytes, BytesMut};
use cid::{Cid, Version};
use poai_store::{DAG_PB, SHA2_256, Verified};

use super::protobuf::{Flaw, next_field, put_bytes, put_head, put_number, put_varint, varint};
use crate::{BitswapLimits, Misdeed};

/// One message, in either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) wants: Vec<Want>,
    /// The wants replace all earlier ones, instead of adding to them.
    pub(crate) full: bool,
    pub(crate) blocks: Vec<Block>,
    pub(crate) presences: Vec<(Cid, Presence)>,
    /// Bytes of blocks that the sender has still to send.
    pub(crate) pending_bytes: u32,
}

/// One entry of a wantlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) cid: Cid,
    /// Higher comes first.
    pub(crate) priority: i32,
    /// The block is wanted no more.
    pub(crate) cancel: bool,
    pub(crate) kind: WantKind,
    /// If the block is not there, that is to be said.
    pub(crate) send_dont_have: bool,
}

/// What is wanted of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WantKind {
    /// Only whether it is there.
    Have,
    /// The block.
    Block,
}

/// Whether a block is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Have,
    DontHave,
}

/// A block as it travels: its bytes, and what its CID looks like apart from the digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) prefix: Prefix,
    pub(crate) data: Bytes,
}

/// A CID without its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    version: u64,
    codec: u64,
    hash: u64,
    hash_bytes: u64,
}

/// What blocks of bitswap 1.0.0 have, which carries no prefixes: CIDv0, dag-pb, sha2-256.
const PREFIX_OF_1_0_0: Prefix = Prefix { version: 0, codec: DAG_PB, hash: SHA2_256, hash_bytes: 32 };

impl Prefix {
    fn of(cid: &Cid) -> Self {
        let hash = cid.hash();
        Self { version: cid.version().into(), codec: cid.codec(), hash: hash.code(), hash_bytes: hash.size().into() }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, Flaw> {
        let bytes = &mut bytes;
        let prefix =
            Self { version: varint(bytes)?, codec: varint(bytes)?, hash: varint(bytes)?, hash_bytes: varint(bytes)? };
        if bytes.is_empty() { Ok(prefix) } else { Err("a block's prefix has bytes to spare") }
    }

    fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        [self.version, self.codec, self.hash, self.hash_bytes].iter().for_each(|&value| put_varint(&mut out, value));
        out
    }
}

impl Block {
    pub(crate) fn of(block: Verified) -> Self {
        Self { prefix: Prefix::of(block.cid()), data: block.into_bytes() }
    }

    /// Hashes the bytes: the block under the CID that they really have. None if the prefix's hash is
    /// not sha2-256, which nothing that is asked for here has.
    pub(crate) fn verify(self) -> Option<Verified> {
        if (self.prefix.hash, self.prefix.hash_bytes) != (SHA2_256, 32) {
            return None;
        }
        let block = Verified::of(self.prefix.codec, self.data).ok()?;
        match self.prefix.version {
            0 => {
                let cid = Cid::new(Version::V0, self.prefix.codec, *block.cid().hash()).ok()?;
                Verified::check(&cid, block.into_bytes()).ok()
            }
            1 => Some(block),
            _ => None,
        }
    }
}

impl Message {
    /// Reads a message, within the limits on blocks and on entries.
    pub(crate) fn decode(mut bytes: Bytes, limits: &BitswapLimits) -> Result<Self, Misdeed> {
        let mut message = Self::default();
        while let Some((field, value)) = next_field(&mut bytes).map_err(broken)? {
            match field {
                1 => message.decode_wantlist(value.bytes().map_err(broken)?, limits)?,
                2 => message.add_block(PREFIX_OF_1_0_0, value.bytes().map_err(broken)?, limits)?,
                3 => {
                    let (prefix, data) = decode_payload(value.bytes().map_err(broken)?).map_err(broken)?;
                    message.add_block(prefix, data, limits)?;
                }
                4 => {
                    message.presences.push(decode_presence(value.bytes().map_err(broken)?).map_err(broken)?);
                    check_entries(message.presences.len(), limits)?;
                }
                5 => message.pending_bytes = value.varint().map_err(broken)?.min(i32::MAX as u64) as u32,
                _ => {}
            }
        }
        Ok(message)
    }

    fn decode_wantlist(&mut self, mut bytes: Bytes, limits: &BitswapLimits) -> Result<(), Misdeed> {
        while let Some((field, value)) = next_field(&mut bytes).map_err(broken)? {
            match field {
                1 => {
                    self.wants.push(decode_want(value.bytes().map_err(broken)?).map_err(broken)?);
                    check_entries(self.wants.len(), limits)?;
                }
                2 => self.full = value.varint().map_err(broken)? != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn add_block(&mut self, prefix: Prefix, data: Bytes, limits: &BitswapLimits) -> Result<(), Misdeed> {
        if data.len() > limits.block_bytes {
            return Err(Misdeed::Flood { limit: "block_bytes", allowed: limits.block_bytes });
        }
        self.blocks.push(Block { prefix, data });
        Ok(())
    }

    /// Writes the message: its parts in order.
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        let mut parts = Vec::with_capacity(1 + 2 * self.blocks.len());
        let mut out = BytesMut::new();
        if self.full || !self.wants.is_empty() {
            let wantlist = self.encode_wantlist();
            put_bytes(&mut out, 1, &wantlist);
        }
        for (cid, presence) in &self.presences {
            let mut entry = BytesMut::new();
            put_bytes(&mut entry, 1, &cid.to_bytes());
            put_number(&mut entry, 2, (*presence == Presence::DontHave).into());
            put_bytes(&mut out, 4, &entry);
        }
        put_number(&mut out, 5, self.pending_bytes.into());
        for block in &self.blocks {
            let mut head = BytesMut::new();
            put_bytes(&mut head, 1, &block.prefix.encode());
            put_head(&mut head, 2, block.data.len());
            put_head(&mut out, 3, head.len() + block.data.len());
            out.extend_from_slice(&head);
            parts.push(out.split().freeze());
            parts.push(block.data.clone());
        }
        if !out.is_empty() {
            parts.push(out.freeze());
        }
        parts
    }

    fn encode_wantlist(&self) -> BytesMut {
        let mut out = BytesMut::new();
        for want in &self.wants {
            let mut entry = BytesMut::new();
            put_bytes(&mut entry, 1, &want.cid.to_bytes());
            // An int32, which protobuf sign-extends.
            put_number(&mut entry, 2, i64::from(want.priority) as u64);
            put_number(&mut entry, 3, want.cancel.into());
            put_number(&mut entry, 4, (want.kind == WantKind::Have).into());
            put_number(&mut entry, 5, want.send_dont_have.into());
            put_bytes(&mut out, 1, &entry);
        }
        put_number(&mut out, 2, self.full.into());
        out
    }
}

fn decode_want(mut bytes: Bytes) -> Result<Want, Flaw> {
    let mut cid = None;
    let mut want =
        Want { cid: Cid::default(), priority: 0, cancel: false, kind: WantKind::Block, send_dont_have: false };
    while let Some((field, value)) = next_field(&mut bytes)? {
        match field {
            1 => cid = Some(decode_cid(&value.bytes()?)?),
            2 => want.priority = value.varint()? as i32,
            3 => want.cancel = value.varint()? != 0,
            4 => {
                want.kind = match value.varint()? {
                    0 => WantKind::Block,
                    1 => WantKind::Have,
                    _ => return Err("a want is of an unknown kind"),
                }
            }
            5 => want.send_dont_have = value.varint()? != 0,
            _ => {}
        }
    }
    want.cid = cid.ok_or("a want names no block")?;
    Ok(want)
}

fn decode_presence(mut bytes: Bytes) -> Result<(Cid, Presence), Flaw> {
    let mut cid = None;
    let mut presence = Presence::Have;
    while let Some((field, value)) = next_field(&mut bytes)? {
        match field {
            1 => cid = Some(decode_cid(&value.bytes()?)?),
            2 => {
                presence = match value.varint()? {
                    0 => Presence::Have,
                    1 => Presence::DontHave,
                    _ => return Err("a presence is of an unknown kind"),
                }
            }
            _ => {}
        }
    }
    Ok((cid.ok_or("a presence names no block")?, presence))
}

fn decode_payload(mut bytes: Bytes) -> Result<(Prefix, Bytes), Flaw> {
    let mut prefix = None;
    // proto3 leaves out an empty block's bytes.
    let mut data = Bytes::new();
    while let Some((field, value)) = next_field(&mut bytes)? {
        match field {
            1 => prefix = Some(Prefix::decode(value.bytes()?)?),
            2 => data = value.bytes()?,
            _ => {}
        }
    }
    Ok((prefix.ok_or("a block has no prefix")?, data))
}

fn decode_cid(bytes: &[u8]) -> Result<Cid, Flaw> {
    let cid = Cid::try_from(bytes).map_err(|_| "a CID is malformed")?;
    if cid.encoded_len() == bytes.len() { Ok(cid) } else { Err("a CID has bytes to spare") }
}

fn check_entries(count: usize, limits: &BitswapLimits) -> Result<(), Misdeed> {
    if count > limits.message_entries {
        return Err(Misdeed::Flood { limit: "message_entries", allowed: limits.message_entries });
    }
    Ok(())
}

fn broken(flaw: Flaw) -> Misdeed {
    Misdeed::BrokenMessage { reason: flaw.to_owned() }
}

#[cfg(test)]
mod tests;
