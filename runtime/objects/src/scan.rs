//! A walk over DAG-CBOR before anything is decoded from it.
//!
//! It allocates one small frame for each open map or list, at most [`DecodeLimits::depth`] of them,
//! so that no input can make the decoder behind it recurse deeply or reserve memory for items that
//! are not there. It also refuses every form that DAG-CBOR does not have, in words.

use crate::DecodeLimits;

/// Why some bytes may not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A limit was reached.
    Limit {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        allowed: usize,
    },
    /// The bytes are not DAG-CBOR, or have a float.
    Form {
        /// What is wrong.
        reason: &'static str,
        /// The byte at which it was seen.
        at: usize,
    },
}

/// Walks `bytes` from end to end: one item, within the limits, in DAG-CBOR's only form.
pub(crate) fn scan(bytes: &[u8], limits: &DecodeLimits) -> Result<(), Flaw> {
    if bytes.len() > limits.bytes {
        return Err(Flaw::Limit { name: "bytes", allowed: limits.bytes });
    }
    let mut scanner = Scanner { bytes, at: 0, limits, links: 0, open: Vec::new() };
    scanner.item()?;
    while let Some(frame) = scanner.open.last_mut() {
        if frame.left == 0 {
            scanner.open.pop();
            continue;
        }
        let is_key = frame.is_map && frame.left.is_multiple_of(2);
        frame.left -= 1;
        if is_key { scanner.key()? } else { scanner.item()? }
    }
    if scanner.at < bytes.len() {
        return scanner.flaw("there are bytes after its end");
    }
    Ok(())
}

/// A map or list that is not finished.
struct Frame<'a> {
    is_map: bool,
    /// Items to come, by the head's word; a map's keys and values count apart.
    left: u64,
    last_key: Option<&'a [u8]>,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a DecodeLimits,
    links: usize,
    open: Vec<Frame<'a>>,
}

mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const MAP: u8 = 5;
}

/// The only tag of DAG-CBOR: a CID.
const TAG_CID: u64 = 42;

impl<'a> Scanner<'a> {
    fn flaw<T>(&self, reason: &'static str) -> Result<T, Flaw> {
        Err(Flaw::Form { reason, at: self.at })
    }

    /// One item; of a map or list only its head, whose items the caller's loop then takes.
    fn item(&mut self) -> Result<(), Flaw> {
        if matches!(self.bytes.get(self.at), Some(0xe0..=0xff)) {
            return self.simple();
        }
        let (major, argument) = self.head()?;
        match major {
            major::UNSIGNED | major::NEGATIVE => Ok(()),
            major::BYTES => self.take(argument).map(drop),
            major::TEXT => self.text(argument).map(drop),
            major::LIST => self.open(false, argument),
            major::MAP => self.open(true, argument),
            _ => self.link(argument),
        }
    }

    fn simple(&mut self) -> Result<(), Flaw> {
        match self.bytes[self.at] {
            0xf4..=0xf6 => {
                self.at += 1;
                Ok(())
            }
            0xf9..=0xfb => self.flaw("it has a float, and no object has floats"),
            0xff => self.flaw("it has an item of indefinite length"),
            _ => self.flaw("it has a simple value other than false, true and null"),
        }
    }

    /// An item's major type and argument, which must be in the shortest form.
    fn head(&mut self) -> Result<(u8, u64), Flaw> {
        let Some(&first) = self.bytes.get(self.at) else { return self.flaw("it ends too early") };
        let (major, info) = (first >> 5, first & 0x1f);
        let (width, least) = match info {
            0..=23 => {
                self.at += 1;
                return Ok((major, u64::from(info)));
            }
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return self.flaw("it has an item of indefinite length"),
            _ => return self.flaw("it has a reserved kind of item"),
        };
        let Some(digits) = self.bytes.get(self.at + 1..self.at + 1 + width) else {
            return self.flaw("it ends too early");
        };
        let argument = digits.iter().fold(0, |value: u64, &byte| value << 8 | u64::from(byte));
        if argument < least {
            return self.flaw("it has a number or length that is not in the shortest form");
        }
        self.at += 1 + width;
        Ok((major, argument))
    }

    /// The next `len` bytes, which must be there.
    fn take(&mut self, len: u64) -> Result<&'a [u8], Flaw> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = usize::try_from(len).ok().and_then(|len| rest.get(..len)) else {
            return self.flaw("it ends too early");
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn text(&mut self, len: u64) -> Result<&'a [u8], Flaw> {
        let text = self.take(len)?;
        if std::str::from_utf8(text).is_err() {
            return self.flaw("it has a text that is not UTF-8");
        }
        Ok(text)
    }

    fn open(&mut self, is_map: bool, len: u64) -> Result<(), Flaw> {
        if self.open.len() >= self.limits.depth {
            return Err(Flaw::Limit { name: "depth", allowed: self.limits.depth });
        }
        // More items than there are bytes only end the walk too early: nothing is reserved for them.
        let left = if is_map { len.saturating_mul(2) } else { len };
        self.open.push(Frame { is_map, left, last_key: None });
        Ok(())
    }

    fn key(&mut self) -> Result<(), Flaw> {
        let (major, len) = self.head()?;
        if major != major::TEXT {
            return self.flaw("it has a map key that is not a text");
        }
        let key = self.text(len)?;
        let map = self.open.last_mut().expect("a key is read inside a map");
        let in_order = map.last_key.is_none_or(|last| (last.len(), last) < (key.len(), key));
        map.last_key = Some(key);
        if in_order { Ok(()) } else { self.flaw("it has map keys out of order, or one twice") }
    }

    fn link(&mut self, tag: u64) -> Result<(), Flaw> {
        if tag != TAG_CID {
            return self.flaw("it has a tag other than 42, the tag of CIDs");
        }
        self.links += 1;
        if self.links > self.limits.links {
            return Err(Flaw::Limit { name: "links", allowed: self.limits.links });
        }
        let (major, len) = self.head()?;
        if major != major::BYTES {
            return self.flaw("it has a CID that is not a byte string");
        }
        match self.take(len)? {
            [0, _, ..] => Ok(()),
            _ => self.flaw("it has a CID without its leading zero"),
        }
    }
}
