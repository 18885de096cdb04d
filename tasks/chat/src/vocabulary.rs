//! From text to tokens, and back: byte pair encoding, as GPT-2 has it.

use crate::words::words;

/// Bytes by token, then pairs of tokens by the token that they merge into, by scripts/tokenizer.py.
const TABLE: &[u8] = include_bytes!("../data/merges.bin");

/// Tokens that are no part of a text: they come first.
const SPECIAL: u16 = 17;
/// Bytes that are tokens by themselves. Those that no text of the model's makers had are none.
const BYTES: usize = 235;
/// The first token that a merge makes.
const MERGED: u16 = SPECIAL + BYTES as u16;

/// The token before a message.
pub(crate) const BEGIN: u16 = 1;
/// The token behind a message.
pub(crate) const END: u16 = 2;
/// Tokens with which an answer ends: a text's end, and a message's.
pub(crate) const ENDS: [u16; 2] = [0, END];

/// All tokens.
pub(crate) struct Vocabulary {
    /// The token of each byte.
    of_byte: [Option<u16>; 256],
    /// What each merge is of.
    merges: Vec<[u16; 2]>,
    /// The same with what it makes, ordered by what it is of.
    by_parts: Vec<([u16; 2], u16)>,
}

impl Vocabulary {
    pub(crate) fn new() -> Self {
        let (bytes, pairs) = TABLE.split_at(BYTES);
        let mut of_byte = [None; 256];
        for (token, byte) in (SPECIAL..).zip(bytes) {
            of_byte[usize::from(*byte)] = Some(token);
        }
        let pair =
            |bytes: &[u8; 4]| [u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]])];
        let merges: Vec<[u16; 2]> = pairs.as_chunks().0.iter().map(pair).collect();
        let mut by_parts: Vec<_> = merges.iter().copied().zip(MERGED..).collect();
        by_parts.sort_unstable();
        Self { of_byte, merges, by_parts }
    }

    /// The tokens of a text, none of them special. Bytes that are no tokens are left out.
    pub(crate) fn tokens(&self, text: &str) -> Vec<u16> {
        words(text).into_iter().flat_map(|word| self.word(word)).collect()
    }

    /// Merges a word's bytes, the pair first that was merged first when the vocabulary was made; of equal ones the left.
    fn word(&self, word: &str) -> Vec<u16> {
        let mut tokens: Vec<u16> = word.bytes().filter_map(|byte| self.of_byte[usize::from(byte)]).collect();
        let mut merged: Vec<_> = tokens.windows(2).map(|pair| self.merge(pair[0], pair[1])).collect();
        // What the pair at each place makes is kept, since few change: a word may be as long as the text.
        while let Some((place, token)) = first(&merged) {
            tokens[place] = token;
            tokens.remove(place + 1);
            merged.remove(place);
            if place > 0 {
                merged[place - 1] = self.merge(tokens[place - 1], token);
            }
            if place < merged.len() {
                merged[place] = self.merge(token, tokens[place + 1]);
            }
        }
        tokens
    }

    fn merge(&self, left: u16, right: u16) -> Option<u16> {
        let place = self.by_parts.binary_search_by_key(&[left, right], |(parts, _)| *parts);
        place.ok().map(|place| self.by_parts[place].1)
    }

    /// A token's bytes; none of a special one. A character may be of several tokens.
    pub(crate) fn bytes(&self, token: u16) -> Vec<u8> {
        let (mut bytes, mut left) = (Vec::new(), vec![token]);
        while let Some(token) = left.pop() {
            if let Some(place) = token.checked_sub(MERGED) {
                let [first, second] = self.merges[usize::from(place)];
                left.extend([second, first]);
            } else if let Some(place) = token.checked_sub(SPECIAL) {
                bytes.push(TABLE[usize::from(place)]);
            }
        }
        bytes
    }
}

/// The earliest merge, and where it is.
fn first(merged: &[Option<u16>]) -> Option<(usize, u16)> {
    let possible = merged.iter().enumerate().filter_map(|(place, token)| Some((place, (*token)?)));
    possible.min_by_key(|&(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the Python package tokenizers, from the vocabulary in the model's file.
    #[test]
    fn tokens_are_those_of_the_models_own_tokenizer() {
        let vocabulary = Vocabulary::new();
        for (text, expected) in [
            ("", &[][..]),
            ("Gravity is", &[22007, 6463, 314]),
            (
                "It's 3 o'clock, and they'd say 'twas  half past 12:45!\n\n  Übermut naïve ",
                &[
                    1589, 506, 216, 35, 263, 23, 17466, 28, 284, 502, 6737, 1643, 637, 10372, 292, 216, 2745, 1896,
                    216, 33, 34, 42, 36, 37, 17, 8866, 5549, 246, 593, 22258, 15486, 46494, 216,
                ],
            ),
            (
                "東京 क्षत्रिय \u{a0}x\t\ty 𝔘 ½ ☕\u{fe0f}🙂 \r\n end",
                &[
                    30679, 126, 16736, 122, 42034, 16525, 4300, 132, 26293, 16525, 21891, 27011, 32932, 216, 15442,
                    104, 197, 197, 105, 216, 23159, 238, 242, 216, 16738, 4636, 242, 239, 31752, 10813, 38887, 216,
                    2738, 1112,
                ],
            ),
            ("don't can'T we'll 'LL'll  'x", &[12420, 982, 416, 23, 68, 392, 3060, 637, 16421, 3060, 216, 637, 104]),
            ("\0\u{7f}\u{301}e\u{301}  \n\n x", &[190, 217, 151, 219, 85, 151, 219, 256, 1116, 1792]),
        ] {
            let tokens = vocabulary.tokens(text);
            assert_eq!(tokens, expected, "{text:?}");
            let bytes: Vec<u8> = tokens.iter().flat_map(|&token| vocabulary.bytes(token)).collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }

    #[test]
    fn special_tokens_have_no_text_and_the_last_has() {
        let vocabulary = Vocabulary::new();
        assert!((0..SPECIAL).all(|token| vocabulary.bytes(token).is_empty()));
        assert!((SPECIAL..49_152).all(|token| !vocabulary.bytes(token).is_empty()));
    }
}
