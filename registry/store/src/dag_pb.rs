//! The nodes of UnixFS, as bytes: protobuf `PBNode { Links = 2, Data = 1 }`, links written first.

use cid::Cid;
use unsigned_varint::{decode, encode};

use crate::StoreError;
use crate::limits::LINKS_PER_BLOCK;

/// One node, borrowed from its block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PbNode<'a> {
    pub(crate) links: Vec<PbLink<'a>>,
    pub(crate) data: Option<&'a [u8]>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PbLink<'a> {
    pub(crate) cid: Cid,
    pub(crate) name: &'a str,
    /// Bytes of the whole DAG below, by its writer's word.
    pub(crate) tree_bytes: u64,
}

/// A protobuf field's value: the two wire types that UnixFS uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> PbNode<'a> {
    /// Reads a node.
    pub(crate) fn decode(cid: &Cid, bytes: &'a [u8]) -> Result<Self, StoreError> {
        Self::parse(bytes).map_err(|reason| StoreError::malformed(cid, reason))
    }

    fn parse(mut bytes: &'a [u8]) -> Result<Self, String> {
        let mut node = Self::default();
        while let Some((number, field)) = next_field(&mut bytes)? {
            match (number, field) {
                (1, Field::Bytes(data)) if node.data.is_none() => node.data = Some(data),
                (1, Field::Bytes(_)) => return Err("it has two data fields".to_owned()),
                (2, Field::Bytes(_)) if node.links.len() == LINKS_PER_BLOCK => {
                    return Err(format!("it has more than links_per_block, {LINKS_PER_BLOCK}, links"));
                }
                (2, Field::Bytes(link)) => node.links.push(PbLink::parse(link)?),
                _ => return Err(format!("a node has no field {number} of this type")),
            }
        }
        Ok(node)
    }

    /// Writes a node.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for link in &self.links {
            let mut inner = Vec::with_capacity(64 + link.name.len());
            put_bytes(&mut inner, 1, &link.cid.to_bytes());
            put_bytes(&mut inner, 2, link.name.as_bytes());
            put_number(&mut inner, 3, link.tree_bytes);
            put_bytes(&mut out, 2, &inner);
        }
        if let Some(data) = self.data {
            put_bytes(&mut out, 1, data);
        }
        out
    }
}

impl<'a> PbLink<'a> {
    fn parse(mut bytes: &'a [u8]) -> Result<Self, String> {
        let (mut cid, mut name, mut tree_bytes) = (None, None, None);
        while let Some((number, field)) = next_field(&mut bytes)? {
            match (number, field) {
                (1, Field::Bytes(bytes)) if cid.is_none() => cid = Some(parse_cid(bytes)?),
                (2, Field::Bytes(bytes)) if name.is_none() => {
                    name = Some(std::str::from_utf8(bytes).map_err(|_| "a link's name is not UTF-8".to_owned())?);
                }
                (3, Field::Number(bytes)) if tree_bytes.is_none() => tree_bytes = Some(bytes),
                _ => return Err(format!("a link has no field {number} of this type, or has it twice")),
            }
        }
        let cid = cid.ok_or_else(|| "a link has no CID".to_owned())?;
        Ok(Self { cid, name: name.unwrap_or(""), tree_bytes: tree_bytes.unwrap_or(0) })
    }
}

/// A CID and nothing after it.
fn parse_cid(bytes: &[u8]) -> Result<Cid, String> {
    let mut rest = bytes;
    match Cid::read_bytes(&mut rest) {
        Ok(cid) if rest.is_empty() => Ok(cid),
        Ok(_) => Err("a link's CID has bytes after it".to_owned()),
        Err(error) => Err(format!("a link's CID cannot be read: {error}")),
    }
}

/// The next field, if there is one.
pub(crate) fn next_field<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u64, Field<'a>)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let key = next_number(bytes)?;
    let field = match key & 7 {
        0 => Field::Number(next_number(bytes)?),
        2 => {
            let length = usize::try_from(next_number(bytes)?).map_err(|_| "a length is too large".to_owned())?;
            let (field, rest) = bytes.split_at_checked(length).ok_or_else(|| "it ends inside a field".to_owned())?;
            *bytes = rest;
            Field::Bytes(field)
        }
        wire => return Err(format!("it has a field of wire type {wire}")),
    };
    Ok(Some((key >> 3, field)))
}

/// The next varint.
pub(crate) fn next_number(bytes: &mut &[u8]) -> Result<u64, String> {
    let (number, rest) = decode::u64(bytes).map_err(|error| format!("a number cannot be read: {error}"))?;
    *bytes = rest;
    Ok(number)
}

pub(crate) fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    let mut buffer = encode::u64_buffer();
    out.extend_from_slice(encode::u64(field << 3, &mut buffer));
    out.extend_from_slice(encode::u64(number, &mut buffer));
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    let mut buffer = encode::u64_buffer();
    out.extend_from_slice(encode::u64(field << 3 | 2, &mut buffer));
    out.extend_from_slice(encode::u64(bytes.len() as u64, &mut buffer));
    out.extend_from_slice(bytes);
}
