//! The one encoding: canonical DAG-CBOR with a kind and a version.
//!
//! An object's bytes are the map `{"body": …, "kind": text, "version": integer}`, keys in DAG-CBOR's
//! order (shorter first, then bytewise). Decoding walks the bytes within limits before it allocates,
//! refuses unknown fields, and compares a re-encoding byte for byte, so that every object has exactly
//! one form and one CID. An optional field that is absent is written as null: every object of a type
//! has all the type's fields, and bytes that leave one out are refused.

use std::convert::Infallible;

use cid::{Cid, Version};
use multihash::Multihash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_ipld_dagcbor::DecodeError;
use sha2::{Digest, Sha256};

use crate::ObjectError;
use crate::scan::{Flaw, scan};

/// The multicodec of DAG-CBOR.
pub const DAG_CBOR: u64 = 0x71;
/// The multicodec of UnixFS nodes.
pub const DAG_PB: u64 = 0x70;
/// The multicodec of raw blocks, UnixFS's leaves among them.
pub const RAW: u64 = 0x55;
/// The multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;
/// Bytes of a sha2-256 digest. A multihash may be cut short; poai's never are.
const DIGEST_BYTES: u8 = 32;
/// Characters of a foreign text that an error quotes.
const QUOTED_CHARS: usize = 64;
/// Characters of a decoder's message, which may quote a foreign text.
const REASON_CHARS: usize = 256;

/// What a decoder accepts before it looks at meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of one encoded object: well under the 2 MiB that other IPFS nodes take as one block.
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

    /// What the body's types alone cannot say: bounds, and what must agree with what. Called by
    /// [`decode`], [`Object::seal`] and [`Signed::sign`](crate::Signed::sign).
    fn validate(&self) -> Result<(), ObjectError>;

    /// The canonical bytes, whether or not the object is valid: see [`Object::seal`].
    fn to_bytes(&self) -> Vec<u8> {
        encode(&Tagged { body: self, kind: Self::KIND, version: Self::VERSION })
    }

    /// The object's id: the CID of its canonical bytes.
    fn id(&self) -> Self::Id {
        Self::Id::try_from(cid_of(DAG_CBOR, &self.to_bytes())).expect("cid_of makes a CIDv1 of dag-cbor and sha2-256")
    }

    /// The id and bytes of a valid object within the default limits: what may be stored, signed or
    /// sent. Whatever this accepts, [`Object::from_bytes`] accepts everywhere.
    fn seal(&self) -> Result<(Self::Id, Vec<u8>), ObjectError> {
        self.validate()?;
        let bytes = self.to_bytes();
        check_form(&bytes, &DecodeLimits::default(), Self::KIND)?;
        let id = Self::Id::try_from(cid_of(DAG_CBOR, &bytes))?;
        Ok((id, bytes))
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

/// Checks that some bytes are what a CID names, whatever its codec. Only sha2-256 is known.
pub fn verify(expected: &Cid, bytes: &[u8]) -> Result<(), ObjectError> {
    if let Some(reason) = hash_flaw(expected) {
        return Err(ObjectError::UnsuitableCid { cid: Box::new(*expected), what: "a block", reason });
    }
    let found = cid_of(expected.codec(), bytes);
    if found.hash() != expected.hash() {
        return Err(ObjectError::WrongCid { expected: Box::new(*expected), found: Box::new(found) });
    }
    Ok(())
}

/// Why a CID cannot name one of poai's objects, if it cannot.
pub(crate) fn object_cid_flaw(cid: &Cid) -> Option<&'static str> {
    if cid.version() != Version::V1 {
        Some("it is not a CIDv1")
    } else if cid.codec() != DAG_CBOR {
        Some("its codec is not dag-cbor")
    } else {
        hash_flaw(cid)
    }
}

/// Why a CID's hash cannot be checked here, if it cannot.
pub(crate) fn hash_flaw(cid: &Cid) -> Option<&'static str> {
    if cid.hash().code() != SHA2_256 {
        Some("its hash is not sha2-256")
    } else if cid.hash().size() != DIGEST_BYTES {
        Some("its hash does not have 32 bytes")
    } else {
        None
    }
}

