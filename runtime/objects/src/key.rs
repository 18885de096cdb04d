use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::ObjectError;

/// An ed25519 public key: an account, or a host (whose peer id it is). Its text is
/// `ed25519:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key's 32 bytes, as RFC 8032 encodes them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from its 32 bytes; refuses bytes that are no point on the curve, and weak keys.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ObjectError> {
        let array: [u8; 32] =
            bytes.try_into().map_err(|_| ObjectError::InvalidKey { reason: "it is not 32 bytes long" })?;
        let key = VerifyingKey::from_bytes(&array)
            .map_err(|_| ObjectError::InvalidKey { reason: "it is not a point on the curve" })?;
        if key.to_edwards().compress().as_bytes() != &array {
            return Err(ObjectError::InvalidKey { reason: "it is not the point's canonical encoding" });
        }
        if key.is_weak() {
            return Err(ObjectError::InvalidKey { reason: "it is a weak key, for which anybody can sign" });
        }
        Ok(Self(array))
    }

    /// Whether `signature` is this key's over exactly these bytes (strict: no malleability).
    pub(crate) fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl TryFrom<serde_bytes::ByteBuf> for PublicKey {
    type Error = ObjectError;

    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, ObjectError> {
        Self::from_bytes(&bytes)
    }
}

impl From<PublicKey> for serde_bytes::ByteBuf {
    fn from(key: PublicKey) -> Self {
        Self::from(key.0.to_vec())
    }
}

const TEXT_PREFIX: &str = "ed25519:";

/// 32 bytes from exactly 64 lower-case digits: a key has one text.
fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
    if rest.is_empty() { bytes?.try_into().ok() } else { None }
}

impl FromStr for PublicKey {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let bytes = text.strip_prefix(TEXT_PREFIX).and_then(from_hex);
        Self::from_bytes(
            &bytes
                .ok_or(ObjectError::InvalidKey { reason: "it is not ed25519: and 64 lower-case hexadecimal digits" })?,
        )
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TEXT_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An ed25519 secret key. Never shown, never serialised by accident; zeroed when dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A key from 32 secret bytes, which must be random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 secret bytes, for writing a key file.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// An ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct Signature([u8; 64]);

impl TryFrom<serde_bytes::ByteBuf> for Signature {
    type Error = ObjectError;

    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, ObjectError> {
        let array = <[u8; 64]>::try_from(bytes.as_slice())
            .map_err(|_| ObjectError::InvalidKey { reason: "a signature has 64 bytes" })?;
        Ok(Self(array))
    }
}

impl From<Signature> for serde_bytes::ByteBuf {
    fn from(signature: Signature) -> Self {
        Self::from(signature.0.to_vec())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
