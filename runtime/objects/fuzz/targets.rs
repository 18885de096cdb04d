//! One plain function for each way in which bytes from elsewhere reach poai's objects.
//!
//! Each takes any bytes and panics only if a law is broken. `cargo test -p poai-objects` runs them on
//! the corpus and on mutations of it; `cargo +nightly fuzz run NAME` searches for more.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use poai_objects::codec::{self, DAG_CBOR, cid_of};
use poai_objects::{
    Claim, ClaimId, DecodeLimits, Delegation, EngineName, Envelope, InputName, Link, Object, ObjectError, Offer,
    OutputName, Package, PackageName, Params, Program, PublicKey, Receipt, Run, Signed, TraceChunk, TraceRoot, Verdict,
};

/// Characters that no error is longer than.
const MAX_ERROR_CHARS: usize = 1_024;

/// An object of any kind, from a stranger's block.
pub fn fuzz_object(data: &[u8]) {
    check_object::<Program>(data);
    check_object::<Package>(data);
    check_object::<Run>(data);
    check_object::<Claim>(data);
    check_object::<Receipt>(data);
    check_object::<Verdict>(data);
    check_object::<Offer>(data);
    check_object::<Delegation>(data);
    check_object::<TraceRoot>(data);
    check_object::<TraceChunk>(data);
    check_object::<Envelope>(data);
    check(codec::kind_of(data, &DecodeLimits::default()));
}

/// An envelope (its length in two bytes before it) and the payload that it is said to sign.
pub fn fuzz_signed(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let Some((envelope, payload)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else { return };
    let Some(envelope) = check(Envelope::from_bytes(envelope)) else { return };
    check_signed::<Package>(&envelope, payload);
    check_signed::<Receipt>(&envelope, payload);
    check_signed::<Verdict>(&envelope, payload);
    check_signed::<Offer>(&envelope, payload);
    check_signed::<Delegation>(&envelope, payload);
}

/// Parameters from a file or a command line.
pub fn fuzz_params(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(params) = check(Params::parse(text)) else { return };
    assert_eq!(Params::parse(params.as_str()).unwrap(), params, "the canonical form is its own");
    assert_eq!(text.parse::<Params>().is_ok(), text == params.as_str(), "decoding takes the canonical form only");
    assert_eq!(Params::parse(&params.to_json().to_string()).unwrap(), params, "another writer's text means the same");
}

/// A stranger's schema, and parameters for it after a zero byte.
pub fn fuzz_schema(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (schema, params) = text.split_once('\0').unwrap_or((text, "{}"));
    let Some(schema) = check(Params::parse(schema)) else { return };
    if check(schema.check_schema()).is_none() {
        return;
    }
    check(Params::from_pairs([("name", params)], Some(&schema)));
    let Some(params) = check(Params::parse(params)) else { return };
    let Some(filled) = check(params.with_defaults(&schema)) else { return };
    assert_eq!(filled.with_defaults(&schema).unwrap(), filled, "filling in twice changes nothing");
}

/// Names, ids and keys as people type them.
pub fn fuzz_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_text::<InputName>(text);
    check_text::<OutputName>(text);
    check_text::<PackageName>(text);
    check_text::<EngineName>(text);
    check_text::<PublicKey>(text);
    check_text::<ClaimId>(text);
    check_text::<Link>(text);
}

fn check_object<T: Object>(data: &[u8]) {
    let Some(object) = check(T::from_bytes(data)) else { return };
    assert_eq!(object.to_bytes(), data, "an object has one form");
    let (_, sealed) = object.seal().expect("what decodes is valid");
    codec::verify(&cid_of(DAG_CBOR, data), &sealed).expect("the same bytes have the same CID");
}

fn check_signed<T: Object>(envelope: &Envelope, payload: &[u8]) {
    let Some(signed) = check(Signed::<T>::open(envelope.clone(), payload)) else { return };
    assert_eq!(signed.object().to_bytes(), payload);
    assert_eq!(cid_of(DAG_CBOR, payload), envelope.payload);
}

fn check_text<T: FromStr<Err = ObjectError> + Display + PartialEq + Debug>(text: &str) {
    let Some(value) = check(text.parse::<T>()) else { return };
    assert_eq!(value.to_string().parse::<T>().unwrap(), value, "what is shown can be typed");
}

/// The value, or nothing if it was refused in words fit for a terminal.
fn check<T>(result: Result<T, ObjectError>) -> Option<T> {
    let error = match result {
        Ok(value) => return Some(value),
        Err(error) => error.to_string(),
    };
    assert!(!error.is_empty() && error.chars().count() <= MAX_ERROR_CHARS, "too long an error: {error}");
    assert!(!error.chars().any(char::is_control), "an error with control characters: {error:?}");
    None
}
