//! What a run leaves behind: tokens, and the digest of logits.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

use crate::decoder::VOCABULARY;
use crate::vocabulary::ENDS;

/// A conversation and its answer.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    pub(crate) prompt: Vec<u16>,
    pub(crate) generated: Vec<u16>,
}

impl Tokens {
    /// As JSON, in one line.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("numbers are always JSON");
        json.push(b'\n');
        json
    }
}

/// What of an answer cannot be, whatever the logits are: it ends with the first token that ends one, or when there are as
/// many as there may be.
pub(crate) fn misfit(generated: &[u16], max_tokens: usize) -> Option<String> {
    let end = generated.iter().position(|token| ENDS.contains(token));
    match end {
        _ if generated.len() > max_tokens => Some(format!("it has {} tokens of {max_tokens}", generated.len())),
        Some(end) if end + 1 < generated.len() => Some(format!("it goes on behind its end, token {end}")),
        None if generated.len() < max_tokens => Some(format!("it breaks off behind {} tokens", generated.len())),
        _ => {
            let foreign = generated.iter().find(|token| usize::from(**token) >= VOCABULARY);
            foreign.map(|token| format!("there is no token {token}"))
        }
    }
}

/// The digest of logits, in the order of the answer's tokens.
#[derive(Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds rows of logits, little-endian.
    pub(crate) fn add(&mut self, rows: &[u8]) {
        self.0.update(rows);
    }

    /// SHA-256 of all that was added: a line of hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let mut line = String::new();
        for byte in self.0.finalize() {
            write!(line, "{byte:02x}").expect("a string takes all");
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_are_written() {
        let record = Tokens { prompt: vec![1, 9690], generated: vec![504, 2] };
        let json = record.to_json();
        assert_eq!(json, b"{\"prompt\":[1,9690],\"generated\":[504,2]}\n");
        assert_eq!(serde_json::from_slice::<Tokens>(&json).unwrap(), record);
        for wrong in ["{}", "[]", "{\"prompt\":[1],\"generated\":[-1]}", "{\"prompt\":[1],\"generated\":[65536]}"] {
            assert!(serde_json::from_str::<Tokens>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_ends_where_one_must() {
        for (generated, max_tokens, fits) in [
            (&[504, 2][..], 9, true),
            (&[504, 2], 2, true),
            (&[504, 505], 2, true),
            (&[0], 2, true),
            (&[], 2, false),
            (&[504], 2, false),
            (&[504, 505, 2], 2, false),
            (&[2, 504], 2, false),
            (&[504, 49_152], 2, false),
        ] {
            assert_eq!(misfit(generated, max_tokens).is_none(), fits, "{generated:?} of {max_tokens}");
        }
    }

    /// As FIPS 180-4 has it for "abc".
    #[test]
    fn a_digest_is_of_all_rows_in_order() {
        let mut digest = Digest::default();
        digest.add(b"a");
        digest.add(b"bc");
        assert_eq!(digest.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
    }
}
