use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::codec::{DAG_CBOR, cid_of, object_cid_flaw, plain_text, quoted, verify};
use crate::{EnvelopeId, Object, ObjectError, PublicKey, SecretKey, Signature};

/// A signature beside the object that it signs: `{payload link, key, signature}`.
///
/// Payload and envelope are two blocks. A link to a signed object names its payload, so signing
/// again, or by another key, never changes what others refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed object's kind, which is part of what is signed.
    pub payload_kind: String,
    /// The signed object's CID.
    pub payload: Cid,
    /// Who signed.
    pub key: PublicKey,
    /// Over `poai signature v1 ‖ 0 ‖ payload kind ‖ 0 ‖ payload CID bytes`.
    pub signature: Signature,
}

impl Object for Envelope {
    const KIND: &'static str = "poai/envelope";
    const VERSION: u64 = 1;
    type Id = EnvelopeId;

    fn validate(&self) -> Result<(), ObjectError> {
        plain_text(Self::KIND, "payload kind bytes", &self.payload_kind, Self::MAX_KIND_BYTES)?;
        match object_cid_flaw(&self.payload) {
            Some(reason) => Err(ObjectError::UnsuitableCid { cid: Box::new(self.payload), what: "a payload", reason }),
            None => Ok(()),
        }
    }
}

impl Envelope {
    /// Bytes of the payload's kind.
    pub const MAX_KIND_BYTES: usize = 64;
}

/// An object whose signature was made or checked here. The only ways in are [`Signed::sign`] and
/// [`Signed::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    object: T,
    envelope: Envelope,
}

impl<T: Object> Signed<T> {
    /// Signs an object, if it is one that others would accept.
    pub fn sign(object: T, key: &SecretKey) -> Result<Self, ObjectError> {
        let (_, bytes) = object.seal()?;
        let payload = cid_of(DAG_CBOR, &bytes);
        let envelope = Envelope {
            payload_kind: T::KIND.to_owned(),
            payload,
            key: key.public(),
            signature: key.sign(&signed_bytes(T::KIND, &payload)),
        };
        Ok(Self { object, envelope })
    }

    /// Checks an envelope against the payload's bytes, and decodes the payload.
    pub fn open(envelope: Envelope, payload: &[u8]) -> Result<Self, ObjectError> {
        if envelope.payload_kind != T::KIND {
            return Err(ObjectError::WrongKind { expected: T::KIND, found: quoted(&envelope.payload_kind) });
        }
        envelope.validate()?;
        verify(&envelope.payload, payload)?;
        if !envelope.key.verifies(&signed_bytes(T::KIND, &envelope.payload), &envelope.signature) {
            return Err(ObjectError::ForgedSignature { kind: T::KIND, key: envelope.key.to_string() });
        }
        let object = T::from_bytes(payload)?;
        Ok(Self { object, envelope })
    }

    /// The object that was signed.
    pub fn object(&self) -> &T {
        &self.object
    }

    /// Who signed it.
    pub fn key(&self) -> &PublicKey {
        &self.envelope.key
    }

    /// The signature's own object.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The object without its signature.
    pub fn into_object(self) -> T {
        self.object
    }
}

/// Domain separation: a signature on one kind of object is worth nothing on another, nor outside poai.
fn signed_bytes(kind: &str, payload: &Cid) -> Vec<u8> {
    let mut bytes = b"poai signature v1\0".to_vec();
    bytes.extend_from_slice(kind.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&payload.to_bytes());
    bytes
}
