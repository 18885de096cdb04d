//! Where a text may be cut: no token reaches from one word into the next.
//!
//! What the model's tokenizer says by the regular expression
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, after each digit was taken by itself.

use crate::letters::is_letter;

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Space,
    Other,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            _ if character.is_whitespace() => Self::Space,
            _ if is_letter(character) => Self::Letter,
            _ => Self::Other,
        }
    }
}

/// The words of a text, in order: together they are all of it.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for piece in text.split_inclusive(char::is_numeric) {
        let digit = piece.chars().next_back().filter(|last| last.is_numeric()).map_or(0, char::len_utf8);
        let (mut rest, digit) = piece.split_at(piece.len() - digit);
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(word_bytes(rest));
            words.push(word);
            rest = behind;
        }
        words.extend(Some(digit).filter(|digit| !digit.is_empty()));
    }
    words
}

/// Bytes of the first word of a text without digits, which is not empty.
fn word_bytes(text: &str) -> usize {
    if let Some(contraction) = CONTRACTIONS.iter().find(|contraction| text.starts_with(*contraction)) {
        return contraction.len();
    }
    let body = text.strip_prefix(' ').unwrap_or(text);
    match body.chars().next().map(Kind::of) {
        None | Some(Kind::Space) => {}
        Some(kind) => return text.len() - body.len() + run_bytes(body, kind),
    }
    let spaces = run_bytes(text, Kind::Space);
    let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
    // The last of several spaces goes with the word behind them.
    if spaces < text.len() && last < spaces { spaces - last } else { spaces }
}

fn run_bytes(text: &str, kind: Kind) -> usize {
    text.find(|character| Kind::of(character) != kind).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_expression() {
        for (text, expected) in [
            ("", &[][..]),
            ("It's  a dog", &["It", "'s", " ", " a", " dog"]),
            ("'twas 'LL'll", &["'t", "was", " '", "LL", "'ll"]),
            ("in 12:45!", &["in", " ", "1", "2", ":", "4", "5", "!"]),
            ("a\n\n  b \n", &["a", "\n\n ", " b", " \n"]),
            ("\tx\u{a0}y ", &["\t", "x", "\u{a0}", "y", " "]),
            ("e\u{301}½ ☕", &["e", "\u{301}", "½", " ☕"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
            assert_eq!(words(text).concat(), text);
        }
    }
}
