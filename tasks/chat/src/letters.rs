//! What Unicode calls letters: its categories that begin with L.

/// Their ranges, by scripts/tokenizer.py: the first and the last of each, little-endian.
const RANGES: &[u8] = include_bytes!("../data/letters.bin");

/// Whether a character is a letter. Marks that belong to letters, and numbers that look like them, are none.
pub(crate) fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    let (ranges, _) = RANGES.as_chunks::<8>();
    let ends = |range: &[u8; 8]| {
        let number = u64::from_le_bytes(*range);
        (number as u32, (number >> 32) as u32)
    };
    let behind = ranges.partition_point(|range| ends(range).0 <= u32::from(character));
    behind > 0 && u32::from(character) <= ends(&ranges[behind - 1]).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_told_from_what_is_like_them() {
        for letter in ['a', 'Z', 'é', 'ß', 'ª', 'ŉ', '京', 'क', '𝔘', '\u{3134a}'] {
            assert!(is_letter(letter), "{letter}");
        }
        // A combining accent, a vowel sign, a letter number, a circled letter.
        for other in ['1', '_', ' ', '\u{7f}', '\u{301}', '\u{93f}', 'Ⅷ', 'Ⓐ', '½', '☕', '\u{10ffff}'] {
            assert!(!is_letter(other), "{other}");
        }
    }
}