/// Decodes an object, and refuses whatever would not encode to the same bytes again.
pub fn decode<T: Object>(bytes: &[u8], limits: &DecodeLimits) -> Result<T, ObjectError> {
    let (kind, version) = header(bytes, limits, T::KIND)?;
    if kind != T::KIND {
        return Err(ObjectError::WrongKind { expected: T::KIND, found: quoted(&kind) });
    }
    if version != T::VERSION {
        return Err(ObjectError::UnknownVersion { kind: T::KIND, found: version, known: T::VERSION });
    }
    let object: Untagged<T> = from_slice(bytes, T::KIND)?;
    if object.body.to_bytes() != bytes {
        return Err(ObjectError::Malformed { kind: T::KIND, reason: "its bytes are not in canonical form".into() });
    }
    object.body.validate()?;
    Ok(object.body)
}

/// Decodes a value that is no object of its own, such as a protocol's message, by the rules of
/// objects: within limits, and only from the bytes that it encodes to. `what` names it in errors.
pub fn decode_value<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limits: &DecodeLimits,
    what: &'static str,
) -> Result<T, ObjectError> {
    check_form(bytes, limits, what)?;
    let value: T = from_slice(bytes, what)?;
    if encode(&value) != bytes {
        return Err(ObjectError::Malformed { kind: what, reason: "its bytes are not in canonical form".into() });
    }
    Ok(value)
}

/// The kind and version that some bytes declare, for programs that show objects of any kind.
pub fn kind_of(bytes: &[u8], limits: &DecodeLimits) -> Result<(String, u64), ObjectError> {
    header(bytes, limits, "object")
}

/// The start of a text from elsewhere, as errors show it.
pub(crate) fn quoted(text: &str) -> String {
    printable(text, QUOTED_CHARS)
}

fn printable(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

/// Refuses a list, map or text that is larger than its limit allows.
pub(crate) fn at_most(
    kind: &'static str,
    limit: &'static str,
    found: usize,
    allowed: usize,
) -> Result<(), ObjectError> {
    if found > allowed { Err(ObjectError::TooLarge { kind, limit, allowed: allowed as u64 }) } else { Ok(()) }
}

/// Refuses a text for people or logs that is too long, or has control characters (line feeds are
/// none), which could drive a terminal.
pub(crate) fn plain_text(
    kind: &'static str,
    limit: &'static str,
    text: &str,
    allowed: usize,
) -> Result<(), ObjectError> {
    at_most(kind, limit, text.len(), allowed)?;
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(ObjectError::Malformed { kind, reason: "one of its texts has a control character".into() });
    }
    Ok(())
}

fn header(bytes: &[u8], limits: &DecodeLimits, kind: &'static str) -> Result<(String, u64), ObjectError> {
    check_form(bytes, limits, kind)?;
    let header: Header = from_slice(bytes, kind)?;
    Ok((header.kind, header.version))
}

fn check_form(bytes: &[u8], limits: &DecodeLimits, kind: &'static str) -> Result<(), ObjectError> {
    scan(bytes, limits).map_err(|flaw| match flaw {
        Flaw::Limit { name, allowed } => ObjectError::TooLarge { kind, limit: name, allowed: allowed as u64 },
        Flaw::Form { reason, at } => ObjectError::Malformed { kind, reason: format!("{reason} (at byte {at})") },
    })
}

fn from_slice<T: DeserializeOwned>(bytes: &[u8], kind: &'static str) -> Result<T, ObjectError> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| ObjectError::Malformed { kind, reason: in_words(error) })
}

/// What a decoding error comes to once [`scan`] has passed the bytes: a field of another type, or
/// something that a type of ours said.
fn in_words(error: DecodeError<Infallible>) -> String {
    match error {
        DecodeError::Msg(reason) => printable(&reason, REASON_CHARS),
        DecodeError::CastOverflow { name } => format!("an integer does not fit the type {name}"),
        DecodeError::LengthMismatch { name, .. } => format!("the {name} has more items than it should"),
        DecodeError::Mismatch { name, .. } | DecodeError::Unsupported { name, .. } => {
            format!("there is another type of value where the type {name} belongs")
        }
        _ => "its values are not of the types that belong there".into(),
    }
}
