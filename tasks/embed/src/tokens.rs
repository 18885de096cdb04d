//! From text to the numbers of its tokens, as BERT has them: WordPiece without case and accents.

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerImpl, TruncationParams};

/// The model's vocabulary, a token in each line.
const VOCABULARY: &[u8] = include_bytes!("../data/vocab.txt");
/// Tokens that a text may name, and that are never taken apart.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// The token before a text, and the one behind it.
const AROUND: [(&str, u32); 2] = [("[CLS]", 101), ("[SEP]", 102)];
/// Tokens of one text, those around it included; the model's makers trained it with no more.
const MAX_TOKENS: usize = 256;

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer: {0}")]
pub(crate) struct TokenError(#[from] tokenizers::Error);

/// The tokenizer of exactly these parts: what other models' need never becomes code of the component.
type BertTokenizer = TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// Finds tokens.
pub(crate) struct Tokens(BertTokenizer);

impl Tokens {
    /// # Errors
    /// If the vocabulary is not one.
    pub(crate) fn new() -> Result<Self, TokenError> {
        let mut tokenizer = BertTokenizer::new(WordPiece::builder().vocab(WordPiece::read_bytes(VOCABULARY)?).build()?);
        let [before, behind] = AROUND.map(|(text, number)| (text.to_owned(), number));
        tokenizer
            .with_normalizer(Some(BertNormalizer::default()))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(Some(BertProcessing::new(behind, before)));
        tokenizer.add_special_tokens(&SPECIAL.map(|text| AddedToken::from(text, true)));
        tokenizer.with_truncation(Some(TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() }))?;
        Ok(Self(tokenizer))
    }

    /// The numbers of a text's tokens.
    ///
    /// # Errors
    /// If the tokenizer has one.
    pub(crate) fn of(&self, text: &str) -> Result<Vec<i64>, TokenError> {
        Ok(self.0.encode_fast(text, true)?.get_ids().iter().map(|&number| number.into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_models_own_tokenizer() {
        let tokens = Tokens::new().unwrap();
        // By the Python package tokenizers from the model's tokenizer.json.
        for (text, expected) in [
            ("", &[101, 102][..]),
            ("Proof of useful work.", &[101, 6947, 1997, 6179, 2147, 1012, 102]),
            (
                "Ein Übermut-Zebra\tkostet 3,50€",
                &[101, 16417, 19169, 28120, 1011, 29145, 12849, 13473, 2102, 1017, 1010, 2753, 30102, 102],
            ),
            ("unaffable [MASK] 東京 naïve", &[101, 14477, 20961, 3468, 103, 1879, 1755, 15743, 102]),
        ] {
            assert_eq!(tokens.of(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let tokens = Tokens::new().unwrap().of(&"word ".repeat(1000)).unwrap();
        assert_eq!((tokens.len(), tokens[0], tokens[254], tokens[255]), (256, 101, 2773, 102));
    }
}
