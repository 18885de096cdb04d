//! The one encoding: canonical DAG-CBOR with a kind and a version.
//!
//! An object's bytes are the map `{"body": …, "kind": text, "version": integer}`. Decoding checks
//! limits before it allocates, refuses unknown fields, and compares a re-encoding byte for byte,
//! so that every object has exactly one form and one CID.

use cid::Cid;
use multihash::Multihash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ObjectError;

/// The multicodec of DAG-CBOR.
pub const DAG_CBOR: u64 = 0x71;
/// The multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;

/// What a decoder accepts before it looks at meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of one encoded object.
    pub bytes: usize,
    /// Maps and lists inside each other.
    pub depth: usize,
    /// CIDs inside one object.
    pub links: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 16, links: 16_384 }
    }
}

/// A type with an id: its kind and version are part of its bytes.
pub trait Object: Serialize + DeserializeOwned {
    /// The name of the type inside its bytes, for instance `poai/run`.
    const KIND: &'static str;
    /// Raised whenever the body's shape changes.
    const VERSION: u64;
    /// The newtype that names objects of this type.
    type Id: TryFrom<Cid, Error = ObjectError>;

    /// What the body's types alone cannot say. Called by [`decode`] and before every encoding that
    /// makes an id.
    fn validate(&self) -> Result<(), ObjectError> {
        Ok(())
    }

    /// The canonical bytes.
    fn to_bytes(&self) -> Vec<u8> {
        encode(&Tagged { body: self, kind: Self::KIND, version: Self::VERSION })
    }

    /// The object's id: the CID of its canonical bytes.
    fn id(&self) -> Self::Id {
        Self::Id::try_from(cid_of(DAG_CBOR, &self.to_bytes())).unwrap_or_else(|_| unreachable!("cid_of makes CIDv1, dag-cbor, sha2-256"))
    }

    /// Decodes with the default limits.
    fn from_bytes(bytes: &[u8]) -> Result<Self, ObjectError> {
        decode(bytes, &DecodeLimits::default())
    }
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    body: &'a T,
    kind: &'static str,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Untagged<T> {
    body: T,
    #[expect(dead_code, reason = "read by Header; listed so that it is not unknown")]
    kind: String,
    #[expect(dead_code, reason = "read by Header; listed so that it is not unknown")]
    version: u64,
}

#[derive(Deserialize)]
struct Header {
    kind: String,
    version: u64,
}

/// Canonical DAG-CBOR of any value that poai's own types describe.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("poai's types have no float and no unsized map, so they always encode")
}

/// The CIDv1 of some bytes under a codec, by sha2-256.
pub fn cid_of(codec: u64, bytes: &[u8]) -> Cid {
    let hash = Multihash::wrap(SHA2_256, &Sha256::digest(bytes)).expect("32 bytes fit a multihash of 64");
    Cid::new_v1(codec, hash)
}

/// Decodes an object, and refuses whatever would not encode to the same bytes again.
pub fn decode<T: Object>(bytes: &[u8], limits: &DecodeLimits) -> Result<T, ObjectError> {
    let malformed = |reason: String| ObjectError::Malformed { kind: T::KIND, reason };
    check_limits(bytes, limits, T::KIND)?;
    let header: Header = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if header.kind != T::KIND {
        return Err(ObjectError::WrongKind { expected: T::KIND, found: header.kind.chars().take(64).collect() });
    }
    if header.version != T::VERSION {
        return Err(ObjectError::UnknownVersion { kind: T::KIND, found: header.version, known: T::VERSION });
    }
    let object: Untagged<T> = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if object.body.to_bytes() != bytes {
        return Err(malformed("its bytes are not in canonical form".into()));
    }
    object.body.validate()?;
    Ok(object.body)
}

/// The kind and version that some bytes declare, for programs that show objects of any kind.
pub fn kind_of(bytes: &[u8], limits: &DecodeLimits) -> Result<(String, u64), ObjectError> {
    check_limits(bytes, limits, "object")?;
    let header: Header =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|error| ObjectError::Malformed { kind: "object", reason: error.to_string() })?;
    Ok((header.kind, header.version))
}

fn check_limits(bytes: &[u8], limits: &DecodeLimits, kind: &'static str) -> Result<(), ObjectError> {
    if bytes.len() > limits.bytes {
        return Err(ObjectError::TooLarge { kind, limit: "bytes", allowed: limits.bytes as u64 });
    }
    Ok(())
}
