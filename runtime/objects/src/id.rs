use std::fmt;
use std::str::FromStr;

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::ObjectError;
use crate::codec::{DAG_CBOR, SHA2_256};

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cid", into = "Cid")]
        pub struct $name(Cid);

        impl $name {
            /// The CID itself.
            pub fn cid(&self) -> &Cid {
                &self.0
            }
        }

        impl TryFrom<Cid> for $name {
            type Error = ObjectError;

            fn try_from(cid: Cid) -> Result<Self, ObjectError> {
                check_object_cid(&cid, $what)?;
                Ok(Self(cid))
            }
        }

        impl From<$name> for Cid {
            fn from(id: $name) -> Cid {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = ObjectError;

            fn from_str(text: &str) -> Result<Self, ObjectError> {
                parse_cid(text, $what)?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

object_id!(
    /// Names a [`Program`](crate::Program).
    ProgramId, "a program");
object_id!(
    /// Names a [`Package`](crate::Package), by its payload: signing it again changes nothing.
    PackageId, "a package");
object_id!(
    /// Names a [`Run`](crate::Run): the same work has the same id for everyone.
    RunId, "a run");
object_id!(
    /// Names a [`Claim`](crate::Claim): equal ids are equal results.
    ClaimId, "a claim");
object_id!(
    /// Names a [`Receipt`](crate::Receipt), by its payload.
    ReceiptId, "a receipt");
object_id!(
    /// Names a [`Verdict`](crate::Verdict), by its payload.
    VerdictId, "a verdict");
object_id!(
    /// Names an [`Offer`](crate::Offer), by its payload.
    OfferId, "an offer");
object_id!(
    /// Names a [`Delegation`](crate::Delegation), by its payload.
    DelegationId, "a delegation");
object_id!(
    /// Names a run's whole trace: a [`TraceRoot`](crate::TraceRoot).
    TraceId, "a trace");
object_id!(
    /// Names one [`TraceChunk`](crate::TraceChunk).
    TraceChunkId, "a trace chunk");
object_id!(
    /// Names a signed object together with its signature, for instance one receipt of one host.
    EnvelopeId, "a signed object");

/// Names content: a file or folder as UnixFS, or a raw block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cid", into = "Cid")]
pub struct Link(Cid);

/// The codec of UnixFS nodes.
const DAG_PB: u64 = 0x70;
/// The codec of raw blocks, UnixFS's leaves among them.
const RAW: u64 = 0x55;

impl Link {
    /// The CID itself.
    pub fn cid(&self) -> &Cid {
        &self.0
    }
}

impl TryFrom<Cid> for Link {
    type Error = ObjectError;

    fn try_from(cid: Cid) -> Result<Self, ObjectError> {
        let reason = if cid.hash().code() != SHA2_256 {
            "its hash is not sha2-256"
        } else if cid.codec() != DAG_PB && cid.codec() != RAW {
            "its codec is neither dag-pb nor raw"
        } else if cid.version() != cid::Version::V1 {
            "it is not a CIDv1, so the same content would have two names"
        } else {
            return Ok(Self(cid));
        };
        Err(ObjectError::UnsuitableCid { cid, what: "content", reason })
    }
}

impl From<Link> for Cid {
    fn from(link: Link) -> Cid {
        link.0
    }
}

impl FromStr for Link {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        parse_cid(text, "content")?.try_into()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.0)
    }
}

fn parse_cid(text: &str, what: &'static str) -> Result<Cid, ObjectError> {
    // A CID's text is at most a few dozen characters; anything longer is cut before it is quoted.
    Cid::try_from(text).map_err(|_| ObjectError::InvalidName {
        name: text.chars().take(80).collect(),
        what,
        rule: "it is not a CID",
    })
}

fn check_object_cid(cid: &Cid, what: &'static str) -> Result<(), ObjectError> {
    let reason = if cid.version() != cid::Version::V1 {
        "it is not a CIDv1"
    } else if cid.codec() != DAG_CBOR {
        "its codec is not dag-cbor"
    } else if cid.hash().code() != SHA2_256 {
        "its hash is not sha2-256"
    } else {
        return Ok(());
    };
    Err(ObjectError::UnsuitableCid { cid: *cid, what, reason })
}
