use cid::Cid;

/// Why an object, a name, a key or a signature was refused.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The bytes are not canonical DAG-CBOR of the expected type.
    #[error("not a valid {kind}: {reason}")]
    Malformed {
        /// The kind that was expected.
        kind: &'static str,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The bytes hold an object of another kind.
    #[error("this is a {found}, not a {expected}")]
    WrongKind {
        /// The kind that was expected.
        expected: &'static str,
        /// The kind that the bytes name.
        found: String,
    },
    /// The bytes hold a version that this program does not know.
    #[error("version {found} of {kind} is not known here (this program knows version {known})")]
    UnknownVersion {
        /// The object's kind.
        kind: &'static str,
        /// The version that the bytes name.
        found: u64,
        /// The version that this program reads.
        known: u64,
    },
    /// A decoder's limit was reached.
    #[error("{kind} exceeds the limit {limit} of {allowed}")]
    TooLarge {
        /// The object's kind.
        kind: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// The limit's value.
        allowed: u64,
    },
    /// The bytes do not hash to the CID that was asked for.
    #[error("the bytes given for {expected} hash to {found}")]
    WrongCid {
        /// The CID that was asked for.
        expected: Box<Cid>,
        /// The CID of the bytes.
        found: Box<Cid>,
    },
    /// A CID of an unsuitable kind: poai's objects have CIDv1, DAG-CBOR, sha2-256.
    #[error("{cid} cannot name {what}: {reason}")]
    UnsuitableCid {
        /// The CID in question.
        cid: Box<Cid>,
        /// What it was to name.
        what: &'static str,
        /// Why it cannot.
        reason: &'static str,
    },
    /// A name breaks the rules of its kind.
    #[error("{name:?} is not a valid {what}: {rule}")]
    InvalidName {
        /// The refused name, cut to a printable length.
        name: String,
        /// What kind of name it was to be.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// Parameters that have no canonical form.
    #[error("invalid parameters: {reason}")]
    InvalidParams {
        /// What is wrong, and where.
        reason: String,
    },
    /// A schema of parameters that is wrong, or says what is not supported.
    #[error("invalid schema of parameters: {reason}")]
    InvalidSchema {
        /// What is wrong, and where.
        reason: String,
    },
    /// A key that is not a valid ed25519 key.
    #[error("invalid key: {reason}")]
    InvalidKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The signature does not belong to this payload and key.
    #[error("the signature on this {kind} was not made by {key}")]
    ForgedSignature {
        /// The payload's kind.
        kind: &'static str,
        /// The key that the envelope names.
        key: String,
    },
}
