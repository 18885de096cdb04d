//! The decoders of whatever strangers send, each as a plain function that takes any bytes and panics
//! only if a law is broken.
//!
//! `cargo test -p poai-net` runs them on the corpus and on mutations of it; `cargo +nightly fuzz run NAME`
//! searches for more.

use std::fmt::Debug;

use bytes::Bytes;
use futures::FutureExt;
use futures::io::Cursor;
use poai_objects::codec::encode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bitswap::message::Message;
use crate::frame::{self, FrameLimit};
use crate::run::message::{FromHost, FromRequester, decode};
use crate::{BitswapLimits, NetError, OfferLimits, offers};

#[cfg(test)]
mod tests;

/// Characters that no error is longer than.
const MAX_ERROR_CHARS: usize = 1_024;

/// A message of bitswap. What is read is written so that it reads the same.
pub fn fuzz_bitswap(data: &[u8]) {
    let limits = BitswapLimits::default();
    match Message::decode(Bytes::copy_from_slice(data), &limits) {
        Ok(message) => {
            let again = Message::decode(message.encode().concat().into(), &limits);
            assert_eq!(again.as_ref(), Ok(&message));
            message.blocks.into_iter().for_each(|block| drop(block.verify()));
        }
        Err(misdeed) => check_words(&misdeed.to_string()),
    }
}

/// A message of the run protocol, from either side. What is read is written as the same bytes.
pub fn fuzz_run(data: &[u8]) {
    check_canonical(data, decode::<FromRequester>);
    check_canonical(data, decode::<FromHost>);
    if let Ok(FromRequester::Ask(ask)) = decode(data) {
        // Whatever they are, they are read or refused.
        drop((ask.run(), ask.claim()));
    }
}

/// An offer as gossip carries it. Nothing is taken whose signature does not hold.
pub fn fuzz_offer(data: &[u8]) {
    match offers::open(data, &OfferLimits::default()) {
        Ok(offer) => assert_eq!(encode(&crate::SignedBytes::of(&offer)), data),
        Err(error) => check_words(&error.to_string()),
    }
}

/// Frames of a stream, to its end or to the first that is refused.
pub fn fuzz_frames(data: &[u8]) {
    const LIMIT: FrameLimit = FrameLimit { name: "message_bytes", bytes: 1_024 };
    let mut stream = Cursor::new(data);
    loop {
        let read = frame::read(&mut stream, LIMIT).now_or_never().expect("a cursor never waits");
        match read {
            Ok(Some(message)) => assert!(message.len() <= LIMIT.bytes),
            Ok(None) => return,
            Err(error) => return check_words(&error.to_string()),
        }
    }
}

fn check_canonical<T>(data: &[u8], decode: impl Fn(&[u8]) -> Result<T, NetError>)
where
    T: Serialize + DeserializeOwned + Debug,
{
    match decode(data) {
        Ok(message) => assert_eq!(encode(&message), data),
        Err(error) => check_words(&error.to_string()),
    }
}

fn check_words(words: &str) {
    assert!(words.chars().count() <= MAX_ERROR_CHARS, "an error of {} characters", words.chars().count());
}
