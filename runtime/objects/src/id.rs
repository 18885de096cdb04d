use std::fmt;
use std::str::FromStr;

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::ObjectError;
use crate::codec::{DAG_PB, RAW, hash_flaw, object_cid_flaw, quoted};

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
                match object_cid_flaw(&cid) {
                    Some(reason) => Err(ObjectError::UnsuitableCid { cid: Box::new(cid), what: $what, reason }),
                    None => Ok(Self(cid)),
                }
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
    /// Names a [`SampledVerdict`](crate::SampledVerdict), by its payload.
    SampledVerdictId, "a sampled verdict");
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

/// Characters of a CID's text: base32 of 36 bytes has 59, and other bases are not much longer.
const MAX_CID_CHARS: usize = 128;

impl Link {
    /// The CID itself.
    pub fn cid(&self) -> &Cid {
        &self.0
    }
}

impl TryFrom<Cid> for Link {
    type Error = ObjectError;

    fn try_from(cid: Cid) -> Result<Self, ObjectError> {
        let flaw = if cid.version() != cid::Version::V1 {
            Some("it is not a CIDv1, so the same content would have two names")
        } else if cid.codec() != DAG_PB && cid.codec() != RAW {
            Some("its codec is neither dag-pb nor raw")
        } else {
            hash_flaw(&cid)
        };
        match flaw {
            Some(reason) => Err(ObjectError::UnsuitableCid { cid: Box::new(cid), what: "content", reason }),
            None => Ok(Self(cid)),
        }
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
    let cid = if text.len() <= MAX_CID_CHARS { Cid::try_from(text).ok() } else { None };
    cid.ok_or_else(|| ObjectError::InvalidName { name: quoted(text), what, rule: "it is not a CID" })
}
